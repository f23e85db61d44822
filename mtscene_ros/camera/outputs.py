"""The table of topics that the node publishes for each image, one row per topic."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera import box_messages, messages
from mtscene_ros.camera.draw import overlay, palette, resized
from mtscene_ros.camera.geometry import moved
from mtscene_ros.camera.messages import Message, New
from mtscene_ros.camera.point_cloud import cloud
from mtscene_ros.models.spec import ModelSpec
from mtscene_ros.types import (
    Boxes3D,
    DepthMap,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Scene,
    ValueMap,
)

R = TypeVar('R')


# The tasks of this package, each with its own field in mtscene_msgs/Scene; any other task of a
# model is a user's own. A test compares them with tasks.TASKS.
NAMED_TASKS = ('semantic', 'human_parts', 'depth', 'normals', 'boundary', 'saliency', 'boxes3d')
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
DRAWN = ('semantic', 'boxes3d')  # into the overlay
IMAGE, CAMERA_INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'
BOXES_3D = 'vision_msgs/msg/Detection3DArray'
# Topics that others look for by name; FRAME_STATS is the node's own account of each image.
DEPTH_CAMERA_INFO, FRAME_STATS = 'depth/camera_info', 'debug/frame_stats'


@dataclass(frozen=True, slots=True)
class OutputParams:
    """The node's parameters of the same names.

    depth_encoding: '32FC1' or '16UC1'; probability_encoding: 'mono8' or '32FC1'; class_id_format:
    'name' or 'id'; target_frame: of boxes and markers, '' = the image's own frame.
    """

    depth_encoding: str = '32FC1'
    probability_encoding: str = 'mono8'
    class_id_format: str = 'name'
    target_frame: str = ''


@dataclass(frozen=True, slots=True, eq=False)
class OutputContext:
    """What a row of the table makes its message from.

    scene: the results; header: the image's own; params: the node's settings; new: makes messages
    of a type; target_from_optical: (4, 4) pose if target_frame is set and TF knows it.
    """

    scene: Scene
    header: Message
    params: OutputParams
    new: New
    target_from_optical: NDArray[np.float64] | None = None

    def result(self, task: str, kind: type[R]) -> R | None:
        """Returns a task's result if it is there and of the given type."""
        result = self.scene.results.get(task)
        return result if isinstance(result, kind) else None


Make = Callable[[OutputContext], Any]  # returns None if the image has no such result


