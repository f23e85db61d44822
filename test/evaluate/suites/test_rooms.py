"""The truth of generated rooms and of RGB-D folders, handed in as the result, is perfect."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from mtscene_ros.datasets.classes import NYUD_40
from mtscene_ros.estimator import SceneModel, open_model
from mtscene_ros.evaluate.suites.rooms import generated, rgbd
from mtscene_ros.types import CameraFrame, DepthMap, LabelMap, NormalMap, Result, Scene
from mtscene_ros.worlds.room import room_frame

ROOM = room_frame(3, 0, 80, 60)


def oracle(results: dict[str, Result]) -> SceneModel:
    def estimate(rgb: Any, **_: Any) -> Scene:
        return Scene(CameraFrame(rgb, None, 0, 'camera'), results)

    return cast(SceneModel, SimpleNamespace(estimate=estimate))


def test_a_perfect_model_of_rooms_is_perfect() -> None:
    labels = LabelMap(ROOM.labels, ROOM.labels, NYUD_40)
    results: dict[str, Result] = {
        'semantic': labels,
        'depth': DepthMap(ROOM.depth_m),
        'normals': NormalMap(ROOM.normals),
    }
    found = generated(oracle(results), iter([ROOM]))
    assert found['images'] == 1
    assert found['semantic']['present_miou'] == 1
    assert found['depth']['abs_rel'] == 0
    assert found['normals']['mean_deg'] == pytest.approx(0, abs=1e-5)


def test_what_a_model_does_not_give_is_not_scored() -> None:
    found = generated(oracle({'depth': DepthMap(2 * ROOM.depth_m)}), iter([ROOM]))
    assert sorted(found) == ['depth', 'images']
    assert found['depth']['abs_rel'] == pytest.approx(1, abs=1e-6)


def test_depth_is_compared_with_an_rgbd_camera(tmp_path: Path) -> None:
    for name in ('rgb', 'depth'):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / 'rgb/1.png'), np.zeros((4, 4, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'depth/1.png'), np.full((4, 4), 2000, np.uint16))
    camera = {'fx': 4, 'fy': 4, 'cx': 1.5, 'cy': 1.5}
    (tmp_path / 'intrinsics.json').write_text(json.dumps(camera))
    found = rgbd(oracle({'depth': DepthMap(np.full((4, 4), 2.5, np.float32))}), tmp_path, 1)
    assert found['depth']['abs_rel'] == pytest.approx(0.25)  # 0.5 m of 2 m
    assert found['depth']['delta1'] == 0  # a ratio of exactly 1.25 is not below it


def test_the_bundled_model_sees_rooms() -> None:
    with open_model('room_lite', 'onnxruntime') as model:
        found = generated(model, (room_frame(901, k, 320, 240) for k in range(6)))
    assert found['semantic']['iou floor'] > 0.7
    assert found['depth']['abs_rel'] < 0.25
    assert found['normals']['mean_deg'] < 20
