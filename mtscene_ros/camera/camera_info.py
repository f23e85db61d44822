"""camera_info → intrinsics of one image, and what shows that it belongs to another one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.messages import Message
from mtscene_ros.types import Intrinsics

# Limits of a calibration: beyond them coordinates overflow before they mean anything.
LEAST_FOCAL_PX, MOST_PX = 1e-2, 1e7
# Beyond these the numbers are possible but rare, and metres are wrong if they are not meant.
MOST_OFF_CENTRE = 0.2  # of the principal point, in sizes of the sensor
MOST_ASPECT = 1.2  # of a pixel
LEAST_VIEW_DEG, MOST_VIEW_DEG = 5.0, 170.0


@dataclass(frozen=True, slots=True)
class Sensor:
    """What camera_info says of the whole sensor, before region of interest and binning.

    size_px: width and height; focal_px, centre_px: x and y in its pixels; matrix: 'K' or 'P'.
    """

    size_px: tuple[int, int]
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    matrix: str


def intrinsics_from_camera_info(
    info: Message, width_px: int, height_px: int, is_rectified: bool
) -> tuple[Intrinsics | None, str]:
    """Reads the intrinsics for an image of width_px x height_px.

    Binning and ROI are applied as sensor_msgs/CameraInfo defines them: K and P describe the full
    sensor.

    Args:
        info: sensor_msgs/CameraInfo of ROS 1 or ROS 2.
        width_px: width of the image in pixels.
        height_px: height of the image in pixels.
        is_rectified: use P instead of K, if P is set.

    Returns:
        The intrinsics and '', or None and one sentence that says why there are none.
    """
    sensor = sensor_of(info, is_rectified)
    (fx, fy), (cx, cy) = sensor.focal_px, sensor.centre_px
    is_camera = min(fx, fy) >= LEAST_FOCAL_PX and max(fx, fy, abs(cx), abs(cy)) <= MOST_PX
    if not all(map(math.isfinite, (fx, fy, cx, cy))) or not is_camera:
        return None, (
            f'camera_info has fx {fx}, fy {fy}, cx {cx}, cy {cy}: the camera is not calibrated, '
            'so no depth and no boxes are computed; calibrate it.'
        )
    expected = described_size(info)
    if expected != (width_px, height_px):
        return None, other_size(info, expected, (width_px, height_px))
    if any(not -0.5 <= at <= size - 0.5 for at, size in _axes(sensor)):
        return None, (
            f'camera_info has cx {cx:.1f} and cy {cy:.1f} in {sensor.matrix}, which lies outside '
            f'of its {sensor.size_px[0]}x{sensor.size_px[1]} px: {sensor.matrix} probably belongs '
            f'to an image of about {2 * cx + 1:.0f}x{2 * cy + 1:.0f} px, so no depth and no boxes '
            'are computed; publish the camera_info of this image.'
        )
    bin_x, bin_y = binning(info)
    roi = info.roi
    cx, cy = (cx - roi.x_offset + 0.5) / bin_x - 0.5, (cy - roi.y_offset + 0.5) / bin_y - 0.5
    return Intrinsics(width_px, height_px, fx / bin_x, fy / bin_y, cx, cy), ''


def doubt_about(info: Message, is_rectified: bool) -> str:
    """Returns one sentence with the numbers of a calibration that is possible but unlikely, ''
    where nothing is.

    info: one that intrinsics_from_camera_info accepts; is_rectified: as there.
    """
    sensor = sensor_of(info, is_rectified)
    found = [off_centre(info, sensor), stretched(sensor), odd_view(sensor)]
    reasons = '; '.join(reason for reason in found if reason)
    if not reasons:
        return ''
    return f'Depth and boxes may be wrong: {reasons}. Check the camera_info of this image.'


def off_centre(info: Message, sensor: Sensor) -> str:
    """Returns why the principal point lies far from the sensor's middle, '' where it does not."""
    shifts = [at - (size - 1) / 2 for at, size in _axes(sensor)]
    if not any(
        abs(shift) > MOST_OFF_CENTRE * size
        for shift, size in zip(shifts, sensor.size_px, strict=True)
    ):
        return ''
    (cx, cy), (width, height) = sensor.centre_px, sensor.size_px
    text = (
        f'the principal point in {sensor.matrix} of camera_info is ({cx:.1f}, {cy:.1f}), far off '
        f'the middle of {width}x{height} px, '
    )
    part, image = region(info), described_size(info)
    for size, is_less, what in (
        (image, image != part, 'binned image'),
        (part, part != sensor.size_px, 'region of interest'),
    ):
        if is_less and all(
            abs(at - (extent - 1) / 2) <= MOST_OFF_CENTRE * extent
            for at, extent in zip(sensor.centre_px, size, strict=True)
        ):
            return text + (
                f'as if {sensor.matrix} described the {what} of {size[0]}x{size[1]} px already, '
                f'though it has to describe the whole sensor'
            )
    return text + f'as in an image of about {2 * cx + 1:.0f}x{2 * cy + 1:.0f} px'


