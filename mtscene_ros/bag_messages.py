"""Messages of a recording with ground truth, as rosbags' classes: the offline twin of
ros/messages.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys.store import Typestore

from mtscene_ros.geometry import quaternion_from_matrix
from mtscene_ros.types import Boxes3D, Intrinsics, SemanticClass

F64 = NDArray[np.float64]


class Messages:
    """Builds messages with the classes of one typestore."""

    def __init__(self, types: Typestore) -> None:
        self._types = types.types

    def _new(self, kind: str, *fields: Any) -> Any:
        return self._types[kind](*fields)

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """std_msgs/Header."""
        time = self._new('builtin_interfaces/msg/Time', *divmod(stamp_ns, 10**9))
        return self._new('std_msgs/msg/Header', time, frame_id)

    def image(self, pixels: NDArray[Any], encoding: str, header: Any) -> Any:
        """(H, W[, C]) array → sensor_msgs/Image."""
        pixels = np.ascontiguousarray(pixels)
        height, width = pixels.shape[:2]
        data = pixels.reshape(-1).view(np.uint8)
        step = pixels.nbytes // height
        return self._new('sensor_msgs/msg/Image', header, height, width, encoding, 0, step, data)

    def compressed_image(self, data: bytes, format_: str, header: Any) -> Any:
        """Bytes of a JPEG or PNG → sensor_msgs/CompressedImage."""
        pixels = np.frombuffer(data, np.uint8)
        return self._new('sensor_msgs/msg/CompressedImage', header, format_, pixels)

    def camera_info(self, camera: Intrinsics, header: Any) -> Any:
        """Pinhole camera without distortion → sensor_msgs/CameraInfo."""
        k = np.array(
            [[camera.fx_px, 0, camera.cx_px], [0, camera.fy_px, camera.cy_px], [0, 0, 1.0]]
        )
        p = np.hstack([k, np.zeros((3, 1))])
        roi = self._new('sensor_msgs/msg/RegionOfInterest', 0, 0, 0, 0, False)
        return self._new(
            'sensor_msgs/msg/CameraInfo', header, camera.height_px, camera.width_px, 'plumb_bob',
            np.zeros(5), k.ravel(), np.eye(3).ravel(), p.ravel(), 0, 0, roi,
        )  # fmt: skip

    def label_info(self, classes: tuple[SemanticClass, ...], header: Any) -> Any:
        """vision_msgs/LabelInfo."""
        rows = [self._new('vision_msgs/msg/VisionClass', c.id, c.name) for c in classes]
        return self._new('vision_msgs/msg/LabelInfo', header, rows, 0.0)

    def detections_3d(self, boxes: Boxes3D, header: Any, ids: list[str] | None = None) -> Any:
        """vision_msgs/Detection3DArray as CONVENTIONS.md 3; ids: one per box."""
        detections = [
            self._detection_3d(boxes, i, header, ids[i] if ids else '') for i in range(len(boxes))
        ]
        return self._new('vision_msgs/msg/Detection3DArray', header, detections)

    def _detection_3d(self, boxes: Boxes3D, i: int, header: Any, id_: str) -> Any:
        pose = self._pose(boxes.centers_m[i], boxes.quaternions_xyzw[i])
        hypothesis = self._new(
            'vision_msgs/msg/ObjectHypothesis',
            boxes.classes[boxes.class_ids[i]].name,
            float(boxes.scores[i]),
        )
        covariant = self._new('geometry_msgs/msg/PoseWithCovariance', pose, np.zeros(36))
        result = self._new('vision_msgs/msg/ObjectHypothesisWithPose', hypothesis, covariant)
        size = self._new('geometry_msgs/msg/Vector3', *boxes.sizes_m[i].tolist())
        box = self._new('vision_msgs/msg/BoundingBox3D', pose, size)
        return self._new('vision_msgs/msg/Detection3D', header, [result], box, id_)

    def _pose(self, position_m: F64, quaternion_xyzw: F64) -> Any:
        point = self._new('geometry_msgs/msg/Point', *position_m.tolist())
        rotation = self._new('geometry_msgs/msg/Quaternion', *quaternion_xyzw.tolist())
        return self._new('geometry_msgs/msg/Pose', point, rotation)

    def point_cloud(self, points: NDArray[np.float32], header: Any) -> Any:
        """(N, 4) x, y, z in metres, intensity → sensor_msgs/PointCloud2, unorganised."""
        float32 = 7
        fields = [
            self._new('sensor_msgs/msg/PointField', name, 4 * i, float32, 1)
            for i, name in enumerate(('x', 'y', 'z', 'intensity'))
        ]
        data = np.ascontiguousarray(points, np.float32).reshape(-1).view(np.uint8)
        return self._new(
            'sensor_msgs/msg/PointCloud2', header, 1, len(points), fields, False, 16,
            16 * len(points), data, True,
        )  # fmt: skip

    def transform(self, header: Any, child: str, parent_from_child: F64) -> Any:
        """(4, 4) pose of `child` in `header.frame_id` → geometry_msgs/TransformStamped."""
        [quaternion] = quaternion_from_matrix(parent_from_child[None, :3, :3])
        translation = self._new('geometry_msgs/msg/Vector3', *parent_from_child[:3, 3].tolist())
        rotation = self._new('geometry_msgs/msg/Quaternion', *quaternion.tolist())
        transform = self._new('geometry_msgs/msg/Transform', translation, rotation)
        return self._new('geometry_msgs/msg/TransformStamped', header, child, transform)

    def transforms(self, stamped: list[Any]) -> Any:
        """tf2_msgs/TFMessage."""
        return self._new('tf2_msgs/msg/TFMessage', stamped)
