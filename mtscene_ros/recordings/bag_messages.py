"""Makes messages of rosbags' classes: `new` for camera/messages.py, and what only recordings
hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Nodetype
from rosbags.typesys.store import Typestore

from mtscene_ros.camera import box_messages, messages
from mtscene_ros.camera.geometry import quaternion_from_matrix
from mtscene_ros.camera.messages import FLOAT32, Message, New, Octets
from mtscene_ros.types import Boxes3D, Intrinsics, SemanticClass

F64 = NDArray[np.float64]
# Defaults other than zero in the .msg files, which rosbags' definitions do not contain.
DEFAULTS = {'geometry_msgs/msg/Quaternion': {'w': 1.0}}
BYTES = {'byte': 'uint8', 'octet': 'uint8', 'char': 'uint8'}


def maker(types: Typestore) -> New:
    """Returns a function that makes messages of the typestore's classes (see messages.New)."""

    def new(kind: str, /, **fields: Any) -> Message:
        described, fields = dict(types.get_msgdef(kind).fields), DEFAULTS.get(kind, {}) | fields
        unknown = fields.keys() - described.keys()
        if unknown:
            raise TypeError(f'{kind} has no fields {sorted(unknown)}.')
        values = {
            name: fitting(field, fields[name]) if name in fields else default(field)
            for name, field in described.items()
        }
        return types.types[kind](**values)

    def default(field: Any) -> Any:
        """Returns ROS's default: zeros, empty strings and empty sequences."""
        nodetype, about = field
        if nodetype == Nodetype.NAME:
            return new(about)
        if nodetype == Nodetype.BASE:
            name = about[0]
            return '' if name.endswith('string') else np.zeros((), dtype_of(name)).item()
        element, length = about
        count = length if nodetype == Nodetype.ARRAY else 0
        dtype = numbers(element)
        return (
            [default(element) for _ in range(count)] if dtype is None else np.zeros(count, dtype)
        )

    return new


def numbers(element: Any) -> np.dtype[Any] | None:
    """Returns the type of an array's elements, None where they are not numbers."""
    nodetype, about = element
    if nodetype != Nodetype.BASE or about[0].endswith('string'):
        return None
    return dtype_of(about[0])


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(BYTES.get(name, name))


def fitting(field: Any, value: Any) -> Any:
    """Converts the numbers of an array to the type that rosbags expects."""
    if isinstance(value, Octets):
        return np.frombuffer(value.copied(), np.uint8)
    nodetype, about = field
    if nodetype in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        dtype = numbers(about[0])
        return value if dtype is None else np.asarray(value, dtype)
    return value


class Messages:
    """Makes the messages of a recording with ground truth."""

    def __init__(self, types: Typestore) -> None:
        self.new = maker(types)

    def header(self, stamp_ns: int, frame_id: str) -> Message:
        """std_msgs/Header."""
        return messages.header(self.new, stamp_ns, frame_id)

    def image(self, pixels: NDArray[Any], encoding: str, header: Message) -> Message:
        """(H, W[, C]) array → sensor_msgs/Image."""
        return messages.image_message(self.new, pixels, encoding, header)

    def compressed_image(self, data: bytes, format_: str, header: Message) -> Message:
        """Bytes of a JPEG or PNG → sensor_msgs/CompressedImage."""
        pixels = np.frombuffer(data, np.uint8)
        kind = 'sensor_msgs/msg/CompressedImage'
        return self.new(kind, header=header, format=format_, data=pixels)

    def camera_info(self, camera: Intrinsics, header: Message) -> Message:
        """Pinhole camera without distortion → sensor_msgs/CameraInfo."""
        return messages.camera_info_message(self.new, camera, header)

    def label_info(self, classes: tuple[SemanticClass, ...], header: Message) -> Message:
        """vision_msgs/LabelInfo."""
        return messages.label_info(self.new, classes, header)

    def detections_3d(self, boxes: Boxes3D, header: Message) -> Message:
        """vision_msgs/Detection3DArray, as docs/conventions.md, section 3 defines it."""
        return box_messages.detections_3d(self.new, boxes, header)

    def point_cloud(self, points: NDArray[np.float32], header: Message) -> Message:
        """(N, 4) x, y, z in metres, intensity → sensor_msgs/PointCloud2, unorganised."""
        kind = 'sensor_msgs/msg/PointField'
        fields = [
            self.new(kind, name=name, offset=4 * i, datatype=FLOAT32, count=1)
            for i, name in enumerate(('x', 'y', 'z', 'intensity'))
        ]
        data = np.ascontiguousarray(points, np.float32).reshape(-1).view(np.uint8)
        return self.new(
            'sensor_msgs/msg/PointCloud2',
            header=header,
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=16,
            row_step=16 * len(points),
            data=data,
            is_dense=True,
        )

    def transform(self, header: Message, child: str, parent_from_child: F64) -> Message:
        """(4, 4) pose of `child` in `header.frame_id` → geometry_msgs/TransformStamped."""
        [quaternion] = quaternion_from_matrix(parent_from_child[None, :3, :3])
        transform = self.new(
            'geometry_msgs/msg/Transform',
            translation=box_messages.vector(self.new, parent_from_child[:3, 3]),
            rotation=box_messages.quaternion(self.new, quaternion),
        )
        kind = 'geometry_msgs/msg/TransformStamped'
        return self.new(kind, header=header, child_frame_id=child, transform=transform)

    def transforms(self, stamped: list[Message]) -> Message:
        """tf2_msgs/TFMessage."""
        return self.new('tf2_msgs/msg/TFMessage', transforms=stamped)
