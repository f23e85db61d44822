"""Fine-tunes a network that matches for one task: its biases alone, minutes on a CPU.

    mtscene tune my_frames.yaml --weights match_lite -o floor.safetensors
    mtscene teach my_frames.yaml --weights match_lite --tuned floor.safetensors -o a.onnx

In every step some of the labelled frames teach the others (Kim et al., ICLR 2023, section 3.3),
cropped, mirrored and with other colours, so that even one frame is enough. What is learned travels
beside the weights: of Visual Token Matching the image encoder's biases of every channel, of a
compact network all biases and the scales of its normalisations. Goes on from OUT.partial.pt after
a break.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtscene_ros.terminal import exit_status
from training.data.augment import augmented
from training.data.sample import Sample
from training.data.support_frames import source_of, support_of
from training.graphs.taught import encoded, scaled, with_biases
from training.learn.episode_losses import channel_losses, choice_loss
from training.learn.schedule import cosine
from training.networks.vtm import VTMNetwork
from training.tasks.channels import ChannelTask
from training.teach import (
    add_task_options,
    matching_network,
    task_of,
)
from training.weights.checkpoint_store import CheckpointError, read_file, save, save_weights
from training.weights.matching_checkpoints import tuned_names

MOST_SHOWN, ASKED = 4, 2  # frames in a step
KEEP_EVERY = 20  # steps


@dataclass(frozen=True, slots=True, eq=False)
class Tuning:
    """A task with its labelled frames, and the network with what is learned of it; sets: of the
    encoder's biases, 1 or one for each channel; view_px: (height, width) that the network sees."""

    task: ChannelTask
    samples: list[Sample]
    network: nn.Module
    learned: dict[str, Tensor]
    sets: int
    view_px: tuple[int, int]


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    add_task_options(parser)
    parser.add_argument('-o', '--out', type=Path, required=True)
    parser.add_argument('--steps', type=int, default=100)
    parser.add_argument('--learning-rate', type=float, default=1e-3)
    parser.add_argument('--stop-at', type=int, help='step of this call; default: the last one')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args(arguments)
    if options.out.suffix != '.safetensors':
        parser.error(f'{options.out} holds weights; give it a name that ends in .safetensors.')
    if options.frames is not None and options.frames < 1:
        parser.error(f'{options.frames} frames teach nothing; take one at least.')
    options.tuned, options.size_px = None, None
    return options


def tuning_of(options: argparse.Namespace) -> Tuning:
    """Raises DataError, CheckpointError or ValueError."""
    source = source_of(options)
    samples = support_of(source, options.frames)
    task = task_of(source, samples)
    network, rows, windows = matching_network(options, task.channels)
    sets = 1
    if isinstance(network, VTMNetwork):
        rows = rows * task.channels if len(rows) == 1 else rows
        network, sets = with_biases(network, rows), len(rows)
    network.eval().requires_grad_(False)  # batch norm keeps its statistics
    parameters = dict(network.named_parameters())
    learned = {key: parameters[key].requires_grad_(True) for key in tuned_names(network)}
    return Tuning(task, samples, network, learned, sets, windows.view_px)


def tune(options: argparse.Namespace) -> Tuning:
    """Raises DataError, CheckpointError or ValueError."""
    torch.set_num_threads(options.threads)
    tuning = tuning_of(options)
    learned = list(tuning.learned.values())
    optimizer = torch.optim.AdamW(learned, options.learning_rate, weight_decay=0.0)
    step = restored(tuning, optimizer, options)
    begin_s, first = time.perf_counter(), step
    losses = []
    last = options.steps if options.stop_at is None else min(options.steps, options.stop_at)
    while step < last:
        rng = np.random.default_rng((options.seed, step))  # the same episodes after a break
        for group in optimizer.param_groups:
            group['lr'] = options.learning_rate * cosine(step / options.steps)
        optimizer.zero_grad(set_to_none=True)
        loss = episode_loss(tuning, rng)
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        losses.append(loss.item())
        step += 1
        if step % KEEP_EVERY == 0 or step == last:
            keep(tuning, optimizer, step, options)
            mean, each_s = np.mean(losses[-KEEP_EVERY:]), time.perf_counter() - begin_s
            print(f'step {step}: loss {mean:.3f}, {each_s / (step - first):.1f} s each')
    return tuning


