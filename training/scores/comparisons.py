"""Pairs a network's output with the truth, image by image, at the size where it is scored.

Published networks: tensors of the exported graph at network size, as their authors score them.
Compact networks: results of the robot's own pipeline (`SceneEstimator`) in camera pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.camera.geometry import optical_from_level_box, quaternion_from_matrix
from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.evaluate.scores.boxes_meter import CLOSE_RANGE_M, BoxesMeter
from mtscene_ros.models.spec import TensorSpec, classes_from_options
from mtscene_ros.tasks import fcos3d
from mtscene_ros.tasks.task_decoders import decoders_of
from mtscene_ros.types import (
    Boxes3D,
    CameraFrame,
    DepthMap,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Result,
    ValueMap,
)
from training.config import CompactConfig
from training.data.sample import Sample
from training.graphs.deploy import DeployGraph, spec_of
from training.graphs.deploy_published import PublishedGraph, box_options, default_camera
from training.learn.published_targets import dense_truth
from training.losses import IGNORED
from training.recipes import Recipe
from training.scores.cityscapes3d_json import vehicle_annotations

Pairs = dict[str, tuple[Tensor, Tensor]]  # task of the node → prediction, truth
# The network's task → tensor of the model file, task of the node.
TENSORS = {
    'semseg': ('semantic_labels', 'semantic'),
    'human_parts': ('human_parts_labels', 'human_parts'),
    'depth': ('depth', 'depth'),
    'normals': ('normals', 'normals'),
    'sal': ('saliency', 'saliency'),
    'edge': ('boundary', 'boundary'),
}
PUBLISHED_MAX_DEPTH = (
    80.0  # TaskPrompter's meter ignores larger depths (docs/network-specification.md, section 7)
)


def published_outputs(graph: PublishedGraph, sample: Sample, device: torch.device) -> Any:
    """Returns the model file's tensors for one sample at network size, without batch axis."""
    with torch.inference_mode():
        found = graph(torch.from_numpy(np.ascontiguousarray(sample.rgb))[None].to(device))
    return {name: value[0].cpu() for name, value in found.items()}


def published_pairs(outputs: dict[str, Tensor], sample: Sample, recipe: Recipe) -> Pairs:
    """Pairs the dense tasks; unknown truth has the value that training/scores/task_metrics.py
    expects."""
    pairs: Pairs = {}
    for name in recipe.tasks:
        if name not in TENSORS:
            continue
        tensor, task = TENSORS[name]
        truth = torch.from_numpy(dense_truth(name, sample, recipe))
        prediction = outputs[tensor]
        if name == 'depth':
            known = truth[0] != recipe.unknown_depth
            if recipe.unknown_depth < 0:
                known &= (truth[0] > 0) & (truth[0] < PUBLISHED_MAX_DEPTH)
            pairs[task] = prediction, truth[0].where(known, torch.nan)
        elif name == 'normals':
            vectors = truth.where(truth != IGNORED, 0).permute(1, 2, 0)
            pairs[task] = prediction.permute(1, 2, 0), vectors
        else:
            pairs[task] = prediction, truth[0]
    return pairs


def published_objects(
    outputs: dict[str, Tensor], sample: Sample, recipe: Recipe, sensor: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Returns boxes in cityscapesScripts' format; sensor: (3, 4) sensor_T_ISO_8855."""
    config: Any = recipe.network_config
    known = box_options(config, default_camera(config))
    options = fcos3d.Fcos3dOptions(
        classes_from_options(known),
        tuple(fcos3d.LevelGrid(*level) for level in config.detection_levels),
        # The camera of each image is known, so no other focal length is assumed.
        sample.intrinsics.fx_px,
        known['min_score'],
        known['max_boxes'],
    )
    letterbox = Letterbox(config.width_px, config.height_px, config.width_px, config.height_px)
    scores, code = (outputs[name].numpy() for name in fcos3d.OUTPUTS)
    boxes = fcos3d.published_boxes(scores, code, options, letterbox, frame_of(sample))
    return vehicle_annotations(boxes, options.classes, sample.intrinsics, sensor)


def frame_of(sample: Sample) -> CameraFrame:
    return CameraFrame(np.ascontiguousarray(sample.rgb), sample.intrinsics, 0, 'camera_optical')


class TorchBackend:
    """Runs the graph itself where a robot has a runtime, so that scoring needs no export."""

    def __init__(self, graph: nn.Module, device: torch.device) -> None:
        self.graph, self.device = graph, device
        self.description = f'torch {torch.__version__} on {device}'
        self.precision = 'fp32'
        self.details: Mapping[str, str] = {}
        self.spec_json: str | None = None
        self.tensors: Mapping[str, TensorSpec] = {}
        self.sidecar: Path | None = None

    def infer(self, batch: NDArray[np.uint8], names: Collection[str]) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            found = self.graph(torch.from_numpy(batch).to(self.device))
        return {name: found[name].cpu().numpy() for name in names}

    def close(self) -> None:
        pass


def torch_estimator(graph: DeployGraph, device: torch.device) -> SceneEstimator:
    spec = spec_of(graph, 'unexported', '')
    backend = TorchBackend(graph.to(device), device)
    return SceneEstimator(backend, spec, decoders_of(spec, graph.config.name))


def compact_pairs(results: dict[str, Result], sample: Sample, max_m: float) -> Pairs:
    """Pairs dense tasks at the sample's original size; depth is scored up to max_m."""
    truths: dict[str, NDArray[Any] | None] = {
        'semantic': sample.labels,
        'human_parts': sample.human_parts,
        'depth': np.where(sample.depth_m <= max_m, sample.depth_m, np.nan),
        'normals': sample.normals,
        'boundary': sample.boundary,
        'saliency': sample.saliency,
        **sample.maps,
    }
    pairs: Pairs = {}
    for task, result in results.items():
        truth, answer = truths.get(task), values_of(result)
        if truth is not None and answer is not None:
            pairs[task] = torch.from_numpy(answer), torch.from_numpy(np.ascontiguousarray(truth))
    return pairs


def values_of(result: Result) -> NDArray[Any] | None:
    """Returns the map of a dense result; unknown normals become 0."""
    if isinstance(result, LabelMap):
        return result.labels
    if isinstance(result, DepthMap):
        return result.depth_m
    if isinstance(result, NormalMap):
        return np.nan_to_num(result.normals)
    if isinstance(result, ValueMap):
        return result.values
    if isinstance(result, ProbabilityMap):
        return result.probability
    return None


def boxes_meter(config: CompactConfig) -> BoxesMeter:
    return BoxesMeter([c.name for c in config.box_classes], CLOSE_RANGE_M)


def add_boxes(boxes: BoxesMeter, found: Boxes3D, sample: Sample, config: CompactConfig) -> None:
    """Adds boxes within CLOSE_RANGE_M. A true box counts if at least a quarter of it is visible
    and half of it lies inside the image."""
    quaternions = sample.quaternions_xyzw
    if quaternions is None:
        quaternions = quaternion_from_matrix(optical_from_level_box(sample.yaw_rad))
    truth = Boxes3D(
        sample.class_ids,
        np.ones(len(sample.class_ids), np.float32),
        sample.centers_m,
        sample.sizes_m,
        quaternions,
        config.box_classes,
    )
    required = (sample.visible >= 0.25) & (sample.truncated <= 0.5)
    boxes.update(found, truth, required)