def stretched(sensor: Sensor) -> str:
    """Returns a reason where pixels would be far from square."""
    fx, fy = sensor.focal_px
    if max(fx, fy) <= MOST_ASPECT * min(fx, fy):
        return ''
    return (
        f'fx {fx:.1f} and fy {fy:.1f} in {sensor.matrix} of camera_info differ as if the image '
        'had been stretched or the calibration had failed'
    )


def odd_view(sensor: Sensor) -> str:
    """Returns a reason where hardly any lens has such a field of view."""
    width, fx = sensor.size_px[0], sensor.focal_px[0]
    view_deg = math.degrees(2 * math.atan(width / (2 * fx)))
    if LEAST_VIEW_DEG <= view_deg <= MOST_VIEW_DEG:
        return ''
    return (
        f'fx {fx:.1f} in {sensor.matrix} of camera_info means a field of view of {view_deg:.1f} '
        f'degrees across {width} px, as if it were not in pixels or of an image of another size'
    )


def other_size(info: Message, expected: tuple[int, int], image: tuple[int, int]) -> str:
    """Returns the sentence on a camera_info whose size is not the image's, and what caused it."""
    text = f'camera_info describes {expected[0]}x{expected[1]} px'
    if (info.width, info.height) == image:
        reasons = []
        if binning(info) != (1, 1):
            reasons.append(f'binning {info.binning_x}x{info.binning_y}')
        if region(info) != image:
            reasons.append(f'a region of interest of {info.roi.width}x{info.roi.height} px')
        text += f', because it has {" and ".join(reasons)} though its width and height '
        text += 'are those of the image already'
    return (
        f'{text}, the image has {image[0]}x{image[1]}: no depth and no boxes are computed; '
        'publish the camera_info of this image.'
    )


def sensor_of(info: Message, is_rectified: bool) -> Sensor:
    """Reads P where the image is rectified or K is empty, and otherwise K."""
    p = np.array(either(info, 'p'), np.float64).reshape(3, 4)[:, :3]
    k = np.array(either(info, 'k'), np.float64).reshape(3, 3)
    uses_p = p[0, 0] != 0 and (is_rectified or k[0, 0] == 0)
    matrix: NDArray[np.float64] = p if uses_p else k
    fx, fy, cx, cy = (float(matrix[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    part = region(info)
    size = (
        max(int(info.width), info.roi.x_offset + part[0]),
        max(int(info.height), info.roi.y_offset + part[1]),
    )
    return Sensor(size, (fx, fy), (cx, cy), 'P' if uses_p else 'K')


def region(info: Message) -> tuple[int, int]:
    """Returns width and height of the region of interest, in pixels of the sensor."""
    return int(info.roi.width or info.width), int(info.roi.height or info.height)


def binning(info: Message) -> tuple[int, int]:
    """Returns how many pixels of the sensor make one of the image, in x and y."""
    return max(1, int(info.binning_x)), max(1, int(info.binning_y))


def described_size(info: Message) -> tuple[int, int]:
    """Returns width and height of the image that the message describes."""
    (width, height), (bin_x, bin_y) = region(info), binning(info)
    return width // bin_x, height // bin_y


def either(info: Message, name: str) -> Any:
    """Returns a matrix of camera_info; name: in lower case, although ROS 1 has it in capitals."""
    return getattr(info, name) if hasattr(info, name) else getattr(info, name.upper())


def _axes(sensor: Sensor) -> tuple[tuple[float, int], tuple[float, int]]:
    """Returns the principal point and the size, for x and for y."""
    (cx, cy), (width, height) = sensor.centre_px, sensor.size_px
    return (cx, width), (cy, height)
