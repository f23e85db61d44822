"""Meta-trains a compact network that matches; a few labelled frames define each step's task.

    python -m training.data.worlds --world drive --seed 71 --count 400 --out data/drive
    python -m training.meta_train match_lite --data data/drive data/room --out runs/match

The encoder is a trained compact network's and stays as it is, so that its maps are computed once;
cropping, mirroring and colours change in a few copies of each frame. Frames are read when they are
first needed.
Goes on from OUT/last.pt where there is one; at the end OUT/NAME.safetensors is for training.teach.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtscene_ros.terminal import exit_status
from training.data.episodes import SOURCES, Channel, channel, class_task
from training.data.sample import Sample
from training.data.worlds import sample_files
from training.graphs.taught import scaled
from training.learn.encoded_frames import EncodedFrame, EncodedFrames, Maps
from training.learn.episode_losses import channel_losses, choice_loss
from training.learn.schedule import cosine
from training.networks.compact_matching import CompactMatchingConfig, CompactMatchingNetwork
from training.networks.zoo import COMPACT_MATCHING
from training.weights.checkpoint_store import read_safetensors, restore, save, save_weights

WEIGHTS = Path(__file__).parent / 'weights'
CHANNELS, EPISODES = 4, 2  # of an episode, of a step
MOST_SHOWN, ASKED = 6, 3  # images of support and of queries
HALVES = (
    0.88  # share of the episodes that see quarters of the images: these take an eighth of the time
)
TASKS_OF_CLASSES = 0.5  # share of the episodes
SPARSE = 0.15  # share of the episodes whose support has labels at few pixels, as from a LiDAR
KEEP_EVERY = 100  # steps

Parts = dict[str, nn.Module | torch.optim.Optimizer]


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('config', choices=COMPACT_MATCHING)
    parser.add_argument('--data', type=Path, nargs='+', required=True, help='folders of frames')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--steps', type=int, default=20_000)
    parser.add_argument('--minutes', type=float, help='of all calls, after which the run ends')
    parser.add_argument('--stop-at', type=int, help='step of this call; default: the last one')
    parser.add_argument('--learning-rate', type=float, default=1e-3)
    parser.add_argument('--sources', nargs='+', choices=SOURCES, default=list(SOURCES))
    parser.add_argument('--copies', type=int, default=2, help='of a frame, all but one changed')
    parser.add_argument('--left-out', type=int, nargs='*', default=[], help='ids of classes')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(arguments)


def fresh_network(config: CompactMatchingConfig) -> CompactMatchingNetwork:
    """With the encoder of the compact network that the configuration names, where it is there."""
    network = CompactMatchingNetwork(config)
    path = WEIGHTS / f'{config.encoder_of}.safetensors'
    if config.encoder_of:
        part = {
            name.removeprefix('encoder.'): value.float()
            for name, value in read_safetensors(path).items()
            if name.startswith('encoder.')
        }
        network.encoder.load_state_dict(part)
    network.encoder.requires_grad_(False)
    return network


def encoder_maps(network: CompactMatchingNetwork, sample: Sample) -> Maps:
    network.encoder.eval()
    with torch.no_grad():
        image = network.normalised(scaled(torch.from_numpy(sample.rgb)[None]))
        found: Maps = network.encoder(image)
        return found


def episode_loss(
    network: CompactMatchingNetwork,
    frames: Sequence[EncodedFrame],
    shown: int,
    channels: Sequence[Channel],
    rng: np.random.Generator,
) -> Tensor:
    """The first `shown` frames are the support of the others, which are judged at stride 4."""
    levels = [torch.cat(level).float() for level in zip(*(f.maps for f in frames), strict=True)]
    tokens = network.projected(*levels)
    labels = torch.from_numpy(np.stack([found.values for found in channels]))  # (T, N, H, W)
    filled = thinned(torch.nan_to_num(labels[:, :shown], nan=-1.0), rng)
    supports = [level[:shown] for level in tokens]
    memory = network.memory(supports, filled.flatten(0, 1)[:, None], shown)
    logits = network.quarter_answer([level[shown:] for level in tokens], memory).transpose(0, 1)
    known = F.avg_pool2d(torch.isfinite(labels[:, shown:]).float(), 4)
    sums = F.avg_pool2d(torch.nan_to_num(labels[:, shown:], nan=0.0), 4)
    truth = sums / known.clamp(min=1e-3)
    known = (known > 0.5).float()
    loss = channel_losses(logits, truth, known, [found.binary for found in channels])
    exclusive = sum(found.exclusive for found in channels)
    if exclusive < 2:
        return loss
    return loss + 0.5 * choice_loss(logits[:exclusive], truth[:exclusive], known[:exclusive])


def thinned(labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Sometimes most of the support's pixels become unknown."""
    if rng.random() >= SPARSE:
        return labels
    share = float(np.exp(rng.uniform(np.log(0.02), np.log(0.5))))
    kept = torch.from_numpy(rng.random(labels.shape[1:]) < share)
    return torch.where(kept, labels, -1.0)


