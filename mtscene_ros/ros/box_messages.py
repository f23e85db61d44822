"""Boxes → Detection3DArray, Detection2DArray, MarkerArray (CONVENTIONS.md 3)."""

from __future__ import annotations

from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    Detection3D,
    Detection3DArray,
    ObjectHypothesisWithPose,
)
from visualization_msgs.msg import Marker, MarkerArray

from mtscene_ros.geometry import rectangles_in_image
from mtscene_ros.types import Boxes3D, Intrinsics, SemanticClass

OPACITY = 0.5


def class_id(found: SemanticClass, form: str) -> str:
    """form: 'name' or 'id'."""
    return found.name if form == 'name' else str(found.id)


def detections_3d(boxes: Boxes3D, header: Header, form: str = 'name') -> Detection3DArray:
    """An empty array where there is nothing."""
    detections = [_detection_3d(boxes, i, header, form) for i in range(len(boxes))]
    return Detection3DArray(header=header, detections=detections)


def _detection_3d(boxes: Boxes3D, i: int, header: Header, form: str) -> Detection3D:
    detection = Detection3D(header=header, id=boxes.ids[i] if boxes.ids else '')
    pose, size = detection.bbox.center, detection.bbox.size
    pose.position.x, pose.position.y, pose.position.z = boxes.centers_m[i].tolist()
    q = pose.orientation
    q.x, q.y, q.z, q.w = boxes.quaternions_xyzw[i].tolist()
    size.x, size.y, size.z = boxes.sizes_m[i].tolist()
    hypothesis = _hypothesis(boxes, i, form)
    hypothesis.pose.pose = pose
    detection.results = [hypothesis]
    return detection


def _hypothesis(boxes: Boxes3D, i: int, form: str) -> ObjectHypothesisWithPose:
    found = ObjectHypothesisWithPose()
    found.hypothesis.class_id = class_id(boxes.classes[boxes.class_ids[i]], form)
    found.hypothesis.score = float(boxes.scores[i])
    return found


def detections_2d(
    boxes: Boxes3D, intrinsics: Intrinsics, header: Header, form: str = 'name'
) -> Detection2DArray:
    """Rectangles around what the image shows of 3D boxes in its optical frame; pixels of the
    subscribed image."""
    rectangles, visible = rectangles_in_image(boxes, intrinsics)
    detections = []
    for i in visible.nonzero()[0]:
        left, top, right, bottom = rectangles[i].tolist()
        detection = Detection2D(header=header, id=boxes.ids[i] if boxes.ids else '')
        center = detection.bbox.center
        center.position.x, center.position.y = (left + right) / 2, (top + bottom) / 2
        detection.bbox.size_x, detection.bbox.size_y = right - left, bottom - top
        detection.results = [_hypothesis(boxes, int(i), form)]
        detections.append(detection)
    return Detection2DArray(header=header, detections=detections)


def markers(boxes: Boxes3D, header: Header) -> MarkerArray:
    """A cube and a text per box, after a marker that deletes the ones of before."""
    found = [Marker(header=header, action=Marker.DELETEALL)]
    for i in range(len(boxes)):
        kind = boxes.classes[boxes.class_ids[i]]
        red, green, blue = (c / 255 for c in kind.color_rgb)
        cube = Marker(header=header, ns='boxes', id=i, type=Marker.CUBE, action=Marker.ADD)
        position, q = cube.pose.position, cube.pose.orientation
        position.x, position.y, position.z = boxes.centers_m[i].tolist()
        q.x, q.y, q.z, q.w = boxes.quaternions_xyzw[i].tolist()
        cube.scale.x, cube.scale.y, cube.scale.z = boxes.sizes_m[i].tolist()
        cube.color = ColorRGBA(r=red, g=green, b=blue, a=OPACITY)
        text = Marker(header=header, ns='texts', id=i, type=Marker.TEXT_VIEW_FACING)
        text.pose.position = Point(x=position.x, y=position.y, z=position.z)
        text.pose.orientation.w, text.scale.z = 1.0, 0.8
        text.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
        number = f' {boxes.ids[i]}' if boxes.ids and boxes.ids[i] else ''
        text.text = f'{kind.name}{number} {boxes.scores[i]:.2f}'
        found += [cube, text]
    return MarkerArray(markers=found)
