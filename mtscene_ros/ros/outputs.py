"""What the node publishes for each frame: one row per topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from mtscene_ros.draw import overlay
from mtscene_ros.ros import messages
from mtscene_ros.ros.params import NodeParams
from mtscene_ros.spec import ModelSpec
from mtscene_ros.tasks import TASKS
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


@dataclass(frozen=True, slots=True)
class Output:
    """topic: private name; tasks: what must be computed for it; make: None where the frame has no
    such result; needs: whether the model must have all of the tasks or any."""

    topic: str
    message: type
    tasks: tuple[str, ...]
    make: Callable[[Scene, Header, NodeParams], Any]
    needs: Callable[[Iterable[bool]], bool] = all


def _result(scene: Scene, task: str, kind: type[R]) -> R | None:
    result = scene.results.get(task)
    return result if isinstance(result, kind) else None


def _labels(scene: Scene, header: Header, _: NodeParams) -> Image | None:
    labels = _result(scene, 'semantic', LabelMap)
    return labels and messages.label_image(labels, header)


def _parts(scene: Scene, header: Header, _: NodeParams) -> Image | None:
    labels = _result(scene, 'human_parts', LabelMap)
    return labels and messages.label_image(labels, header)


def _normals(scene: Scene, header: Header, _: NodeParams) -> Image | None:
    normals = _result(scene, 'normals', NormalMap)
    return normals and messages.normal_image(normals, header)


def _boundary(scene: Scene, header: Header, params: NodeParams) -> Image | None:
    found = _result(scene, 'boundary', ProbabilityMap)
    return found and messages.probability_image(found, params.probability_encoding, header)


def _saliency(scene: Scene, header: Header, params: NodeParams) -> Image | None:
    found = _result(scene, 'saliency', ProbabilityMap)
    return found and messages.probability_image(found, params.probability_encoding, header)


def _confidence(scene: Scene, header: Header, _: NodeParams) -> Image | None:
    labels = _result(scene, 'semantic', LabelMap)
    return labels and messages.confidence_image(labels, header)


def _depth(scene: Scene, header: Header, params: NodeParams) -> Image | None:
    depth = _result(scene, 'depth', DepthMap)
    return depth and messages.depth_image(depth, params.depth_encoding, header)


def _depth_info(scene: Scene, header: Header, _: NodeParams) -> CameraInfo | None:
    intrinsics = scene.frame.intrinsics
    return intrinsics and messages.camera_info_message(intrinsics, header)


def _boxes(scene: Scene, header: Header, _: NodeParams) -> Detection3DArray | None:
    boxes = _result(scene, 'boxes3d', Boxes3D)
    return None if boxes is None else messages.detections_3d(boxes, header)


def _overlay(scene: Scene, header: Header, _: NodeParams) -> Image | None:
    return messages.image_message(overlay(scene), 'rgb8', header)


OUTPUTS: tuple[Output, ...] = (
    Output('semantic/image', Image, ('semantic',), _labels),
    Output('semantic/confidence', Image, ('semantic',), _confidence),
    Output('depth/image', Image, ('depth',), _depth),
    Output('depth/camera_info', CameraInfo, ('depth',), _depth_info),
    Output('normals/image', Image, ('normals',), _normals),
    Output('boundary/image', Image, ('boundary',), _boundary),
    Output('saliency/image', Image, ('saliency',), _saliency),
    Output('parts/image', Image, ('human_parts',), _parts),
    Output('detections_3d', Detection3DArray, ('boxes3d',), _boxes),
    Output('debug/overlay', Image, ('semantic', 'boxes3d'), _overlay, any),
)


def own_outputs(spec: ModelSpec) -> tuple[Output, ...]:
    """Rows for the tasks of a user's own: class maps as semantic/image, numbers as 32FC1."""
    return tuple(
        Output(f'own/{task}/image', Image, (task,), partial(_own, task))
        for task in spec.tasks
        if task not in TASKS
    )


def _own(task: str, scene: Scene, header: Header, _: NodeParams) -> Image | None:
    found = scene.results.get(task)
    if isinstance(found, LabelMap):
        return messages.label_image(found, header)
    if isinstance(found, ValueMap):
        return messages.image_message(found.values, '32FC1', header)
    return None


# Topics of class maps, repeated: task → topic.
LABEL_INFO: dict[str, str] = {
    'semantic': 'semantic/label_info',
    'human_parts': 'parts/label_info',
}


def label_info_topics(spec: ModelSpec) -> dict[str, str]:
    """Of every class map that the model has."""
    own = {t: f'own/{t}/label_info' for t in spec.tasks if t not in TASKS}
    named = LABEL_INFO | own
    return {t: named[t] for t, o in spec.tasks.items() if t in named and 'classes' in o}
