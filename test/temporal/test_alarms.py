"""When an alarm is raised, and what becomes of results meanwhile."""

import numpy as np
import pytest

from mtscene_ros.temporal.alarms import Alarm, Alarms
from mtscene_ros.temporal.gate import weakened
from mtscene_ros.types import Boxes3D, CameraFrame, LabelMap, Scene, Signal


def test_three_images_in_a_row_raise_and_end_an_alarm() -> None:
    alarm, limit = Alarm(), 1.0
    values = [2, 2, 0, 2, 2, 2, 0.95, 0.95, 0.95, 0.5, 0.5, 2, 0.5, 0.5, 0.5]
    found = [alarm.update(value, limit) for value in values]
    assert found == [False] * 5 + [True] * 9 + [False]


def test_raised_signals_are_returned_and_forgotten_once_nobody_measures_them() -> None:
    alarms, bad, good = Alarms(), Signal('black', 1, 0.9, ''), Signal('blurred', 1, 6, '')
    found = [alarms.update((bad, good)) for _ in range(3)]
    assert found == [[], [], [bad]]
    assert alarms.states == [(bad, True), (good, False)]
    assert alarms.update(()) == []
    assert alarms.update((bad,)) == []


def test_confidences_are_lowered_by_the_worst_signal(frame: CameraFrame) -> None:
    labels = LabelMap(np.zeros((1, 2), np.uint8), np.array([[200, 51]], np.uint8), ())
    one, three = np.zeros(1, np.int64), np.zeros((1, 3))
    boxes = Boxes3D(one, np.full(1, 0.8, np.float32), three, three, np.zeros((1, 4)), ())
    scene = Scene(frame, {'semantic': labels, 'boxes3d': boxes})
    novel, blurred = Signal('novelty', 2, 1, ''), Signal('blurred', 7.5, 6, '')
    found = weakened(scene, (blurred, novel))
    assert found.results['semantic'].confidence.tolist() == [[100, 26]]  # 25.5 rounded to even
    assert found.results['boxes3d'].scores == pytest.approx([0.4])
    blind = weakened(scene, (novel, Signal('black', 1, 0.9, '', is_blind=True)))
    assert blind.results['semantic'].confidence.max() == 0
