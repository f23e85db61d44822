"""What predictions.mcap holds by default: every result once, small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from evaluate.bags import options, recorded

from mtscene_ros.evaluate.options import ALL_OUTPUTS, RESULTS_ONLY
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.evaluate.run.predictions import rounded, small
from mtscene_ros.recordings.bags import open_bag
from mtscene_ros.types import CameraFrame, DepthMap, Intrinsics, LabelMap, Scene, SemanticClass


def topics(tiny_path: str, folder: Path, outputs: tuple[str, ...]) -> set[str]:
    chosen = options(tiny_path, outputs=outputs)
    evaluate_bag(recorded(folder / 'a.mcap'), chosen, folder / 'report')
    with open_bag(folder / 'report' / 'predictions.mcap') as bag:
        return {topic.removeprefix('/perception/') for topic in bag.topics}


def test_by_default_each_result_is_there_once(tiny_path: str, tmp_path: Path) -> None:
    assert topics(tiny_path, tmp_path, RESULTS_ONLY) == {
        'semantic/image', 'semantic/label_info', 'depth/image', 'depth/camera_info',
        'detections_3d', 'debug/frame_stats',
    }  # fmt: skip


def test_all_that_the_node_publishes(tiny_path: str, tmp_path: Path) -> None:
    found = topics(tiny_path, tmp_path, ALL_OUTPUTS)
    assert found > {'points', 'scene', 'debug/overlay', 'semantic/confidence', 'detections_2d'}


def test_maps_are_small_and_their_camera_fits() -> None:
    """1280 px become 640: every second pixel, half the focal length."""
    rgb = np.zeros((720, 1280, 3), np.uint8)
    depth_m = np.tile(np.arange(1280, dtype=np.float32), (720, 1))
    labels = LabelMap(
        np.zeros((720, 1280), np.uint8), np.zeros((720, 1280), np.uint8),
        (SemanticClass(0, 'road', (0, 0, 0)),),
    )  # fmt: skip
    frame = CameraFrame(rgb, Intrinsics.centered(1280, 720, 1000.0), 0, 'c')
    made = small(Scene(frame, {'depth': DepthMap(depth_m), 'semantic': labels}))
    assert made.depth_m.shape == made.labels.shape == (360, 640)
    assert made.depth_m[0, :3].tolist() == [1, 3, 5]
    assert made.output_intrinsics == Intrinsics.centered(640, 360, 500.0)
    assert made.frame is frame


def test_depth_keeps_twelve_bits() -> None:
    values = np.array([1.0, 1.0 + 2**-11, 1.0 + 2**-13, 60.0, np.nan, np.inf, -np.inf], np.float32)
    found = rounded(values)
    assert found[:4].tolist() == [1.0, 1.0 + 2**-11, 1.0, 60.0]
    assert np.array_equal(found[4:], values[4:], equal_nan=True)
    some = np.random.default_rng(1).uniform(0.5, 100, 1000).astype(np.float32)
    assert abs(rounded(some) / some - 1).max() <= 2**-12
