"""Ids that stay with objects, whatever the camera does."""

from dataclasses import replace

import numpy as np
import pytest

from mtscene_ros.camera.geometry import optical_from_level_box, quaternion_from_matrix
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.temporal.heading import heading_of, turned_back
from mtscene_ros.temporal.tracking import Track, Tracker, TrackingOptions, correct, predict
from mtscene_ros.types import Boxes3D
from mtscene_ros.worlds import SEQUENCES
from mtscene_ros.worlds.frame import WorldFrame


def boxes(centers: list[tuple[float, float, float]], class_id: int = 0) -> Boxes3D:
    n = len(centers)
    turned = quaternion_from_matrix(optical_from_level_box(np.zeros(n)))
    ids = np.full(n, class_id, np.int64)
    sizes, scores = np.full((n, 3), 2.0), np.ones(n, np.float32)
    return Boxes3D(ids, scores, np.array(centers).reshape(n, 3), sizes, turned, DRIVE_BOXES)


def ns(seconds: float) -> int:
    return round(seconds * 1e9)


def test_cars_that_cross_keep_their_ids() -> None:
    tracker = Tracker()
    seen = []
    for step in range(21):  # one from the left, one from the right, 2 m apart when they meet
        x = -10.0 + step
        seen.append(tracker.update(boxes([(x, 0, 20), (-x, 0, 22)]), ns(0.1 * step)).ids)
    assert seen[0] == ('', '')  # too new
    assert set(seen[1:]) == {('1', '2')}


def test_an_id_survives_missed_frames_but_not_a_second() -> None:
    tracker = Tracker()
    for step in range(5):
        tracker.update(boxes([(step * 1.0, 0, 20)]), ns(0.1 * step))
    for step in range(5, 9):
        tracker.update(boxes([]), ns(0.1 * step))
    assert tracker.update(boxes([(9.0, 0, 20)]), ns(0.9)).ids == ('1',)
    assert tracker.update(boxes([(9.0, 0, 20)]), ns(2.5)).ids == ('',)  # a new one
    assert [track.number for track in tracker.tracks] == [2]
    assert tracker.update(boxes([]), ns(9)).ids == ()
    assert tracker.tracks == []


def test_a_parked_car_stands_still_under_a_driving_camera() -> None:
    tracker = Tracker()
    for step in range(30):
        yaw, z = 0.01 * step, 0.5 * step  # turns and drives
        pose = np.eye(4)
        pose[:3, :3] = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
        pose[:3, 3] = [0, 0, z]
        parked = pose[:3, :3].T @ (np.array([3.0, 1, 40]) - pose[:3, 3])
        tracker.update(boxes([tuple(parked)]), ns(0.1 * step), pose)
    [track] = tracker.tracks
    np.testing.assert_allclose(track.mean, [3, 1, 40, 0, 0, 0], atol=1e-3)
    assert track.hits == 30


def test_odometry_that_is_late_for_a_frame_costs_no_id() -> None:
    """The camera drives 0.5 m per frame; every fourth frame TF has no pose."""
    tracker, ids = Tracker(), []
    for step in range(20):
        pose = np.eye(4)
        pose[2, 3] = 0.5 * step
        known = None if step % 4 == 3 else pose
        ids.append(tracker.update(boxes([(3.0, 1, 40 - 0.5 * step)]), ns(0.1 * step), known).ids)
    assert set(ids[1:]) == {('1',)}


def test_odometry_that_comes_late_begins_anew() -> None:
    tracker, pose = Tracker(TrackingOptions(hits=1)), np.eye(4)
    pose[0, 3] = 500.0  # far from where the camera's own frame has the box
    assert tracker.update(boxes([(0, 0, 10)]), ns(1)).ids == ('1',)
    assert tracker.update(boxes([(0, 0, 10)]), ns(1.1), pose).ids == ('2',)
    assert len(tracker.tracks) == 1  # what lay in the camera's frame is forgotten
    assert tracker.update(boxes([(0, 0, 10)]), ns(1.2), pose).ids == ('2',)


def test_velocity_is_found() -> None:
    tracker = Tracker()
    for step in range(30):
        tracker.update(boxes([(0.0, 0, 10 + 0.8 * step)]), ns(0.1 * step))
    np.testing.assert_allclose(tracker.tracks[0].mean[3:], [0, 0, 8], atol=0.05)


def test_classes_do_not_mix_and_time_going_back_forgets() -> None:
    tracker = Tracker(TrackingOptions(hits=1))
    assert tracker.update(boxes([(0, 0, 10)]), ns(5)).ids == ('1',)
    assert tracker.update(boxes([(0, 0, 10)], class_id=1), ns(5.1)).ids == ('2',)
    assert tracker.update(boxes([(0, 0, 10)]), ns(1)).ids == ('3',)


def test_what_acceleration_adds() -> None:
    """Over 1 s with 2 m/s^2: a position by 1 m, a velocity by 2 m/s (standard deviations)."""
    track = Track(1, 0, np.array([0.0, 0, 10, 1, 2, 3]), np.zeros((6, 6)), 0)
    predict(track, 1.0, 2.0)
    assert track.mean.tolist() == [1, 2, 13, 1, 2, 3]
    expected = np.kron([[1.0, 2.0], [2.0, 4.0]], np.eye(3))
    np.testing.assert_array_equal(track.covariance, expected)


