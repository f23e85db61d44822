"""Scene ↔ ROS messages: everything the package knows about message fields (CONVENTIONS.md 1-4)."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from mtscene_msgs.msg import FrameStats, StageTime
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionClass

from mtscene_ros.images import rgb_from_compressed, rgb_from_image
from mtscene_ros.mailbox import Counts
from mtscene_ros.types import (
    CameraFrame,
    DepthMap,
    Intrinsics,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    SemanticClass,
)


def frame_from_image(
    message: Image | CompressedImage,
    intrinsics: Intrinsics | None,
    camera: str,
    data: NDArray[np.uint8] | None = None,
) -> CameraFrame:
    """data: (n,) instead of the message's own. Raises ImageError."""
    if data is None:
        data = np.frombuffer(message.data, np.uint8)
    if isinstance(message, CompressedImage):
        rgb = rgb_from_compressed(message.format, data)
    else:
        rgb = rgb_from_image(
            message.encoding,
            message.width,
            message.height,
            message.step,
            bool(message.is_bigendian),
            data,
        )
    stamp = message.header.stamp
    return CameraFrame(
        rgb, intrinsics, stamp.sec * 10**9 + stamp.nanosec, message.header.frame_id, camera
    )


def intrinsics_from_camera_info(
    info: CameraInfo, width_px: int, height_px: int, is_rectified: bool
) -> tuple[Intrinsics | None, str]:
    """CameraInfo for an image of this size → (intrinsics, '') or (None, one sentence why not).

    Binning and ROI are applied as sensor_msgs/CameraInfo defines them: K and P describe the full
    sensor.
    """
    p = np.array(info.p).reshape(3, 4)
    matrix = p[:, :3] if is_rectified and p[0, 0] != 0 else np.array(info.k).reshape(3, 3)
    fx, fy, cx, cy = (float(matrix[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    if not all(map(math.isfinite, (fx, fy, cx, cy))) or fx <= 0 or fy <= 0:
        return None, (
            f'camera_info has fx {fx}, fy {fy}, cx {cx}, cy {cy}: the camera is not calibrated, '
            'so no depth and no boxes are computed; calibrate it.'
        )
    bin_x, bin_y = max(1, info.binning_x), max(1, info.binning_y)
    roi = info.roi
    full = (roi.width or info.width, roi.height or info.height)
    expected = (full[0] // bin_x, full[1] // bin_y)
    if expected != (width_px, height_px):
        return None, (
            f'camera_info describes {expected[0]}x{expected[1]} px, the image has '
            f'{width_px}x{height_px}: no depth and no boxes are '
            'computed; publish the camera_info of this image.'
        )
    cx, cy = (cx - roi.x_offset + 0.5) / bin_x - 0.5, (cy - roi.y_offset + 0.5) / bin_y - 0.5
    return Intrinsics(width_px, height_px, fx / bin_x, fy / bin_y, cx, cy), ''


def header_of(frame: CameraFrame) -> Header:
    """The image's own header: same stamp, same frame."""
    return header_at(frame.stamp_ns, frame.frame_id)


def header_at(stamp_ns: int, frame_id: str = '') -> Header:
    """Bit for bit the stamp that was read."""
    sec, nanosec = divmod(stamp_ns, 10**9)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)


def image_message(pixels: NDArray[Any], encoding: str, header: Header) -> Image:
    """(H, W) or (H, W, C) array → Image; copies the pixels once, twice where they are not
    contiguous."""
    pixels = np.ascontiguousarray(pixels)
    message = Image(header=header, encoding=encoding, is_bigendian=0)
    message.height, message.width = pixels.shape[:2]
    message.step = pixels.nbytes // message.height
    data = array.array('B')  # the one type rclpy takes over without looking at each byte
    data.frombytes(pixels.data.cast('B'))
    message.data = data
    return message


def depth_image(depth: DepthMap, encoding: str, header: Header) -> Image:
    """encoding 32FC1 (metres, REP-117) or 16UC1 (millimetres, 0 = unknown, REP-118)."""
    if encoding == '32FC1':
        return image_message(depth.depth_m, '32FC1', header)
    known = np.isfinite(depth.depth_m) & (depth.depth_m < 65.535)
    depth_mm = np.where(known, np.nan_to_num(depth.depth_m, posinf=0, neginf=0) * 1000, 0)
    return image_message(np.rint(depth_mm).astype(np.uint16), '16UC1', header)


def normal_image(normals: NormalMap, header: Header) -> Image:
    """32FC3, unit vectors in the optical frame, NaN unknown."""
    return image_message(normals.normals, '32FC3', header)


def probability_image(found: ProbabilityMap, encoding: str, header: Header) -> Image:
    """encoding 32FC1 (0 to 1) or mono8 (0 to 255; what is not a number becomes 0)."""
    if encoding == '32FC1':
        return image_message(found.probability, '32FC1', header)
    levels = np.rint(np.nan_to_num(found.probability).clip(0, 1) * 255).astype(np.uint8)
    return image_message(levels, 'mono8', header)


def camera_info_message(intrinsics: Intrinsics, header: Header) -> CameraInfo:
    """A pinhole camera without distortion."""
    i = intrinsics
    info = CameraInfo(header=header, width=i.width_px, height=i.height_px)
    info.distortion_model, info.d = 'plumb_bob', [0.0] * 5
    info.k = [i.fx_px, 0.0, i.cx_px, 0.0, i.fy_px, i.cy_px, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [i.fx_px, 0.0, i.cx_px, 0.0, 0.0, i.fy_px, i.cy_px, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def class_map(classes: tuple[SemanticClass, ...]) -> list[VisionClass]:
    return [VisionClass(class_id=c.id, class_name=c.name) for c in classes]


def label_info(classes: tuple[SemanticClass, ...], header: Header) -> LabelInfo:
    """The complete class map of a label image."""
    return LabelInfo(header=header, class_map=class_map(classes), threshold=0.0)


def point_cloud(points: NDArray[np.void], header: Header) -> PointCloud2:
    """Organised (H, W) of points.POINT; rgb is declared as a float, as PCL packs it."""
    kinds = {'<f4': PointField.FLOAT32, '<u4': PointField.FLOAT32, '|u1': PointField.UINT8}
    dtype = points.dtype
    message = PointCloud2(header=header, height=points.shape[0], width=points.shape[1])
    message.fields = [
        PointField(
            name=name, offset=dtype.fields[name][1], datatype=kinds[dtype[name].str], count=1
        )
        for name in dtype.names or ()
        if dtype.fields
    ]
    message.is_bigendian, message.is_dense = False, False
    message.point_step, message.row_step = dtype.itemsize, dtype.itemsize * points.shape[1]
    data = array.array('B')
    data.frombytes(points.data.cast('B'))
    message.data = data
    return message


def frame_stats(
    header: Header, camera: str, age_s: float, stage_s: dict[str, float], counts: Counts
) -> FrameStats:
    """Latency of each stage of one frame and the account of all frames so far."""
    message = FrameStats(header=header, camera=camera, age_s=age_s)
    message.stages = [StageTime(name=name, duration_s=s) for name, s in stage_s.items()]
    message.received, message.published = counts.received, counts.published
    message.dropped, message.failed = counts.dropped, counts.failed
    return message


def confidence_image(labels: LabelMap, header: Header) -> Image:
    """mono8, round(255 p_max)."""
    return image_message(labels.confidence, 'mono8', header)


def label_image(labels: LabelMap, header: Header) -> Image:
    """mono8 class ids, 255 = UNLABELED."""
    return image_message(labels.labels, 'mono8', header)