def episode_loss(tuning: Tuning, rng: np.random.Generator) -> Tensor:
    """Some frames shown, others asked for; a single frame is both, seen differently."""
    count = len(tuning.samples)
    order = rng.permutation(count).tolist() if count > 1 else [0, 0]
    requested = order[: min(ASKED, max(1, count // 2))]
    shown = order[len(requested) :][:MOST_SHOWN]
    images, labels = drawn(tuning, requested + shown, rng)
    matching: Any = tuning.network
    at = len(requested)
    support = labels[at:].transpose(0, 1).flatten(0, 1)[:, None]
    memory = matching.memory(
        encoded(matching, images[at:], tuning.sets, grouped=True), support, len(shown)
    )
    maps = encoded(matching, images[:at], tuning.sets, grouped=False)
    logits = matching.answer(maps, memory).transpose(0, 1)  # (T, N, H, W)
    truth = labels[:at].transpose(0, 1)
    known, truth = (truth >= 0).float(), truth.clamp(min=0)
    binary = [bool(tuning.task.classes)] * tuning.task.channels
    loss = channel_losses(logits, truth, known, binary)
    if tuning.task.channels > 1:
        loss = loss + choice_loss(logits, truth, known)
    return loss


def drawn(tuning: Tuning, numbers: list[int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) in [0, 1] and labels (N, T, H, W) in [0, 1] or -1."""
    height, width = tuning.view_px
    changed = [augmented(tuning.samples[k], width, height, rng) for k in numbers]
    images = torch.from_numpy(np.stack([sample.rgb for sample in changed]))
    name = tuning.task.name
    labels = np.stack([tuning.task.labels(sample.maps[name]) for sample in changed])
    return scaled(images), torch.from_numpy(labels)


def restored(tuning: Tuning, optimizer: torch.optim.Optimizer, options: argparse.Namespace) -> int:
    """Goes on from the checkpoint, if there is one. Returns its step. Raises CheckpointError for
    one of another task."""
    path = checkpoint_of(options)
    if not path.exists():
        return 0
    state = read_file(path)
    if not isinstance(state, dict) or state.get('about') != about(options):
        raise CheckpointError(
            f'{path} is of another run; delete it, or choose another name than {options.out}.'
        )
    with torch.no_grad():
        for key, value in tuning.learned.items():
            value.copy_(state['learned'][key])
    optimizer.load_state_dict(state['optimizer'])
    return int(state['step'])


def keep(
    tuning: Tuning, optimizer: torch.optim.Optimizer, step: int, options: argparse.Namespace
) -> None:
    learned = {key: value.detach() for key, value in tuning.learned.items()}
    state = {'learned': learned, 'optimizer': optimizer.state_dict(), 'step': step}
    save(checkpoint_of(options), {**state, 'about': about(options)})


def about(options: argparse.Namespace) -> str:
    """What has to be the same for a run to go on."""
    names = (
        'manifest',
        'weights',
        'task',
        'semantic',
        'frames',
        'row',
        'steps',
        'learning_rate',
        'seed',
    )
    return ', '.join(f'{name} {getattr(options, name)}' for name in names)


def checkpoint_of(options: argparse.Namespace) -> Path:
    out: Path = options.out
    return out.with_suffix('.partial.pt')


def main(arguments: list[str] | None = None) -> int:
    options = options_from(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        tuning = tune(options)
    except ValueError as error:  # DataError and CheckpointError among them
        print(error, file=sys.stderr)
        return 2
    if options.stop_at is not None and options.stop_at < options.steps:
        return 0
    save_weights(options.out, {k: v.detach() for k, v in tuning.learned.items()})
    checkpoint_of(options).unlink()
    count = sum(value.numel() for value in tuning.learned.values())
    size_mb = options.out.stat().st_size / 1e6
    print(f'{options.out}: {count} numbers, {size_mb:.1f} MB; give it to training.teach --tuned.')
    return 0


if __name__ == '__main__':
    sys.exit(exit_status(main))
