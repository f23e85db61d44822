"""A street of two classes that flickers, moves, is cut, and is covered by something new."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.camera.network_input import NetworkInput
from mtscene_ros.estimator import open_estimator
from mtscene_ros.temporal.flow import grown, motion
from mtscene_ros.temporal.steady import Steady
from mtscene_ros.temporal.watch import WatchOptions
from mtscene_ros.types import CameraFrame, Intrinsics

H, W, SEC = 64, 128, 10**9
CAMERA = Intrinsics(W, H, 100.0, 100.0, 63.5, 31.5)


def scenery(seed: int = 0) -> np.ndarray:
    """Smooth noise, wider than an image, in which every place looks different."""
    rng = np.random.default_rng(seed)
    blobs = rng.integers(0, 256, (H // 4, 3 * W // 4, 3), np.uint8)
    return np.asarray(cv2.resize(blobs, (3 * W, H), interpolation=cv2.INTER_CUBIC))


def outputs(label: int, confidence: int, depth_m: float) -> dict[str, np.ndarray]:
    size = (H // 2, W // 2)
    return {
        'semantic_labels': np.full(size, label, np.uint8),
        'semantic_confidence': np.full(size, confidence, np.uint8),
        'depth': np.full(size, depth_m, np.float32),
    }


def shown(steady: Steady, rgb: np.ndarray, stamp_ns: int, made: dict) -> dict[str, np.ndarray]:
    frame = CameraFrame(np.ascontiguousarray(rgb), CAMERA, stamp_ns, 'optical')
    return steady.update(frame, NetworkInput(frame.rgb, Letterbox(W, H, W, H)), made)


def share(found: dict[str, np.ndarray], label: int) -> float:
    return float((found['semantic_labels'] == label).mean())


def test_flow_finds_a_pan_and_what_it_brings_into_view() -> None:
    grey = cv2.cvtColor(scenery(), cv2.COLOR_RGB2GRAY)
    last, now = (np.ascontiguousarray(grey[:, k : k + W]) for k in (5, 8))
    way = motion(last, now)  # the scene moves 3 px to the left
    middle = (slice(8, -8), slice(16, -16))
    right = np.arange(W)[None]
    assert np.median((way.columns - right)[middle]) == pytest.approx(3, abs=0.2)
    assert way.agrees[middle].mean() > 0.95
    assert not way.agrees[:, -2:].any()  # was outside
    half = way.resized(H // 2, W // 2)
    assert np.median((half.columns - np.arange(W // 2))[4:-4, 8:-8]) == pytest.approx(1.5, abs=0.1)


def test_a_single_contrary_image_changes_nothing_and_two_sure_ones_do() -> None:
    steady, rgb, found = Steady(), scenery()[:, :W], []
    for k, (label, sure) in enumerate(
        [(0, 230), (0, 230), (7, 120), (0, 230), (7, 242), (7, 242)]
    ):
        result = shown(steady, rgb, (k + 1) * SEC // 10, outputs(label, sure, 10.0))
        found.append(share(result, 7))
    assert found[:4] == [0, 0, 0, 0]
    assert found[5] == 1
    assert steady.last is not None
    assert steady.last.outputs['semantic_labels'].shape == (H, W)


def test_depth_is_the_mean_in_log_space_of_two_images() -> None:
    steady, rgb = Steady(is_metric=False), scenery()[:, :W]
    shown(steady, rgb, 1, outputs(0, 200, 10.0))
    found = shown(steady, rgb, 2, outputs(0, 200, 8.1))
    assert np.median(found['depth']) == pytest.approx(9.0)
    assert shown(Steady(), rgb, 1, outputs(0, 200, 8.1))['depth'][0, 0] == np.float32(8.1)


@pytest.mark.parametrize('what', ['cut', 'back in time', 'late', 'another lens', 'another object'])
def test_what_has_changed_is_as_new_as_it_comes(what: str) -> None:
    steady, rgb, made = Steady(), scenery()[:, :W], outputs(7, 60, 8.0)
    shown(steady, rgb, SEC, outputs(0, 250, 10.0))
    stamp_ns = {'back in time': SEC // 2, 'late': 3 * SEC}.get(what, SEC + 1)
    if what == 'cut':
        rgb = scenery(1)[:, :W]
    if what == 'another object':
        made['depth'] /= 4
    frame = CameraFrame(np.ascontiguousarray(rgb), CAMERA, stamp_ns, 'optical')
    box = Letterbox(W, H, W, H, stretched=what == 'another lens')
    found = steady.update(frame, NetworkInput(frame.rgb, box), made)
    assert share(found, 7) == 1
    np.testing.assert_array_equal(found['depth'], made['depth'])


def test_something_new_in_the_picture_has_its_label_at_once() -> None:
    steady, rgb = Steady(), scenery()[:, :W].copy()
    shown(steady, rgb, SEC, outputs(0, 250, 10.0))
    rgb[16:48, 32:80] = scenery(5)[16:48, 32:80]
    made = outputs(0, 250, 10.0)
    made['semantic_labels'][8:24, 16:40] = 7
    found = shown(steady, rgb, SEC + 1, made)['semantic_labels']
    assert (found[20:44, 36:76] == 7).mean() > 0.6
    assert (found[:12] == 7).mean() == 0


def test_growing_a_map_makes_no_new_value() -> None:
    wide = grown(np.array([[1, 300]], np.int32), (2, 4))
    assert (wide.tolist(), wide.dtype) == ([[1, 1, 300, 300]] * 2, np.dtype(np.int32))


def test_the_estimator_steadies_labels_of_one_camera_and_decodes_them(
    tiny_path: str, frame: CameraFrame
) -> None:
    estimator = open_estimator(tiny_path)
    estimator.watch.options = WatchOptions(is_steady=True)
    first = frame.rgb.copy()
    first[16:, :, 1] = 100  # sure enough to hold against a doubt
    other = first.copy()
    other[20:22, 20:22] = (40, 51, 40)  # label 5 instead of 1, unsure
    frames = [replace(frame, rgb=rgb, stamp_ns=k + 1) for k, rgb in enumerate([first, other])]
    labels = [estimator.estimate([f])[0].labels for f in frames]
    np.testing.assert_array_equal(*labels)
    estimator.watch.options = WatchOptions()
    assert (estimator.estimate([frames[1]])[0].labels != labels[0]).any()