def test_a_measured_centre_is_weighed_by_its_deviation() -> None:
    """Variances 4 and 1: the centre moves by 4 / 5, and so does the velocity tied to it by 2."""
    covariance = np.diag([4.0, 4, 4, 9, 9, 9])
    covariance[0, 3] = covariance[3, 0] = 2.0
    track = Track(1, 0, np.zeros(6), covariance, 0)
    correct(track, np.array([5.0, 0, 10]), 1.0)
    np.testing.assert_allclose(track.mean, [4, 0, 8, 2, 0, 0])
    np.testing.assert_allclose(np.diag(track.covariance), [0.8, 0.8, 0.8, 9 - 4 / 5, 9, 9])


@pytest.mark.parametrize(('gap_m', 'ids'), [(3.9, ('1',)), (4.1, ('2',))])
def test_the_gate_is_in_standard_deviations(gap_m: float, ids: tuple[str]) -> None:
    """A track begins with 1 m; a measurement of 0 m adds nothing: 4 m is the gate."""
    options = TrackingOptions(hits=1, measurement_m=1e-6, measurement_share=0.0)
    tracker = Tracker(options)
    tracker.update(boxes([(0, 0, 10)]), ns(1))
    assert tracker.update(boxes([(gap_m, 0, 10)]), ns(1)).ids == ids


def test_what_was_not_seen_for_exactly_a_second_is_still_known() -> None:
    for age_ns, ids in ((ns(1), ('1',)), (ns(1) + 1, ('2',))):
        tracker = Tracker(TrackingOptions(hits=1))
        tracker.update(boxes([(0, 0, 10)]), ns(5))
        assert tracker.update(boxes([(0, 0, 10)]), ns(5) + age_ns).ids == ids


def test_the_measurement_is_coarser_far_away() -> None:
    """0.3 m and 4 % of 10 m: a deviation of 0.7 m beside the track's 1 m."""
    tracker = Tracker()
    for z in (10.0, 10.0):
        tracker.update(boxes([(0, 0, z)]), ns(1))
    expected = 1 * 0.49 / (1 + 0.49)
    np.testing.assert_allclose(np.diag(tracker.tracks[0].covariance)[:3], [expected] * 3)
    assert tracker.tracks[0].hits == 2


def seen(frame: WorldFrame, random: np.random.Generator, drop_share: float) -> Boxes3D:
    """Noise of 3 % of the distance, boxes that vanish, nothing beyond 60 m."""
    kept = random.random(len(frame.boxes)) >= drop_share
    found = frame.boxes.select(kept & (frame.boxes.centers_m[:, 2] < 60))
    noise = 1 + 0.03 * random.normal(size=(len(found), 1))
    return replace(found, centers_m=found.centers_m * noise)


@pytest.mark.trust
@pytest.mark.parametrize('drop_share', [0.0, 0.15])
def test_few_switches_on_generated_drives(drop_share: float) -> None:
    random = np.random.default_rng(3)
    pairs = switches = 0
    for seed in range(5, 9):
        tracker, last = Tracker(), dict[tuple[float, ...], str]()
        for k, frame in enumerate(SEQUENCES['drive'](seed, 30, 10.0, 128, 64)):
            found = seen(frame, random, drop_share)
            ids = tracker.update(found, ns(0.1 * k), frame.world_from_optical).ids
            objects = [tuple(size.round(6)) for size in found.sizes_m]  # no two have the same
            for thing, name in zip(objects, ids, strict=True):
                pairs += bool(name)
                switches += bool(name) and last.setdefault(thing, name) != name
                if name:
                    last[thing] = name
    assert pairs > 200
    assert switches <= 0.02 * pairs


def test_a_heading_that_flips_for_one_image_is_held_and_a_real_turn_is_followed() -> None:
    tracker, shown = Tracker(), []
    yaws = [0.0, 0.3, 0.3 + np.pi, 0.4, 0.4, 0.4] + [0.4 + np.pi] * 6
    for step, yaw in enumerate(yaws):
        turned = quaternion_from_matrix(optical_from_level_box(np.array([yaw])))
        one = replace(boxes([(0, 0, 20)]), quaternions_xyzw=turned)
        found = tracker.update(one, ns(0.1 * step)).quaternions_xyzw[0]
        shown.append(abs(float(found @ turned[0])) > 0.99)  # q and -q are the same rotation
    # Votes: 1, 2, (1), 2, 3, 4, and four boxes the other way round outvote them.
    assert shown == [True, True, False, True, True, True, False, False, False, True, True, True]


def test_turning_back_keeps_the_upright_axis() -> None:
    half = np.sqrt(0.5)
    tilted = np.array([0.0, half, 0.0, half])  # 90 degrees about y: x points down z
    np.testing.assert_allclose(heading_of(tilted), [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(heading_of(turned_back(tilted)), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(
        heading_of(turned_back(turned_back(tilted))), [0, 0, -1], atol=1e-12
    )
