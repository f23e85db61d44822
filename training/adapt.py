"""Teaches a trained compact network new classes or another dense task from a few frames.

    python -m training.adapt my_frames.yaml --out runs/mine
    python -m training.export runs/mine/last.pt mine.onnx --version 1
    python -m training.adapt --statistics RECORDING... --out runs/mine
    python -m training.adapt --unlabelled RECORDING... --out runs/mine

The last two need no labels; `--statistics x --help` and `--unlabelled x --help` show their
options. The first learns the tasks for which the manifest has labels; distillation from the frozen
original keeps the other tasks as they were. The encoder stays unchanged unless --encoder is given.
Prints the scores of the `val` frames before and after.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtscene_ros.datasets.class_tables import lonely_class
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.terminal import counted
from mtscene_ros.types import UNLABELED
from training.config import CompactConfig
from training.data import manifest_samples
from training.data.augment import augmented, letterboxed
from training.data.by_name import IdsByName, Tables, ids_by_name
from training.data.sample import Sample
from training.evaluate import scores_of
from training.graphs.deploy import DeployGraph, normalised
from training.graphs.onnx_export import current_commit
from training.learn.adapting import (
    adaptation_of,
    adapted_config,
    class_mixture,
    distillation_loss,
    freeze_norms,
    kept_boxes,
    labelled_in,
)
from training.learn.learning_compact import optimizer_of, tables_of
from training.learn.loader import Frame
from training.learn.schedule import cosine
from training.learn.transfer import transferred_weights
from training.learn.weighting import by_task
from training.networks.decoders import compact_network
from training.tasks import task_of
from training.unlabelled import fold_statistics, learn_recordings
from training.weights.checkpoint_store import save
from training.weights.weight_files import read_weights

DEMO_WEIGHTS = Path(__file__).parent / 'weights' / 'drive_lite.safetensors'
# Adaptation without labels has options of its own.
WITHOUT_LABELS = {
    '--statistics': fold_statistics.main,
    '--unlabelled': learn_recordings.main,
}
BATCH, DISTILLATION_WEIGHT = 4, 1.0  # frames per step; weight of the distillation losses


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('manifest', type=Path)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument(
        '--weights',
        type=Path,
        default=DEMO_WEIGHTS,
        help='checkpoint to start from; default: the demo model',
    )
    parser.add_argument('--frames', type=int, help='use only the first frames of `train`')
    parser.add_argument('--steps', type=int, default=400)
    parser.add_argument('--learning-rate', type=float, default=5e-4)
    parser.add_argument(
        '--encoder',
        action='store_true',
        help='train the encoder too, at a tenth of the learning rate',
    )
    parser.add_argument(
        '--scratch', action='store_true', help='train without the old weights, for comparison'
    )
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(arguments)


@dataclass(frozen=True, slots=True)
class Tasks:
    """labelled: tasks that the frames teach; held: tasks that distillation keeps as they were;
    kept_boxes: channels of boxes3d that the frames have no labels for."""

    labelled: tuple[str, ...]
    held: tuple[str, ...]
    kept_boxes: tuple[int, ...] = ()


def tasks_of(
    config: CompactConfig, old_config: CompactConfig, samples: list[Sample], tables: Tables
) -> Tasks:
    """Raises ValueError if the samples have labels of no task."""
    there = labelled_in(samples)
    labelled = tuple(t for t in config.tasks if t in there)
    if not labelled:
        raise ValueError(
            f'The training frames have labels for none of the tasks {", ".join(config.tasks)}; '
            'add labels for one.'
        )
    held = tuple(t for t in old_config.tasks if t not in labelled)
    taught = {n for c in tables.boxes for n in tables.class_map.get(c.name, (c.name,))}
    kept = tuple(c.id for c in old_config.box_classes if c.name not in taught)
    return Tasks(labelled, held, kept if 'boxes3d' in labelled else ())


def warnings_of(tables: Tables, samples: list[Sample]) -> list[str]:
    """Returns sentences about labels that teach nothing."""
    found = []
    if any((s.labels != UNLABELED).any() for s in samples):
        found += lonely_class('semantic', tables.semantic)
    return found + [
        w for name, classes in tables.maps.items() for w in lonely_class(name, classes)
    ]


def adapt(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the whole adaptation. Returns the scores before and after and the duration in
    minutes."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    names = manifest_samples.names(options.manifest, 'train')[: options.frames]
    samples = [manifest_samples.read(options.manifest, name) for name in names]
    tables = manifest_samples.tables(options.manifest)
    old_config, old = read_weights(options.weights)
    config, said = adapted_config(old_config, tables, samples)
    ids = ids_by_name(tables, tables_of(config), options.manifest)
    samples = [ids.applied(sample) for sample in samples]
    tasks = tasks_of(config, old_config, samples, tables)
    for sentence in (*said, *warnings_of(tables, samples)):
        print(sentence, file=sys.stderr)
    teacher = compact_network(old_config)
    teacher.load_state_dict(old)
    teacher.eval().requires_grad_(False)
    network = compact_network(config)
    if not options.scratch:
        mixture = None
        if config.classes != old_config.classes:
            size = config.width_px, config.height_px
            fitted = [letterboxed(s, *size) for s in samples]
            mixture = class_mixture(DeployGraph(teacher, old_config), fitted, config.classes)
        fresh = network.state_dict()
        network.load_state_dict(transferred_weights(fresh, old, config, old_config, mixture))
    before = scores(network, config, ids, options)
    begin_s = time.perf_counter()
    learn(network, teacher, config, samples, tasks, options)
    minutes = (time.perf_counter() - begin_s) / 60
    save_adapted(network, config, old_config, options)
    after = scores(network, config, ids, options)
    about = {'frames': len(samples), 'steps': options.steps, 'minutes': round(minutes, 2)}
    return {
        **about,
        'taught': tasks.labelled,
        'held': tasks.held,
        'before': before,
        'after': after,
    }


def learn(
    network: nn.Module,
    teacher: nn.Module,
    config: CompactConfig,
    samples: list[Sample],
    tasks: Tasks,
    options: argparse.Namespace,
) -> None:
    """Trains the network."""
    trains_encoder = options.encoder or options.scratch
    encoder = network.encoder
    assert isinstance(encoder, nn.Module)
    encoder.requires_grad_(trains_encoder)
    optimizer = optimizer_of(network, [], config)
    for group in optimizer.param_groups:
        group['share'] = 1.0 if options.scratch else group['share']
    rng = np.random.default_rng(options.seed)
    network.train()
    if not options.scratch:
        freeze_norms(network)
    for step in counted(range(options.steps), 'step', options.steps):
        rate = options.learning_rate * cosine(step / options.steps) * min(1.0, (step + 1) / 20)
        for group in optimizer.param_groups:
            group['lr'] = rate * (0.1 if group['share'] < 1 else 1.0)
        chosen = rng.choice(len(samples), BATCH, replace=len(samples) < BATCH)
        batch = [augmented(samples[k], config.width_px, config.height_px, rng) for k in chosen]
        loss = step_loss(network, teacher, config, batch, tasks, options.scratch, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    network.eval()


def step_loss(
    network: nn.Module,
    teacher: nn.Module,
    config: CompactConfig,
    batch: list[Sample],
    tasks: Tasks,
    scratch: bool,
    rng: np.random.Generator,
) -> Tensor:
    image = normalised(torch.from_numpy(np.stack([sample.rgb for sample in batch])))
    late, early = network(image)
    found: dict[str, Tensor] = {}
    for name in tasks.labelled:
        task = task_of(name, config)
        rows = [task.targets(sample, config, rng) for sample in batch]
        targets = {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}
        found[name] = task.loss(late[name], targets)
        found[f'{name}_preliminary'] = task.preliminary_loss(early[name], targets)
    total = torch.stack(list(by_task(found).values())).sum()
    if not scratch and (tasks.held or tasks.kept_boxes):
        kept = kept_losses(late, early, teacher, image, tasks)
        total = total + DISTILLATION_WEIGHT * torch.stack(list(kept.values())).sum()
    return total


def kept_losses(
    late: dict[str, Tensor],
    early: dict[str, Tensor],
    teacher: nn.Module,
    image: Tensor,
    tasks: Tasks,
) -> dict[str, Tensor]:
    """Returns by name the distances to what the frozen network says of this image."""
    with torch.no_grad():
        want, want_early = teacher(image)
    kept = distillation_loss(late, want, tasks.held)
    early_ones = distillation_loss(early, want_early, tasks.held)
    kept |= {f'{name} early': value for name, value in early_ones.items()}
    if tasks.kept_boxes:
        kept['boxes3d kept'] = kept_boxes(late['boxes3d'], want['boxes3d'], list(tasks.kept_boxes))
    return kept


def scores(
    network: nn.Module, config: CompactConfig, ids: IdsByName, options: argparse.Namespace
) -> Any:
    """Scores the manifest's `val` frames; {} if it has none."""
    try:
        names = manifest_samples.names(options.manifest, 'val')
    except DataError as error:
        print(
            f'{error} Nothing measures this training; give frames "split: val".', file=sys.stderr
        )
        return {}
    graph = DeployGraph(copy.deepcopy(network), config).eval()
    frames = [Frame(manifest_samples, options.manifest, name, ids) for name in names]
    return scores_of(graph, frames)


def save_adapted(
    network: nn.Module,
    config: CompactConfig,
    old_config: CompactConfig,
    options: argparse.Namespace,
) -> None:
    """Saves a checkpoint like that of training.train, for training.export and
    training.evaluate."""
    state = network.state_dict()
    about = {'config': old_config.name, 'adapted': adaptation_of(config), 'code': current_commit()}
    options.out.mkdir(parents=True, exist_ok=True)
    save(options.out / 'last.pt', {**about, 'step': options.steps, 'average': state})


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    for flag, program in WITHOUT_LABELS.items():
        if flag in (sys.argv[1:] if arguments is None else arguments):
            return {'model': str(program(arguments))}
    options = options_from(arguments)
    found = adapt(options)
    text = json.dumps(found, indent=2)
    write_text(options.out / 'adapted.json', text + '\n')
    print(text)
    return found


if __name__ == '__main__':
    main()
