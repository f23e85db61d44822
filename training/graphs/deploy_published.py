"""A published network as the node's model file: normalisation, network, dense decoding, spec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from mtscene_ros.datasets.classes import (
    CITYSCAPES_19,
    DRIVE_BOXES,
    HUMAN_PARTS_7,
    NYUD_40,
    PASCAL_21,
)
from mtscene_ros.models.spec import ModelSpec, TensorSpec
from mtscene_ros.types import SemanticClass
from training.graphs.deploy import normalised, tensor_spec
from training.graphs.precision import dtype_of
from training.networks.detection3d import DetectionMaps, cell_values
from training.networks.taskprompter_swin import SwinConfig
from training.networks.zoo import NetworkConfig
from training.tasks.semantic import best_class, class_table

# By the number of channels that a network predicts.
SEMANTIC = {40: NYUD_40, 21: PASCAL_21, 19: CITYSCAPES_19}
MIN_SCORE, MAX_BOXES = 0.05, 200  # as in the published decoding
NYUD_RANGE_M, CITYSCAPES_RANGE_M = (0.1, 10.0), (1.0, 200.0)


@dataclass(frozen=True, slots=True)
class PublishedCamera:
    """The camera with which a checkpoint learned depth. focal_px refers to network size;
    baseline_m: of the stereo pair, if the network predicts disparity."""

    focal_px: float
    baseline_m: float | None = None


# The colour camera of NYU Depth v2 (from its toolbox; cropping keeps the focal length), and the
# usual calibration of Cityscapes.
NYUD_CAMERA = PublishedCamera(518.8579)
CITYSCAPES_CAMERA = PublishedCamera(2262.52, 0.209313)


def default_camera(config: NetworkConfig) -> PublishedCamera:
    return CITYSCAPES_CAMERA if isinstance(config, SwinConfig) else NYUD_CAMERA


class PublishedGraph(nn.Module):
    """Maps (B, H, W, 3) uint8 RGB to every tensor of the model file, by name."""

    def __init__(self, network: nn.Module, config: NetworkConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        found = self.network(normalised(rgb).contiguous().to(dtype_of(self.network)))
        dense, further = found if isinstance(found, tuple) else (found, None)
        outputs: dict[str, Tensor] = {}
        for task, raw in dense.items():
            outputs |= DENSE[task](raw)
        if isinstance(further, DetectionMaps):
            strides = [self.config.height_px / m.shape[2] for m in further.scores]
            scores, code = cell_values(further, strides)
            outputs |= {'boxes3d_scores': scores, 'boxes3d_code': code}
        return outputs


def labels_of(name: str) -> Callable[[Tensor], dict[str, Tensor]]:
    """Returns a decoder that outputs labels and confidence under the task's name."""

    def decode(raw: Tensor) -> dict[str, Tensor]:
        labels, confidence = best_class(raw)
        return {f'{name}_labels': labels, f'{name}_confidence': confidence}

    return decode


DENSE: dict[str, Callable[[Tensor], dict[str, Tensor]]] = {
    'semseg': labels_of('semantic'),
    'human_parts': labels_of('human_parts'),
    'depth': lambda raw: {'depth': raw[:, 0].clamp(min=0)},
    'sal': lambda raw: {'saliency': raw.softmax(1)[:, 1]},
    'normals': lambda raw: {'normals': nn.functional.normalize(raw, dim=1)},
    'edge': lambda raw: {'boundary': raw[:, 0].sigmoid()},
}

PROBABILITY = {'sal': 'saliency', 'edge': 'boundary'}

# Axes of the PNGs that hold the normals of both data sets: x right, y down, z towards the camera
# (Armeni et al., 2D-3D-S, 2017, describe NYU's colours this way).
NORMAL_SIGNS = [1.0, 1.0, -1.0]


def published_spec(
    graph: PublishedGraph,
    name: str,
    version: str,
    commit: str,
    camera: PublishedCamera,
    classes: tuple[SemanticClass, ...] = (),
) -> ModelSpec:
    """The contract of the exported file; shapes come from one run of the graph without its
    arithmetic, which a CPU does in float16 for half an hour. classes: of a user's own data."""
    config = graph.config
    size = (config.height_px, config.width_px, 3)
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        outputs = graph(torch.zeros(1, *size, dtype=torch.uint8))
    return ModelSpec(
        name=name,
        version=version,
        commit=commit,
        input=TensorSpec('rgb', (-1, *size), 'uint8'),
        outputs=tuple(tensor_spec(n, value) for n, value in outputs.items()),
        tasks=task_options(config, camera, classes),
    )


def task_options(
    config: NetworkConfig, camera: PublishedCamera, classes: tuple[SemanticClass, ...] = ()
) -> dict[str, dict[str, Any]]:
    """Task of the node → its options, in the network's order."""
    options: dict[str, dict[str, Any]] = {}
    for name, channels in config.tasks:
        if name == 'semseg':
            options['semantic'] = {'classes': class_table(classes or SEMANTIC[channels])}
        elif name == 'human_parts':
            options['human_parts'] = {'classes': class_table(HUMAN_PARTS_7)}
        elif name == 'depth':
            options['depth'] = depth_options(camera)
        elif name == 'normals':
            options['normals'] = {'signs': NORMAL_SIGNS}
        elif name in PROBABILITY:
            options[PROBABILITY[name]] = {}
    if isinstance(config, SwinConfig):
        options['boxes3d'] = box_options(config, camera)
    return options


def depth_options(camera: PublishedCamera) -> dict[str, Any]:
    if camera.baseline_m is None:
        least, most = NYUD_RANGE_M
        return {
            'convention': 'metric',
            'focal_px': camera.focal_px,
            'min_m': least,
            'max_m': most,
        }
    least, most = CITYSCAPES_RANGE_M
    return {
        'convention': 'disparity',
        'baseline_m': camera.baseline_m,
        'focal_px': camera.focal_px,
        'min_m': least,
        'max_m': most,
    }


def box_options(config: SwinConfig, camera: PublishedCamera) -> dict[str, Any]:
    return {
        'code': 'fcos3d',
        'classes': class_table(DRIVE_BOXES[:6]),
        'levels': config.detection_levels,
        'focal_px': camera.focal_px,
        'min_score': MIN_SCORE,
        'max_boxes': MAX_BOXES,
    }
