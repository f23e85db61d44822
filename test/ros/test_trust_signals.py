"""The node with a camera that is covered: what it says, and what gate.mode makes of it."""

from collections.abc import Callable

import numpy as np
import pytest
from mtscene_msgs.msg import FrameStats

from mtscene_ros.types import CameraFrame

from .fleet import Fleet, info_of
from .inside import Inside

INFO, SEC = info_of('', 64, 32, 64.0), 10**9
BLACK = np.zeros((32, 64, 3), np.uint8)
TOPICS = ('semantic/confidence', 'debug/frame_stats')

if 'signals' not in FrameStats.get_fields_and_field_types():
    pytest.skip('mtscene_msgs is older than these sources', allow_module_level=True)


@pytest.mark.parametrize(('mode', 'published', 'effect'), [
    ('warn', 5, ''), ('confidence', 5, 'Confidences are lowered'), ('stop', 2, 'Nothing is pub')
])  # fmt: skip
def test_a_black_image_is_reported_and_gated_from_the_third_on(
    inside_of: Callable[..., Inside],
    fleet_of: Callable[..., Fleet],
    mode: str,
    published: int,
    effect: str,
) -> None:
    inside = inside_of(**{'camera_health.enabled': True, 'gate.mode': mode})
    fleet = fleet_of(('',), topics=TOPICS)
    inside.connect(fleet, {'': INFO})
    for k in range(5):
        inside.show(fleet, '', BLACK + np.uint8(k % 2), k * SEC)
    fleet.wait(lambda: len(fleet.got['', TOPICS[1]]) == 5)
    last = fleet.got['', TOPICS[1]][-1]
    fleet.wait(lambda: len(fleet.got['', TOPICS[0]]) == published)
    assert (last.published, last.dropped) == (published, 5 - published)
    assert next((s.value, s.is_raised) for s in last.signals if s.name == 'black') == (1.0, True)
    fleet.wait(lambda: 'The image is black: 100.0 %' in fleet.status_of('camera').message)
    assert effect in fleet.status_of('camera').message


def test_off_it_measures_nothing(
    inside_of: Callable[..., Inside], fleet_of: Callable[..., Fleet], frame: CameraFrame
) -> None:
    inside, fleet = inside_of(), fleet_of(('',), topics=TOPICS)
    inside.connect(fleet, {'': INFO})
    inside.show(fleet, '', frame.rgb, SEC)
    fleet.wait(lambda: len(fleet.got['', TOPICS[1]]) == 1)
    [stats] = fleet.got['', TOPICS[1]]
    assert (list(stats.signals), [s.name for s in stats.stages].count('watch')) == ([], 0)
