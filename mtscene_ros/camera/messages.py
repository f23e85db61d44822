"""Results → ROS messages: everything the package knows about message fields.

The rules are those of docs/conventions.md, sections 1 to 4. No message class is imported: `new`
makes a message of a type from named fields, of rclpy's classes in the node (ros/message_types.py),
of bytes where those are large (ros/cdr_writer.py), and of rosbags' classes without ROS
(bag_messages.py). The same functions therefore make the
messages of the node and those of an evaluated recording.
"""

from __future__ import annotations

import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.mailbox import Counts
from mtscene_ros.types import (
    CameraFrame,
    DepthMap,
    Intrinsics,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    SemanticClass,
    Signal,
)

Message = Any  # an object with the fields of its kind, of whichever class

# sensor_msgs/PointField
UINT8, UINT16, FLOAT32 = 2, 4, 7


@dataclass(frozen=True, slots=True, eq=False)
class Octets:
    """The bytes of an array of any shape, for a field of uint8[]; whoever makes the message copies
    them, once."""

    values: NDArray[Any]

    def copied(self) -> array.array[int]:
        """Returns them in the one type that rclpy accepts without checking every element."""
        if self.values.flags.c_contiguous:
            data = array.array('B')
            data.frombytes(self.values.data.cast('B'))
            return data
        data = array.array('B', [0]) * self.values.nbytes  # a part of a larger array, row by row
        into = np.frombuffer(data, self.values.dtype).reshape(self.values.shape)
        np.copyto(into, self.values)
        return data


class New(Protocol):
    """Makes a message of a type, for example 'sensor_msgs/msg/Image', from fields by name.

    Fields that are not given have ROS's defaults. Arrays of numbers may be given as list,
    array.array or (N,) ndarray, arrays of bytes as Octets as well.
    """

    def __call__(self, kind: str, /, **fields: Any) -> Message: ...


def time(new: New, stamp_ns: int) -> Message:
    """Makes a builtin_interfaces/Time from nanoseconds."""
    sec, nanosec = divmod(stamp_ns, 10**9)
    return new('builtin_interfaces/msg/Time', sec=sec, nanosec=nanosec)


def header(new: New, stamp_ns: int, frame_id: str) -> Message:
    """Makes a std_msgs/Header; stamp_ns: nanoseconds."""
    return new('std_msgs/msg/Header', stamp=time(new, stamp_ns), frame_id=frame_id)


def header_of(new: New, frame: CameraFrame) -> Message:
    """Makes the header of an image again: the same stamp and the same frame."""
    return header(new, frame.stamp_ns, frame.frame_id)


def image_message(new: New, pixels: NDArray[Any], encoding: str, header: Message) -> Message:
    """Makes a sensor_msgs/Image from an (H, W) or (H, W, C) array."""
    height, width = pixels.shape[:2]
    return new(
        'sensor_msgs/msg/Image',
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=pixels.nbytes // height,
        data=Octets(pixels),
    )


