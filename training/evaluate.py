"""Scores a network on a data set, in torch, with the graph and the decoding of the robot.

    python -m training.evaluate invpt_vitb_nyud runs/invpt/last.pt --data NYUDv2 --json scores.json
    torchrun --nproc-per-node 4 -m training.evaluate ...

CHECKPOINT is one of training.train or, for the papers' networks, a released one. Several
processes share the frames; none is counted twice.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch import Tensor

from mtscene_ros.camera.geometry import optical_from_level_box, quaternion_from_matrix
from mtscene_ros.datasets.classes import HUMAN_PARTS_7
from mtscene_ros.datasets.label_files import read_json
from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.evaluate.scores.boxes_meter import CLOSE_RANGE_M, add_boxes
from mtscene_ros.evaluate.scores.metrics import Detections
from mtscene_ros.evaluate.suites.drives import MAX_M
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.types import Boxes3D, SemanticClass
from training.config import CompactConfig
from training.data import DATASETS
from training.data.sample import Sample
from training.export import graph_from_checkpoint
from training.graphs.deploy import DeployGraph
from training.graphs.deploy_published import PublishedGraph
from training.learn.learning import ALL_CONFIGS, Config, kind_of
from training.learn.learning_published import whole
from training.learn.loader import Frame, listed
from training.recipes import Recipe
from training.scores.boundary_score import MAX_DIST, OTHERWISE, BoundaryTensorMeter
from training.scores.comparisons import (
    Pairs,
    compact_pairs,
    frame_of,
    published_objects,
    published_outputs,
    published_pairs,
    torch_estimator,
)
from training.scores.detection_score import DetectionMeter
from training.scores.task_metrics import (
    METERS,
    UNKNOWN,
    TensorMeter,
    label_meter,
    of_every_process,
    value_meter,
)
from training.weights.checkpoints import load_network, read_checkpoint


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', choices=sorted(ALL_CONFIGS))
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--data-set', choices=sorted(DATASETS), help="default: the config's")
    parser.add_argument('--split', default='val')
    parser.add_argument('--frames', type=int, help='the first ones only')
    parser.add_argument('--jobs', type=int, default=1, help='processes that match boundaries')
    parser.add_argument('--json', type=Path)
    options = parser.parse_args(arguments)
    config = ALL_CONFIGS[options.config]
    options.data_set = options.data_set or kind_of(config).defaults(config)['data_set']
    return options


class Meters:
    """One meter per task, made when the task is first seen."""

    def __init__(self, config: Config, data_set: str, jobs: int) -> None:
        self.config, self.jobs = config, jobs
        self.max_dist = MAX_DIST.get(data_set, OTHERWISE)
        self.by_task: dict[str, TensorMeter] = {}

    def update(self, pairs: Pairs) -> None:
        for task, (prediction, truth) in pairs.items():
            if says_something(task, truth):
                self.by_task.setdefault(task, self.made(task)).update(prediction, truth)

    def made(self, task: str) -> TensorMeter:
        if task == 'boundary':
            return BoundaryTensorMeter(self.max_dist, self.jobs)
        if task in METERS:
            return METERS[task]()
        return self.made_for_own(task) or label_meter([c.name for c in self.classes(task)])

    def made_for_own(self, task: str) -> TensorMeter | None:
        """A number per pixel has errors as depth does."""
        own = self.config.own_tasks if isinstance(self.config, CompactConfig) else ()
        is_number = any(o.name == task and not o.classes for o in own)
        return value_meter() if is_number else None

    def classes(self, task: str) -> tuple[SemanticClass, ...]:
        own = self.config.own_tasks if isinstance(self.config, CompactConfig) else ()
        tables = {o.name: o.classes for o in own} | {'human_parts': HUMAN_PARTS_7}
        return tables.get(task) or kind_of(self.config).classes_of(self.config)

    def result(self) -> dict[str, dict[str, float]]:
        """Of every task that some process has seen: all of them ask in the same order."""
        tasks = sorted(set().union(*of_every_process(set(self.by_task))))
        return {task: self.by_task.setdefault(task, self.made(task)).result() for task in tasks}


def says_something(task: str, truth: Tensor) -> bool:
    """Whether any pixel is known."""
    if task == 'normals':
        return bool((truth != 0).any())
    return bool((torch.isfinite(truth) & (truth != UNKNOWN)).any())


def evaluate(
    config: Config, checkpoint: Path, frames: list[Frame], options: argparse.Namespace
) -> dict[str, Any]:
    """Task → score → value, over the frames of all processes."""
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    meters = Meters(config, options.data_set, options.jobs)
    own = frames[int(os.environ.get('RANK', '0')) :: int(os.environ.get('WORLD_SIZE', '1'))]
    if isinstance(config, Recipe):
        further = evaluate_published(config, checkpoint, own, meters, device)
    else:
        further = evaluate_compact(config, checkpoint, own, meters, device)
    return {'frames': len(frames), **meters.result(), **further}


def evaluate_published(
    recipe: Recipe, checkpoint: Path, frames: list[Frame], meters: Meters, device: torch.device
) -> dict[str, Any]:
    network, _ = load_network(recipe.network_config, read_checkpoint(checkpoint))
    graph = PublishedGraph(network.to(device), recipe.network_config).eval()
    detects = '3ddet' in recipe.tasks
    with tempfile.TemporaryDirectory() as temporary:
        boxes = DetectionMeter(Path(shared_by_all(temporary)))
        for frame in frames:
            sample = whole(frame.data_set.read(frame.folder, frame.name), recipe)
            outputs = published_outputs(graph, sample, device)
            meters.update(published_pairs(outputs, sample, recipe))
            if detects:
                path = frame.folder / 'gtBbox3d' / f'{frame.name}_gtBbox3d.json'
                sensor = np.array(read_json(path)['sensor']['sensor_T_ISO_8855'])[:3]
                boxes.add(frame.name, published_objects(outputs, sample, recipe, sensor), path)
        scores = {'boxes3d': boxes.result()} if detects else {}
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # the folder is the first process's
        return scores


def shared_by_all(folder: str) -> str:
    """The first process's."""
    if torch.distributed.is_initialized():
        told = [folder]
        torch.distributed.broadcast_object_list(told)
        return told[0]
    return folder


