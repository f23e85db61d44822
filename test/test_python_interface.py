"""What `import mtscene_ros` offers to scripts."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import mtscene_ros
from mtscene_ros.backends import BackendError
from mtscene_ros.camera.images import ImageError
from mtscene_ros.camera.photograph import frame_of_photograph
from mtscene_ros.types import CameraFrame, Intrinsics, MissingResultError

FOV_DEG = 53.13010235415598  # 2 atan(1 / 2): as wide as far away


@pytest.fixture
def model(tiny_path: str) -> mtscene_ros.SceneModel:
    return mtscene_ros.open_model(tiny_path, 'onnxruntime', threads=1)


def test_an_array_and_its_camera(model: mtscene_ros.SceneModel, frame: CameraFrame) -> None:
    scene = model.estimate(frame.rgb, intrinsics=frame.intrinsics)
    assert (scene.labels[0, 0], scene.labels[31, 63]) == (10, 1)
    assert scene.classes[10].name == 'sky'
    assert (scene.depth_m[0, 0], scene.depth_m[31, 0]) == (np.inf, 20)
    assert scene.boxes.centers_m[0] == pytest.approx([20 * 4 / 64, 20 * 12 / 64, 20])


def test_a_file_and_an_angle_are_the_same(
    model: mtscene_ros.SceneModel, frame: CameraFrame, tmp_path: Path
) -> None:
    """64 px wide, seen under 2 atan(1 / 2): the focal length is 64 px, as that of the frame."""
    cv2.imwrite(str(tmp_path / 'photo.png'), frame.rgb[..., ::-1])
    scene = model.estimate(tmp_path / 'photo.png', horizontal_fov_deg=FOV_DEG)
    assert scene.frame.rgb.tolist() == frame.rgb.tolist()
    assert scene.boxes.centers_m[0] == pytest.approx([20 * 4 / 64, 20 * 12 / 64, 20])


def test_a_right_angle_has_a_focal_length_of_half_the_width() -> None:
    made = frame_of_photograph(np.zeros((10, 20, 3), np.uint8), horizontal_fov_deg=90)
    assert made.intrinsics is not None
    assert made.intrinsics.fx_px == pytest.approx(10)
    assert (made.intrinsics.cx_px, made.intrinsics.cy_px) == (9.5, 4.5)


def test_without_a_camera_depth_says_what_it_needs(
    model: mtscene_ros.SceneModel, frame: CameraFrame
) -> None:
    scene = model.estimate(frame.rgb)
    assert scene.labels[0, 0] == 10
    with pytest.raises(MissingResultError, match=r'no depth .*\(semantic\).*horizontal_fov_deg'):
        _ = scene.depth_m
    only = model.estimate(frame.rgb, intrinsics=frame.intrinsics, tasks={'depth'})
    with pytest.raises(MissingResultError, match=r'no boxes3d .*\(depth\).*not requested'):
        _ = only.boxes


@pytest.mark.parametrize(
    ('image', 'camera', 'sentence'),
    [
        (np.zeros((4, 4), np.uint8), {}, r'shape \(4, 4\); it must be uint8 RGB'),
        (np.zeros((4, 4, 3)), {}, 'is a float64 array'),
        ('nowhere.jpg', {}, r'nowhere\.jpg is missing'),
        (np.zeros((4, 4, 3), np.uint8), {'horizontal_fov_deg': 180}, 'between 0 and 180'),
        (
            np.zeros((4, 4, 3), np.uint8),
            {'intrinsics': Intrinsics.centered(8, 4, 8)},
            r'for 8x4 pixels, the image has 4x4; intrinsics\.resized\(4, 4\)',
        ),
        (
            np.zeros((4, 8, 3), np.uint8),
            {'intrinsics': Intrinsics.centered(8, 4, 8), 'horizontal_fov_deg': 60},
            'given twice',
        ),
        (np.zeros((4, 4, 3), np.uint8), {'tasks': ['deph']}, 'no task deph; it has boxes3d'),
    ],
)
def test_mistakes_get_a_sentence(
    model: mtscene_ros.SceneModel, image: object, camera: dict, sentence: str
) -> None:
    with pytest.raises((ValueError, ImageError), match=sentence):
        model.estimate(image, **camera)


def test_models_are_found_by_name(tiny_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MTSCENE_MODELS', str(Path(tiny_path).parent))
    assert mtscene_ros.open_model('tiny', 'onnxruntime').spec.name == 'tiny'
    with pytest.raises(FileNotFoundError, match=r"no model 'tiyn'.*mtscene models"):
        mtscene_ros.open_model('tiyn')


def test_with_closes_the_model(tiny_path: str, frame: CameraFrame) -> None:
    with mtscene_ros.open_model(tiny_path, 'onnxruntime') as model:
        model.estimate(frame.rgb)
    with pytest.raises(BackendError, match='is closed'):
        model.estimate(frame.rgb)


def test_the_import_brings_nothing_along() -> None:
    code = (
        'import sys, mtscene_ros; print(*(n for n in ("numpy", "cv2", "onnxruntime", "rclpy") '
        'if n in sys.modules)); from mtscene_ros import open_model; print("onnxruntime" in '
        'sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ['', 'False']
    with pytest.raises(AttributeError, match="has no attribute 'open_modle'"):
        _ = mtscene_ros.open_modle
