"""When the node says that it cannot keep up, and when it says nothing."""

from __future__ import annotations

from mtscene_ros.camera.mailbox import Counts
from mtscene_ros.ros.latency import Percentiles
from mtscene_ros.ros.overload import Load
from mtscene_ros.ros.troubles import Troubles

STAGES = {
    name: Percentiles(seconds, seconds, seconds)
    for name, seconds in {
        'receive': 0.5, 'infer': 0.08, 'decode': 0.01, 'prepare': 0.003, 'publish': 0.007,
        'latency': 0.6, 'age': 0.7,
    }.items()
}  # fmt: skip


def sentences(
    in_hz: float, out_hz: float, limit_hz: float = 0.0, failed_hz: float = 0
) -> list[str]:
    """Of twelve readings, one a second."""
    load, found = Load(), []
    for second in range(12):
        received, published = round(in_hz * second), round(out_hz * second)
        failed = round(failed_hz * second)
        counts = Counts(received, published, received - published - failed, failed)
        load.update(counts, float(second), limit_hz, STAGES)
        found.append(load.sentence)
    return found


def test_rates_stages_and_remedies_are_named() -> None:
    found = sentences(30, 10)
    assert found[:5] == [''] * 5  # fewer than 5 s
    assert found[5] == (
        'Images arrive at 30.0 Hz and results leave at 10.0 Hz: 67 % are dropped, for one takes '
        '100 ms (infer 80 ms, decode 10 ms, publish 7 ms); set a smaller output_scale, subscribe '
        'to fewer outputs, or choose another backend.'
    )


def test_a_node_that_keeps_up_says_nothing() -> None:
    assert sentences(30, 30) == [''] * 12
    assert sentences(30, 25) == [''] * 12  # 17 % are jitter
    assert sentences(0, 0) == [''] * 12


def test_a_rate_that_was_asked_for_is_no_overload() -> None:
    """30 Hz come, of which 10 are wanted."""
    assert sentences(30, 10, limit_hz=10) == [''] * 12
    assert 'arrive at 10.0 Hz and results leave at 5.0' in sentences(30, 5, limit_hz=10)[-1]


def test_failures_are_no_overload() -> None:
    assert sentences(30, 0, failed_hz=30) == [''] * 12


def test_it_ends_when_the_rate_falls() -> None:
    load = Load()
    for second in range(30):
        received = 30 * min(second, 10) + 5 * max(second - 10, 0)
        published = 10 * min(second, 10) + 5 * max(second - 10, 0)
        load.update(Counts(received, published, received - published, 0), second, 0.0, {})
        if second == 10:
            assert 'are dropped; set a' in load.sentence
    assert load.sentence == ''


class Logger:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, line: str) -> None:
        self.lines.append(line)


def test_a_state_is_logged_once_it_lasts_and_then_ever_more_rarely() -> None:
    """After 10 s, and then 20, 40 and 80 s later; a pause starts it afresh."""
    logger, now_s = Logger(), [0.0]
    troubles = Troubles(logger, lambda: now_s[0])  # type: ignore[arg-type]
    for second in range(200):
        now_s[0] = float(second)
        troubles.warn_lasting('camera', f'{second} s')
    assert logger.lines == ['10 s', '30 s', '70 s', '150 s']
    troubles.warn_lasting('camera', '')
    troubles.warn_lasting('camera', 'again')
    assert logger.lines[-1] == '150 s'