def evaluate_compact(
    config: CompactConfig,
    checkpoint: Path,
    frames: list[Frame],
    meters: Meters,
    device: torch.device,
) -> dict[str, Any]:
    graph = graph_from_checkpoint(checkpoint)
    meters.config = graph.config
    return compact_scores(graph, frames, meters, device)


def scores_of(
    graph: DeployGraph, frames: list[Frame], tasks: Collection[str] | None = None
) -> dict[str, Any]:
    """Of a compact network on this machine's CPU; tasks: None for all."""
    meters = Meters(graph.config, 'manifest', jobs=1)
    boxes = compact_scores(graph, frames, meters, torch.device('cpu'), tasks)
    return {**meters.result(), **boxes}


def compact_scores(
    graph: DeployGraph,
    frames: list[Frame],
    meters: Meters,
    device: torch.device,
    tasks: Collection[str] | None = None,
) -> dict[str, Any]:
    estimator = torch_estimator(graph, device)
    return estimator_scores(estimator, graph.config, frames, meters, tasks)


def estimator_scores(
    estimator: SceneEstimator,
    config: CompactConfig,
    frames: list[Frame],
    meters: Meters,
    tasks: Collection[str] | None = None,
) -> dict[str, Any]:
    """The scores of boxes; those of dense tasks are in the meters."""
    boxes = {c.id: Detections() for c in config.box_classes}
    for frame in frames:
        sample = frame.data_set.read(frame.folder, frame.name)
        results = dict(estimator.estimate([frame_of(sample)], tasks)[0].results)
        meters.update(compact_pairs(results, sample, MAX_M))
        found = results.get('boxes3d')
        if isinstance(found, Boxes3D) and sample.has_boxes:
            add_all_boxes(boxes, found, sample, config)
    merged = {config.box_classes[k].name: gathered(found) for k, found in boxes.items()}
    seen = {name: found.result() for name, found in merged.items() if found.truths}
    return {'boxes3d': seen} if seen else {}


def add_all_boxes(
    boxes: dict[int, Detections], found: Boxes3D, sample: Sample, config: CompactConfig
) -> None:
    """Within CLOSE_RANGE_M; a true box is also at least a quarter visible and half inside."""
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
    demanded = (sample.visible >= 0.25) & (sample.truncated <= 0.5)
    for class_id, of_class in boxes.items():
        add_boxes(of_class, found, truth, demanded, class_id, CLOSE_RANGE_M)


def gathered(found: Detections) -> Detections:
    """Of all processes."""
    total = Detections()
    for part in of_every_process(found):
        total.extend(part)
    return total


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = options_from(arguments)
    together = int(os.environ.get('WORLD_SIZE', '1')) > 1
    if together:
        torch.distributed.init_process_group('nccl' if torch.cuda.is_available() else 'gloo')
    try:
        frames = listed(options.data_set, [options.data], options.split)[: options.frames]
        config = ALL_CONFIGS[options.config]
        scores = evaluate(config, options.checkpoint, frames, options)
        if not together or torch.distributed.get_rank() == 0:
            text = json.dumps(scores, indent=2)
            print(text)
            if options.json:
                write_text(options.json, text + '\n')
    finally:
        if together:
            torch.distributed.destroy_process_group()
    return scores


if __name__ == '__main__':
    main()