def meta_train(options: argparse.Namespace) -> CompactMatchingNetwork:
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    config = COMPACT_MATCHING[options.config]
    network = fresh_network(config)
    worlds = [sample_files(folder) for folder in options.data]
    learn(network, worlds, options)
    half = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    save_weights(options.out / f'{config.name}.safetensors', half)
    return network.eval()


def learn(
    network: CompactMatchingNetwork,
    worlds: Sequence[Sequence[Path | Sample]],
    options: argparse.Namespace,
) -> None:
    """Until the steps or the minutes are over."""
    size_px = network.config.height_px, network.config.width_px
    encode = partial(encoder_maps, network)
    encoded = [
        EncodedFrames(world, size_px, options.copies, (options.seed, number), encode)
        for number, world in enumerate(worlds)
    ]
    learned = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, options.learning_rate, weight_decay=0.01)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / 'last.pt'
    parts: Parts = {'network': network, 'optimizer': optimizer}
    counts = restore(checkpoint, parts) if checkpoint.exists() else {}
    step = counts.get('step', 0)
    begin_s = time.perf_counter() - counts.get('elapsed_s', 0.0)
    network.train()
    network.encoder.eval()
    losses: list[float] = []
    last = options.steps if options.stop_at is None else min(options.steps, options.stop_at)
    while step < last and (done := progress(step, begin_s, options)) < 1:
        rng = np.random.default_rng((options.seed, step))  # the same episodes after a break
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout
        optimizer.zero_grad(set_to_none=True)
        losses.append(0.0)
        for _ in range(EPISODES):
            loss = drawn_loss(network, encoded, options, rng) / EPISODES
            loss.backward()
            losses[-1] += loss.item()
        rate = options.learning_rate * cosine(done) * min(1, (step + 1) / 50)
        for group in optimizer.param_groups:
            group['lr'] = rate
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        step += 1
        if step % KEEP_EVERY == 0:
            keep(checkpoint, parts, step, begin_s)
            entry = {'step': step, 'loss': round(float(np.mean(losses[-KEEP_EVERY:])), 4)}
            print(json.dumps(entry | {'s': round(time.perf_counter() - begin_s)}), flush=True)
    keep(checkpoint, parts, step, begin_s)


def drawn_loss(
    network: CompactMatchingNetwork,
    encoded: Sequence[EncodedFrames],
    options: argparse.Namespace,
    rng: np.random.Generator,
) -> Tensor:
    """Of one episode, whose frames are of one world."""
    world = encoded[int(rng.integers(len(encoded)))]
    shown = int(rng.integers(1, MOST_SHOWN + 1))
    frames = world.drawn(shown + ASKED, rng.random() < HALVES, rng)
    channels = channels_of([frame.sample for frame in frames], options, rng)
    return episode_loss(network, frames, shown, channels, rng)


def channels_of(
    samples: Sequence[Sample], options: argparse.Namespace, rng: np.random.Generator
) -> list[Channel]:
    """A task of classes, or unrelated channels."""
    left_out = frozenset(options.left_out)
    found = []
    if 'classes' in options.sources and rng.random() < TASKS_OF_CLASSES:
        found = class_task(samples, CHANNELS, rng, left_out)
    while len(found) < CHANNELS:
        found.append(channel(samples, rng, options.sources, left_out))
    return found


def progress(step: int, begin_s: float, options: argparse.Namespace) -> float:
    """By steps or by time, whichever is further."""
    time_s = 0.0 if options.minutes is None else time.perf_counter() - begin_s
    minutes: float = options.minutes or 1.0
    return float(max(step / options.steps, time_s / (60 * minutes)))


def keep(path: Path, parts: Parts, step: int, begin_s: float) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    counts = {'step': step, 'elapsed_s': time.perf_counter() - begin_s}
    save(path, {**state, **counts, 'rng': torch.get_rng_state()})


if __name__ == '__main__':
    sys.exit(exit_status(lambda: meta_train(options_from(None))))
