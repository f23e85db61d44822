"""Turns boxes into Detection3DArray, Detection2DArray and MarkerArray (docs/conventions.md,
section 3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import rectangles_in_image
from mtscene_ros.camera.messages import Message, New
from mtscene_ros.types import Boxes3D, Intrinsics, SemanticClass

OPACITY = 0.5
# visualization_msgs/Marker
CUBE, TEXT_VIEW_FACING, ADD, DELETEALL = 1, 9, 0, 3


def class_id(found: SemanticClass, form: str) -> str:
    """Returns the class_id of detections; form: 'name' or 'id'."""
    return found.name if form == 'name' else str(found.id)


def detections_3d(new: New, boxes: Boxes3D, header: Message, form: str = 'name') -> Message:
    """Returns a Detection3DArray, also for no boxes."""
    detections = [_detection_3d(new, boxes, i, header, form) for i in range(len(boxes))]
    return new('vision_msgs/msg/Detection3DArray', header=header, detections=detections)


def _detection_3d(new: New, boxes: Boxes3D, i: int, header: Message, form: str) -> Message:
    center = pose(new, boxes.centers_m[i], boxes.quaternions_xyzw[i])
    size = vector(new, boxes.sizes_m[i])
    covariant = new('geometry_msgs/msg/PoseWithCovariance', pose=center)
    return new(
        'vision_msgs/msg/Detection3D',
        header=header,
        results=[_hypothesis(new, boxes, i, form, pose=covariant)],
        bbox=new('vision_msgs/msg/BoundingBox3D', center=center, size=size),
        id=boxes.ids[i] if boxes.ids else '',
    )


def _hypothesis(new: New, boxes: Boxes3D, i: int, form: str, **pose: Message) -> Message:
    hypothesis = new(
        'vision_msgs/msg/ObjectHypothesis',
        class_id=class_id(boxes.classes[boxes.class_ids[i]], form),
        score=float(boxes.scores[i]),
    )
    return new('vision_msgs/msg/ObjectHypothesisWithPose', hypothesis=hypothesis, **pose)


def pose(
    new: New, position_m: NDArray[np.float64], quaternion_xyzw: NDArray[np.float64]
) -> Message:
    """Returns a geometry_msgs/Pose."""
    x, y, z = position_m.tolist()
    return new(
        'geometry_msgs/msg/Pose',
        position=new('geometry_msgs/msg/Point', x=x, y=y, z=z),
        orientation=quaternion(new, quaternion_xyzw),
    )


def quaternion(new: New, xyzw: NDArray[np.float64]) -> Message:
    """Returns a geometry_msgs/Quaternion."""
    x, y, z, w = xyzw.tolist()
    return new('geometry_msgs/msg/Quaternion', x=x, y=y, z=z, w=w)


def vector(new: New, values: NDArray[np.float64]) -> Message:
    """Returns a geometry_msgs/Vector3."""
    x, y, z = values.tolist()
    return new('geometry_msgs/msg/Vector3', x=x, y=y, z=z)


def detections_2d(
    new: New, boxes: Boxes3D, intrinsics: Intrinsics, header: Message, form: str = 'name'
) -> Message:
    """Returns rectangles around the visible parts of 3D boxes, in pixels of the subscribed image.

    boxes: in the optical frame of the image.
    """
    rectangles, visible = rectangles_in_image(boxes, intrinsics)
    detections = []
    for i in visible.nonzero()[0]:
        left, top, right, bottom = rectangles[i].tolist()
        position = new('vision_msgs/msg/Point2D', x=(left + right) / 2, y=(top + bottom) / 2)
        box = new(
            'vision_msgs/msg/BoundingBox2D',
            center=new('vision_msgs/msg/Pose2D', position=position),
            size_x=right - left,
            size_y=bottom - top,
        )
        detection = new(
            'vision_msgs/msg/Detection2D',
            header=header,
            results=[_hypothesis(new, boxes, int(i), form)],
            bbox=box,
            id=boxes.ids[i] if boxes.ids else '',
        )
        detections.append(detection)
    return new('vision_msgs/msg/Detection2DArray', header=header, detections=detections)


def markers(new: New, boxes: Boxes3D, header: Message) -> Message:
    """Returns a cube and a text per box, after a marker that deletes the earlier ones."""
    kind = 'visualization_msgs/msg/Marker'
    found = [new(kind, header=header, action=DELETEALL)]
    for i in range(len(boxes)):
        found += [
            new(kind, header=header, id=i, **_cube(new, boxes, i)),
            new(kind, header=header, id=i, **_text(new, boxes, i)),
        ]
    return new('visualization_msgs/msg/MarkerArray', markers=found)


def _cube(new: New, boxes: Boxes3D, i: int) -> dict[str, Message]:
    red, green, blue = (c / 255 for c in boxes.classes[boxes.class_ids[i]].color_rgb)
    return {
        'ns': 'boxes',
        'type': CUBE,
        'action': ADD,
        'pose': pose(new, boxes.centers_m[i], boxes.quaternions_xyzw[i]),
        'scale': vector(new, boxes.sizes_m[i]),
        'color': new('std_msgs/msg/ColorRGBA', r=red, g=green, b=blue, a=OPACITY),
    }


def _text(new: New, boxes: Boxes3D, i: int) -> dict[str, Message]:
    number = f' {boxes.ids[i]}' if boxes.ids and boxes.ids[i] else ''
    kind = boxes.classes[boxes.class_ids[i]]
    upright = np.array([0.0, 0.0, 0.0, 1.0])
    return {
        'ns': 'texts',
        'type': TEXT_VIEW_FACING,
        'pose': pose(new, boxes.centers_m[i], upright),
        'scale': vector(new, np.array([0.0, 0.0, 0.8])),
        'color': new('std_msgs/msg/ColorRGBA', r=1.0, g=1.0, b=1.0, a=1.0),
        'text': f'{kind.name}{number} {boxes.scores[i]:.2f}',
    }
