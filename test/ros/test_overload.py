"""More frames than the node can process: the newest wins, and every one is accounted for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from patience import PATIENCE_S

from mtscene_ros.camera.mailbox import Counts
from mtscene_ros.types import CameraFrame

from .fleet import Fleet, info_of
from .inside import Inside

SEC = 10**9
STATS = 'debug/frame_stats'


class Gate:
    """In front of the network: each inference waits until the test lets it pass."""

    def __init__(self, inside: Inside) -> None:
        self.begun, self._passes = 0, threading.Semaphore(0)
        self._infer = inside.line.estimator.backend.infer
        inside.line.estimator.backend.infer = self._wait_and_infer  # type: ignore[method-assign]

    def let_pass(self) -> None:
        self._passes.release()

    def _wait_and_infer(self, *arguments: Any) -> Any:
        self.begun += 1
        assert self._passes.acquire(timeout=PATIENCE_S)
        return self._infer(*arguments)


def test_the_newest_frame_wins_and_every_frame_is_accounted_for(
    inside_of: Callable[..., Inside], fleet_of: Callable[..., Fleet], frame: CameraFrame
) -> None:
    """While the network works on one image ten more come: the last of them is the next."""
    inside, fleet = inside_of(), fleet_of(('',), topics=('semantic/image', STATS))
    inside.connect(fleet, {'': info_of('', 64, 32, 64.0)})
    gate, mailbox, stats = Gate(inside), inside.node._mailbox, fleet.got['', STATS]
    fleet.show('', frame.rgb, SEC)
    fleet.wait(lambda: gate.begun == 1)
    for number in range(2, 52):
        fleet.show('', frame.rgb, number * SEC)
        fleet.wait(lambda n=number: mailbox.counts('').received == n)
        if number % 10 == 1:
            gate.let_pass()  # the one in work
            fleet.wait(lambda n=number: gate.begun == n // 10 + 1)
    gate.let_pass()
    fleet.wait(lambda: len(stats) == 6)
    assert [m.header.stamp.sec for m in stats] == [1, 11, 21, 31, 41, 51]
    assert mailbox.counts('') == Counts(received=51, published=6, dropped=45)
