"""`mtscene live` beside a running node: pictures while somebody looks, and none otherwise."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from mtscene_ros.report import live_page
from mtscene_ros.report.live_page import LiveState
from mtscene_ros.ros.live_topics import TOPICS, LiveTopics, jpeg_of
from mtscene_ros.types import CameraFrame

from .fleet import Fleet, info_of
from .inside import Inside

SEC = 10**9


def test_pictures_come_while_somebody_looks(
    inside_of: Callable[..., Inside],
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside, fleet = inside_of(), fleet_of(('',), topics=('debug/frame_stats',))
    state = LiveState(tuple(TOPICS))
    live = LiveTopics(fleet.node, '/perception', state)
    inside.connect(fleet, {'': info_of('', 64, 32, 64.0)})
    fleet.wait(lambda: any(entry['title'] == 'model' for entry in state.status))
    assert not live._subscriptions
    state.next_picture('overlay', 0, 0.0)  # a page asks
    fleet.wait(lambda: inside.line.is_subscribed('', 'debug/overlay'))
    assert not inside.line.is_subscribed('', 'depth/image')
    number = iter(range(1, 1000))

    def is_shown() -> bool:
        fleet.show('', frame.rgb, next(number) * SEC)
        return state.next_picture('overlay', 0, 0.2) is not None

    fleet.wait(is_shown)
    found = state.next_picture('overlay', 0, 0.0)
    assert found is not None
    assert cv2.imdecode(np.frombuffer(found[1], np.uint8), 1).shape == (32, 64, 3)
    monkeypatch.setattr(live_page, 'WANTED_S', 0.0)  # the page is closed
    fleet.wait(lambda: not live._subscriptions)


def test_depth_is_coloured_and_wide_images_shrink() -> None:
    depth_m = np.full((1000, 2000), 60, np.float32)
    message = Image(height=1000, width=2000, encoding='32FC1', data=depth_m.tobytes())
    picture = cv2.imdecode(np.frombuffer(jpeg_of(message), np.uint8), 1)
    assert picture.shape == (480, 960, 3)
    assert picture[0, 0].tolist() == pytest.approx([59, 18, 48], abs=4)  # BGR, turbo's end