@dataclass(frozen=True, slots=True)
class Output:
    """One row of the table of topics.

    topic: private name; kind: message type; make: makes the message; needs: tasks that the model
    must have; uses: tasks that are used if the model has them (one at least if `needs` is empty);
    is_free: the message describes the camera alone, so no task is computed for it; result_of: the
    task whose whole result the message carries, so that it can be read back.
    """

    topic: str
    kind: str
    make: Make
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    is_free: bool = False
    result_of: str = ''

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have to be computed for this topic."""
        return () if self.is_free else self.needs + self.uses

    def is_there(self, tasks: Collection[str]) -> bool:
        """Returns whether a model with these tasks has this topic."""
        some = not self.uses or bool(self.needs) or any(task in tasks for task in self.uses)
        return some and all(task in tasks for task in self.needs)


def _labels(task: str, found: OutputContext) -> Message | None:
    labels = found.result(task, LabelMap)
    return labels and messages.label_image(found.new, labels, found.header)


def _confidence(found: OutputContext) -> Message | None:
    labels = found.result('semantic', LabelMap)
    return labels and messages.confidence_image(found.new, labels, found.header)


def _color(form: str, found: OutputContext) -> Message | None:
    labels = found.result('semantic', LabelMap)
    return labels and _picture(found, palette(labels.classes)[labels.labels], form)


def _picture(found: OutputContext, rgb: NDArray[np.uint8], form: str) -> Message:
    make = messages.image_message if form == 'rgb8' else messages.compressed_image
    return make(found.new, rgb, form, found.header)


def _normals(found: OutputContext) -> Message | None:
    normals = found.result('normals', NormalMap)
    return normals and messages.normal_image(found.new, normals, found.header)


def _probability(task: str, found: OutputContext) -> Message | None:
    values = found.result(task, ProbabilityMap)
    encoding = found.params.probability_encoding
    return values and messages.probability_image(found.new, values, encoding, found.header)


def _depth(found: OutputContext) -> Message | None:
    depth = found.result('depth', DepthMap)
    return depth and messages.depth_image(
        found.new, depth, found.params.depth_encoding, found.header
    )


def _camera_info(found: OutputContext) -> Message | None:
    intrinsics = found.scene.output_intrinsics
    return intrinsics and messages.camera_info_message(found.new, intrinsics, found.header)


def _boxes(found: OutputContext) -> tuple[Boxes3D, Message] | None:
    """Returns the boxes and their header, in target_frame if one is set."""
    boxes = found.result('boxes3d', Boxes3D)
    if boxes is None or not found.params.target_frame:
        return boxes if boxes is None else (boxes, found.header)
    if found.target_from_optical is None:
        return None  # the worker has logged why
    stamp, frame_id = found.header.stamp, found.params.target_frame
    header = found.new('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)
    return moved(boxes, found.target_from_optical), header


def _detections_3d(found: OutputContext) -> Message | None:
    there = _boxes(found)
    form = found.params.class_id_format
    return there and box_messages.detections_3d(found.new, *there, form)


def _markers(found: OutputContext) -> Message | None:
    there = _boxes(found)
    return there and box_messages.markers(found.new, *there)


def _detections_2d(found: OutputContext) -> Message | None:
    boxes, camera = found.result('boxes3d', Boxes3D), found.scene.frame.intrinsics
    if boxes is None or camera is None:
        return None
    form = found.params.class_id_format
    return box_messages.detections_2d(found.new, boxes, camera, found.header, form)


def _points(found: OutputContext) -> Message | None:
    depth, camera = found.result('depth', DepthMap), found.scene.output_intrinsics
    if depth is None or camera is None:
        return None
    shape = depth.depth_m.shape
    labels = found.result('semantic', LabelMap)
    unknown = LabelMap(np.full(shape, 255, np.uint8), np.zeros(shape, np.uint8), ())
    labels = labels or unknown
    rgb = resized(found.scene.frame.rgb, shape)
    points = cloud(depth.depth_m, camera, rgb, labels.labels, labels.confidence)
    return messages.point_cloud(found.new, points, found.header)


def _scene(found: OutputContext) -> Message:
    labels = found.result('semantic', LabelMap)
    parts = {
        'camera_info': _camera_info(found),
        'semantic': _labels('semantic', found),
        'semantic_confidence': _confidence(found),
        'semantic_classes': labels and messages.class_map(found.new, labels.classes),
        'human_parts': _labels('human_parts', found),
        'depth': _depth(found),
        'normals': _normals(found),
        'boundary': _probability('boundary', found),
        'saliency': _probability('saliency', found),
        'detections_3d': _detections_3d(found),
        'detections_2d': _detections_2d(found),
    }
    there = {name: part for name, part in parts.items() if part is not None}
    camera = found.scene.frame.camera
    return found.new('mtscene_msgs/msg/Scene', header=found.header, camera=camera, **there)


def _overlay(form: str, found: OutputContext) -> Message:
    return _picture(found, overlay(found.scene), form)


def _own(task: str, found: OutputContext) -> Message | None:
    result = found.scene.results.get(task)
    if isinstance(result, LabelMap):
        return messages.label_image(found.new, result, found.header)
    if isinstance(result, ValueMap):
        return messages.image_message(found.new, result.values, '32FC1', found.header)
    return None


def _result(topic: str, kind: str, make: Make, task: str) -> Output:
    return Output(topic, kind, make, (task,), result_of=task)


OUTPUTS: tuple[Output, ...] = (
    _result('semantic/image', IMAGE, partial(_labels, 'semantic'), 'semantic'),
    Output('semantic/confidence', IMAGE, _confidence, ('semantic',)),
    Output('semantic/color', IMAGE, partial(_color, 'rgb8'), ('semantic',)),
    Output('semantic/color/compressed', COMPRESSED, partial(_color, 'png'), ('semantic',)),
    _result('depth/image', IMAGE, _depth, 'depth'),
    Output(DEPTH_CAMERA_INFO, CAMERA_INFO, _camera_info, ('depth',), is_free=True),
    Output('points', 'sensor_msgs/msg/PointCloud2', _points, ('depth',), ('semantic',)),
    _result('normals/image', IMAGE, _normals, 'normals'),
    _result('boundary/image', IMAGE, partial(_probability, 'boundary'), 'boundary'),
    _result('saliency/image', IMAGE, partial(_probability, 'saliency'), 'saliency'),
    _result('parts/image', IMAGE, partial(_labels, 'human_parts'), 'human_parts'),
    _result('detections_3d', BOXES_3D, _detections_3d, 'boxes3d'),
    Output('detections_2d', 'vision_msgs/msg/Detection2DArray', _detections_2d, ('boxes3d',)),
    Output('scene', 'mtscene_msgs/msg/Scene', _scene, uses=NAMED_TASKS),
    Output('debug/overlay', IMAGE, partial(_overlay, 'rgb8'), uses=DRAWN),
    Output('debug/overlay/compressed', COMPRESSED, partial(_overlay, 'jpeg'), uses=DRAWN),
    Output('debug/markers', 'visualization_msgs/msg/MarkerArray', _markers, ('boxes3d',)),
)

_RESULT_TOPICS = {output.result_of: output.topic for output in OUTPUTS if output.result_of}


def result_topic(task: str) -> str:
    """Returns the private topic that carries the whole result of a task, a user's own included."""
    return _RESULT_TOPICS.get(task, f'own/{task}/image')


def label_info_topic(task: str) -> str:
    """Returns the private topic of the class table of a task, beside its labels."""
    return f'{result_topic(task).rpartition("/")[0]}/label_info'


def outputs_of(spec: ModelSpec) -> tuple[Output, ...]:
    """Returns the topics of a model with this contract, those of a user's own tasks included.

    Own class maps are published like semantic/image, own numbers as 32FC1.
    """
    own = [
        _result(result_topic(task), IMAGE, partial(_own, task), task)
        for task in spec.tasks
        if task not in NAMED_TASKS
    ]
    return (*(output for output in OUTPUTS if output.is_there(spec.tasks)), *own)


def confident(scene: Scene, min_score: float) -> Scene:
    """Returns the scene without boxes of a score below min_score."""
    boxes = scene.results.get('boxes3d')
    if not isinstance(boxes, Boxes3D):
        return scene
    kept = boxes.select(boxes.scores >= min_score)
    return replace(scene, results={**scene.results, 'boxes3d': kept})


# Topics of class tables, which are repeated: task → topic.
LABEL_INFO_TOPICS = {task: label_info_topic(task) for task in ('semantic', 'human_parts')}


def label_info_topics(spec: ModelSpec) -> dict[str, str]:
    """Returns task → topic of the class table, for every class map that the model has."""
    own = {t: label_info_topic(t) for t in spec.tasks if t not in NAMED_TASKS}
    named = LABEL_INFO_TOPICS | own
    return {t: named[t] for t, o in spec.tasks.items() if t in named and 'classes' in o}