def compressed_image(new: New, rgb: NDArray[np.uint8], form: str, header: Message) -> Message:
    """Makes a sensor_msgs/CompressedImage; rgb: (H, W, 3); form: 'jpeg' or 'png'.

    Its `format` is worded as image_transport's compressed plugin words it.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, 80] if form == 'jpeg' else []
    data = cv2.imencode(f'.{form}', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), quality)[1]
    return new(
        'sensor_msgs/msg/CompressedImage',
        header=header,
        format=f'rgb8; {form} compressed bgr8',
        data=Octets(data),
    )


def depth_image(new: New, depth: DepthMap, encoding: str, header: Message) -> Message:
    """Makes a depth image; encoding: '32FC1' (metres, REP-117) or '16UC1' (millimetres, 0 =
    unknown, REP-118)."""
    if encoding == '32FC1':
        return image_message(new, depth.depth_m, '32FC1', header)
    known = np.isfinite(depth.depth_m) & (depth.depth_m < 65.535)
    depth_mm = np.where(known, np.nan_to_num(depth.depth_m, posinf=0, neginf=0) * 1000, 0)
    return image_message(new, np.rint(depth_mm).astype(np.uint16), '16UC1', header)


def normal_image(new: New, normals: NormalMap, header: Message) -> Message:
    """Makes a 32FC3 image of unit vectors in the optical frame, NaN unknown."""
    return image_message(new, normals.normals, '32FC3', header)


def probability_image(new: New, found: ProbabilityMap, encoding: str, header: Message) -> Message:
    """Makes an image of probabilities; encoding: '32FC1' (0 to 1) or 'mono8' (0 to 255, where NaN
    becomes 0)."""
    if encoding == '32FC1':
        return image_message(new, found.probability, '32FC1', header)
    levels = np.rint(np.nan_to_num(found.probability).clip(0, 1) * 255).astype(np.uint8)
    return image_message(new, levels, 'mono8', header)


def camera_info_message(new: New, intrinsics: Intrinsics, header: Message) -> Message:
    """Makes a sensor_msgs/CameraInfo of a pinhole camera without distortion."""
    i = intrinsics
    return new(
        'sensor_msgs/msg/CameraInfo',
        header=header,
        width=i.width_px,
        height=i.height_px,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=[i.fx_px, 0.0, i.cx_px, 0.0, i.fy_px, i.cy_px, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[i.fx_px, 0.0, i.cx_px, 0.0, 0.0, i.fy_px, i.cy_px, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def class_map(new: New, classes: tuple[SemanticClass, ...]) -> list[Message]:
    """Makes a vision_msgs/VisionClass of each class."""
    return [new('vision_msgs/msg/VisionClass', class_id=c.id, class_name=c.name) for c in classes]


def label_info(new: New, classes: tuple[SemanticClass, ...], header: Message) -> Message:
    """Makes a vision_msgs/LabelInfo, the complete class table of a label image."""
    rows = class_map(new, classes)
    return new('vision_msgs/msg/LabelInfo', header=header, class_map=rows, threshold=0.0)


def point_cloud(new: New, points: NDArray[np.void], header: Message) -> Message:
    """Makes a PointCloud2; points: organised (H, W) array of `point_cloud.POINT`.

    rgb is declared as a float, as PCL packs it.
    """
    kinds = {'<f4': FLOAT32, '<u4': FLOAT32, '|u1': UINT8, '<u2': UINT16}
    dtype = points.dtype
    fields = [
        new(
            'sensor_msgs/msg/PointField',
            name=name,
            offset=dtype.fields[name][1],
            datatype=kinds[dtype[name].str],
            count=1,
        )
        for name in dtype.names or ()
        if dtype.fields
    ]
    return new(
        'sensor_msgs/msg/PointCloud2',
        header=header,
        height=points.shape[0],
        width=points.shape[1],
        fields=fields,
        is_bigendian=False,
        is_dense=False,
        point_step=dtype.itemsize,
        row_step=dtype.itemsize * points.shape[1],
        data=Octets(points),
    )


def frame_stats(
    new: New,
    header: Message,
    camera: str,
    age_s: float,
    stage_s: Mapping[str, float],
    counts: Counts,
    signals: Sequence[tuple[Signal, bool]] = (),
) -> Message:
    """Makes a mtscene_msgs/FrameStats.

    camera: its name; age_s: from the image's stamp to its results, seconds; stage_s: seconds spent
    by stage name; counts: of all images of this camera so far; signals: each with whether its
    alarm is raised.
    """
    stages = [
        new('mtscene_msgs/msg/StageTime', name=name, duration_s=s) for name, s in stage_s.items()
    ]
    measured = [
        new('mtscene_msgs/msg/Signal', name=s.name, value=s.value, limit=s.limit, is_raised=raised)
        for s, raised in signals
    ]
    return new(
        'mtscene_msgs/msg/FrameStats',
        header=header,
        camera=camera,
        age_s=age_s,
        stages=stages,
        received=counts.received,
        published=counts.published,
        dropped=counts.dropped,
        failed=counts.failed,
        # So that images without signals do not need a newer mtscene_msgs.
        **({'signals': measured} if measured else {}),
    )


def confidence_image(new: New, labels: LabelMap, header: Message) -> Message:
    """Makes a mono8 image, round(255 p_max)."""
    return image_message(new, labels.confidence, 'mono8', header)


def label_image(new: New, labels: LabelMap, header: Message) -> Message:
    """Makes an image of class ids: mono8 with 255 = unknown; for more than 255 classes 16UC1 with
    65535 = unknown."""
    encoding = 'mono8' if labels.labels.dtype == np.uint8 else '16UC1'
    return image_message(new, labels.labels, encoding, header)
