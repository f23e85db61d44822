"""Calibration files of ROS: what `camera_calibration` writes, or one camera_info as YAML."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

# How far the proportions of an image may be from those of its calibration.
MAX_RATIO_ERROR = 0.01


class CalibrationError(ValueError):
    """A calibration file cannot be used; the message is one sentence."""


def read_calibration(path: Path) -> SimpleNamespace:
    """Reads a calibration as a message like sensor_msgs/CameraInfo, in memory only.

    path: YAML with image_width, camera_matrix and so on (`camera_calibration`), or with width, k
    and so on (`ros2 topic echo --once`). Raises CalibrationError.
    """
    found = yaml_mapping(path)
    try:
        if 'camera_matrix' in found:
            return camera_info(
                found['image_width'],
                found['image_height'],
                found['camera_matrix']['data'],
                found.get('distortion_coefficients', {}).get('data', ()),
                found.get('distortion_model', 'plumb_bob'),
            )
        lower = {str(key).lower(): value for key, value in found.items()}
        return camera_info(
            lower['width'],
            lower['height'],
            lower['k'],
            lower.get('d', ()),
            lower.get('distortion_model', 'plumb_bob'),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationError(
            f'{path} is no calibration of a camera ({type(error).__name__}: {error}); it needs '
            'image_width, image_height and camera_matrix, or width, height and k.'
        ) from None


def yaml_mapping(path: Path) -> dict[str, Any]:
    """Reads the first document of a YAML file. Raises CalibrationError."""
    try:
        import yaml
    except ImportError:
        raise CalibrationError('A calibration file needs PyYAML: pip install PyYAML.') from None
    try:
        with path.open(encoding='utf-8') as file:
            found = next(yaml.safe_load_all(file), None)
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f'{path} cannot be read ({error}).') from None
    except yaml.YAMLError as error:
        reason = ' '.join(str(error).split())
        raise CalibrationError(f'{path} is not YAML ({reason}).') from None
    if not isinstance(found, dict):
        raise CalibrationError(f'{path} is no calibration of a camera: it holds no keys.')
    return found


def camera_info(width: Any, height: Any, k: Any, d: Any, model: Any) -> SimpleNamespace:
    """Returns the message; k: 9 numbers by rows; d: any number of them."""
    matrix = [float(value) for value in k]
    if len(matrix) != 9:
        raise ValueError(f'the camera matrix has {len(matrix)} instead of 9 numbers')
    if int(width) < 1 or int(height) < 1:
        raise ValueError(f'the image has {width}x{height} pixels')
    return SimpleNamespace(
        header=SimpleNamespace(frame_id=''),
        width=int(width),
        height=int(height),
        k=matrix,
        p=[0.0] * 12,
        d=[float(value) for value in d],
        distortion_model=str(model),
        binning_x=0,
        binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    )


def scaled(info: SimpleNamespace, width_px: int, height_px: int) -> SimpleNamespace:
    """Returns the calibration for an image of another size, which must have its proportions.

    Pixel centres lie at integers, hence the half pixels. Raises CalibrationError.
    """
    x, y = width_px / info.width, height_px / info.height
    if abs(x / y - 1) > MAX_RATIO_ERROR:
        raise CalibrationError(
            f'The calibration is for {info.width}x{info.height} pixels, the image has '
            f'{width_px}x{height_px}, which is not only scaled; calibrate the camera at this size.'
        )
    k = info.k
    matrix = [
        k[0] * x, k[1] * x, (k[2] + 0.5) * x - 0.5,
        k[3] * y, k[4] * y, (k[5] + 0.5) * y - 0.5,
        *k[6:],
    ]  # fmt: skip
    return camera_info(width_px, height_px, matrix, info.d, info.distortion_model)
