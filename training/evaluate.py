"""Scores a network on a data set in torch, with the graph and the decoding that the robot runs.

    python -m training.evaluate invpt_vitb_nyud runs/invpt/last.pt --data NYUDv2 --json scores.json
    torchrun --nproc-per-node 4 -m training.evaluate ...

CHECKPOINT comes from training.train or, for the papers' networks, is a released one. Several
processes share the frames; no frame counts twice.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.datasets.classes import HUMAN_PARTS_7
from mtscene_ros.datasets.label_files import read_json
from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.evaluate.suites.drives import MAX_M
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.terminal import exit_status
from mtscene_ros.types import Boxes3D, SemanticClass
from training.config import CompactConfig
from training.data import DATASETS
from training.data.by_name import merged_ids, scored_ids
from training.graphs.deploy import DeployGraph
from training.graphs.deploy_published import PublishedGraph
from training.learn.learning import ALL_CONFIGS, Config, kind_of
from training.learn.learning_published import whole
from training.learn.loader import Frame, list_frames
from training.recipes import Recipe
from training.scores.boundary_score import MAX_DIST, OTHERWISE, BoundaryTensorMeter
from training.scores.comparisons import (
    Pairs,
    add_boxes,
    boxes_meter,
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
    added_up,
    gathered_from_all,
    label_meter,
    value_meter,
)
from training.weights.checkpoints import load_network, read_checkpoint, recorded
from training.weights.released_files import read_released
from training.weights.weight_files import graph_from_checkpoint, read_weights


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', choices=sorted(ALL_CONFIGS))
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--data-set', choices=sorted(DATASETS), help="default: the config's")
    parser.add_argument('--split', default='val')
    parser.add_argument('--frames', type=int, help='use only the first frames')
    parser.add_argument('--jobs', type=int, default=1, help='processes that match boundaries')
    parser.add_argument('--json', type=Path)
    options = parser.parse_args(arguments)
    config = ALL_CONFIGS[options.config]
    options.data_set = options.data_set or kind_of(config).defaults(config)['data_set']
    return options


class Meters:
    """Holds one meter per task, created when the task first has a known pixel; scored: task → ids
    of the classes that the truth can have, None for all; merged: see merged_ids."""

    def __init__(
        self,
        config: Config,
        data_set: str,
        jobs: int,
        scored: Mapping[str, Sequence[int]] | None = None,
        merged: Mapping[str, NDArray[np.uint8]] | None = None,
    ) -> None:
        self.config, self.jobs, self.scored, self.merged = config, jobs, scored or {}, merged or {}
        self.max_dist = MAX_DIST.get(data_set, OTHERWISE)
        self.by_task: dict[str, TensorMeter] = {}

    def update(self, pairs: Pairs) -> None:
        for task, (prediction, truth) in pairs.items():
            if has_known_pixels(task, truth):
                if task in self.merged:
                    prediction = torch.from_numpy(self.merged[task])[prediction.long()]
                self.by_task.setdefault(task, self.new_meter(task)).update(prediction, truth)

    def new_meter(self, task: str) -> TensorMeter:
        if task == 'boundary':
            return BoundaryTensorMeter(self.max_dist, self.jobs)
        if task in METERS:
            return METERS[task]()
        names = [c.name for c in self.classes(task)]
        return self.own_value_meter(task) or label_meter(names, self.scored.get(task))

    def own_value_meter(self, task: str) -> TensorMeter | None:
        """Returns the meter of a user's own task with one number per pixel, None for other
        tasks."""
        own = self.config.own_tasks if isinstance(self.config, CompactConfig) else ()
        is_number = any(o.name == task and not o.classes for o in own)
        return value_meter() if is_number else None

    def classes(self, task: str) -> tuple[SemanticClass, ...]:
        own = self.config.own_tasks if isinstance(self.config, CompactConfig) else ()
        tables = {o.name: o.classes for o in own} | {'human_parts': HUMAN_PARTS_7}
        return tables.get(task) or kind_of(self.config).classes_of(self.config)

    def result(self) -> dict[str, dict[str, float]]:
        """Returns the scores of every task that any process has scored. All processes collect them
        in the same order."""
        tasks = sorted(set().union(*gathered_from_all(set(self.by_task))))
        return {
            task: self.by_task.setdefault(task, self.new_meter(task)).result() for task in tasks
        }


def has_known_pixels(task: str, truth: Tensor) -> bool:
    """Tells whether the truth has any known pixel."""
    if task == 'normals':
        return bool((truth != 0).any())
    return bool((torch.isfinite(truth) & (truth != UNKNOWN)).any())


def evaluate(
    config: Config, checkpoint: Path, frames: list[Frame], options: argparse.Namespace
) -> dict[str, Any]:
    """Returns scores by task over the frames of all processes."""
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    tables = DATASETS[options.data_set].tables(options.data)
    known = kind_of(config).tables_of(config)
    scored, merged = scored_ids(tables, known), merged_ids(tables, known)
    meters = Meters(config, options.data_set, options.jobs, scored, merged)
    own = frames[int(os.environ.get('RANK', '0')) :: int(os.environ.get('WORLD_SIZE', '1'))]
    if isinstance(config, Recipe):
        network, _ = load_network(config.network_config, read_checkpoint(checkpoint))
        further = evaluate_published(config, network, own, meters, device)
    else:
        further = evaluate_compact(config, checkpoint, own, meters, device)
    return {'frames': len(frames), **meters.result(), **further}


def published_scores(
    recipe: Recipe, network: nn.Module, frames: list[Frame]
) -> dict[str, dict[str, float]]:
    """Scores a published network's dense tasks on this machine's CPU."""
    meters = Meters(recipe, 'manifest', jobs=1)
    graph = PublishedGraph(network, recipe.network_config).eval()
    for frame in frames:
        sample = whole(frame.read(), recipe)
        outputs = published_outputs(graph, sample, torch.device('cpu'))
        meters.update(published_pairs(outputs, sample, recipe))
    return meters.result()


def evaluate_published(
    recipe: Recipe, network: nn.Module, frames: list[Frame], meters: Meters, device: torch.device
) -> dict[str, Any]:
    graph = PublishedGraph(network.to(device), recipe.network_config).eval()
    detects = '3ddet' in recipe.tasks
    with tempfile.TemporaryDirectory() as temporary:
        boxes = DetectionMeter(Path(broadcast_folder(temporary)))
        for frame in frames:
            sample = whole(frame.read(), recipe)
            outputs = published_outputs(graph, sample, device)
            meters.update(published_pairs(outputs, sample, recipe))
            if detects:
                path = frame.folder / 'gtBbox3d' / f'{frame.name}_gtBbox3d.json'
                sensor = np.array(read_json(path)['sensor']['sensor_T_ISO_8855'])[:3]
                boxes.add(frame.name, published_objects(outputs, sample, recipe, sensor), path)
        scores = {'boxes3d': boxes.result()} if detects else {}
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # only the first process creates and deletes the folder
        return scores


def broadcast_folder(folder: str) -> str:
    """Returns the first process's folder in every process."""
    if torch.distributed.is_initialized():
        shared = [folder]
        torch.distributed.broadcast_object_list(shared)
        return shared[0]
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
    """Scores a compact network on this machine's CPU; tasks: None for all."""
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
    """Returns the scores of boxes; those of dense tasks are collected in the meters."""
    boxes = boxes_meter(config)
    for frame in frames:
        sample = frame.read()
        results = dict(estimator.estimate([frame_of(sample)], tasks)[0].results)
        meters.update(compact_pairs(results, sample, MAX_M))
        found = results.get('boxes3d')
        if isinstance(found, Boxes3D) and sample.has_boxes:
            if 'boxes3d' in meters.merged:
                class_ids = meters.merged['boxes3d'][found.class_ids].astype(np.int64)
                found = replace(found, class_ids=class_ids)
            add_boxes(boxes, found, sample, config)
    seen = added_up(boxes, boxes_meter(config)).by_class()
    return {'boxes3d': seen} if seen else {}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = options_from(arguments)
    together = int(os.environ.get('WORLD_SIZE', '1')) > 1
    if together:
        torch.distributed.init_process_group('nccl' if torch.cuda.is_available() else 'gloo')
    try:
        config = ALL_CONFIGS[options.config]
        if isinstance(config, CompactConfig):  # a checkpoint may have classes of its own
            config = read_weights(options.checkpoint)[0]
        else:
            config = recorded(config, read_released(options.checkpoint).adapted)
        frames = list_frames(options.data_set, [options.data], options.split, config, merges=True)
        frames = frames[: options.frames]
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
    sys.exit(exit_status(main))
