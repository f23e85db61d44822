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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.datasets.manifest import Manifest, load
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.terminal import counted
from training.config import CompactConfig
from training.data import manifest_samples
from training.data.augment import augmented, letterboxed
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
    transferred_weights,
)
from training.learn.learning_compact import optimizer_of
from training.learn.loader import Frame
from training.learn.schedule import cosine
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


def labelled_tasks(config: CompactConfig, listed: Manifest) -> tuple[str, ...]:
    """Returns the tasks that the frames have labels for. Raises ValueError if there are none."""
    keys = {key for frame in listed.frames for key, value in frame.items() if value}
    keys |= {name for frame in listed.frames for name in frame.get('maps') or {}}
    found = tuple(t for t in config.tasks if t in keys)
    if not found:
        raise ValueError(
            f'The manifest labels none of the tasks {", ".join(config.tasks)}; add labels for one.'
        )
    return found


def adapt(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the whole adaptation. Returns the scores before and after and the duration in
    minutes."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    listed = load(options.manifest)
    names = manifest_samples.names(options.manifest, 'train')[: options.frames]
    samples = [manifest_samples.read(options.manifest, name) for name in names]
    old_config, old = read_weights(options.weights)
    config = adapted_config(old_config, listed, samples)
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
        network.load_state_dict(transferred_weights(network.state_dict(), old, config, mixture))
    labelled = labelled_tasks(config, listed)
    held = tuple(t for t in old_config.tasks if t not in labelled)
    before = scores(network, config, options)
    begin_s = time.perf_counter()
    learn(network, teacher, config, samples, (labelled, held), options)
    minutes = (time.perf_counter() - begin_s) / 60
    save_adapted(network, config, old_config, options)
    after = scores(network, config, options)
    about = {'frames': len(samples), 'steps': options.steps, 'minutes': round(minutes, 2)}
    return {**about, 'taught': labelled, 'held': held, 'before': before, 'after': after}


def learn(
    network: nn.Module,
    teacher: nn.Module,
    config: CompactConfig,
    samples: list[Sample],
    tasks: tuple[tuple[str, ...], tuple[str, ...]],
    options: argparse.Namespace,
) -> None:
    """Trains the network. tasks: those with labels, then those kept by distillation."""
    labelled, held = tasks
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
        loss = step_loss(network, teacher, config, batch, (labelled, held), options.scratch, rng)
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
    tasks: tuple[tuple[str, ...], tuple[str, ...]],
    scratch: bool,
    rng: np.random.Generator,
) -> Tensor:
    labelled, held = tasks
    image = normalised(torch.from_numpy(np.stack([sample.rgb for sample in batch])))
    late, early = network(image)
    found: dict[str, Tensor] = {}
    for name in labelled:
        task = task_of(name, config)
        rows = [task.targets(sample, config, rng) for sample in batch]
        targets = {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}
        found[name] = task.loss(late[name], targets)
        found[f'{name}_preliminary'] = task.preliminary_loss(early[name], targets)
    total = torch.stack(list(by_task(found).values())).sum()
    if held and not scratch:
        with torch.inference_mode():
            want, want_early = teacher(image)
        kept = distillation_loss(late, want, held)
        kept |= {f'{k} early': v for k, v in distillation_loss(early, want_early, held).items()}
        total = total + DISTILLATION_WEIGHT * torch.stack(list(kept.values())).sum()
    return total


def scores(network: nn.Module, config: CompactConfig, options: argparse.Namespace) -> Any:
    """Scores the manifest's `val` frames; {} if it has none."""
    try:
        names = manifest_samples.names(options.manifest, 'val')
    except DataError:
        return {}
    graph = DeployGraph(copy.deepcopy(network), config).eval()
    return scores_of(graph, [Frame(manifest_samples, options.manifest, name) for name in names])


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
