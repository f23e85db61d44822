"""Meta-trains a compact network that matches; a few labelled frames define each step's task.

    python -m training.data.worlds --world drive --seed 71 --count 400 --out data/drive
    python -m training.meta_train match_lite --data data/drive data/room --out runs/match

The encoder is a trained compact network's and stays as it is, so that its maps are computed once.
Goes on from OUT/last.pt where there is one; at the end OUT/NAME.safetensors is for training.teach.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtscene_ros.terminal import exit_status
from training.data.episodes import SOURCES, Channel, channel
from training.data.sample import Sample
from training.data.worlds import read_sample, sample_files
from training.graphs.taught import scaled
from training.learn.schedule import cosine
from training.networks.compact_matching import CompactMatchingConfig, CompactMatchingNetwork
from training.networks.zoo import COMPACT_MATCHING
from training.weights.checkpoint_store import read_safetensors, restore, save, save_weights

WEIGHTS = Path(__file__).parent / 'weights'
SHOWN, ASKED, CHANNELS = 4, 4, 4  # images of support and of queries, channels of an episode
KEEP_EVERY = 200  # steps

Maps = list[Tensor]
Parts = dict[str, nn.Module | torch.optim.Optimizer]


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('config', choices=COMPACT_MATCHING)
    parser.add_argument('--data', type=Path, nargs='+', required=True, help='folders of frames')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--steps', type=int, default=20_000)
    parser.add_argument('--minutes', type=float, help='end after these at the latest')
    parser.add_argument('--stop-at', type=int, help='step of this call; default: the last one')
    parser.add_argument('--learning-rate', type=float, default=5e-4)
    parser.add_argument('--sources', nargs='+', choices=SOURCES, default=list(SOURCES))
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


def encoder_maps(network: CompactMatchingNetwork, samples: Sequence[Sample]) -> list[Maps]:
    """The encoder's four maps of every frame, float16."""
    found = []
    network.eval()
    with torch.no_grad():
        for sample in samples:
            image = network.normalised(scaled(torch.from_numpy(sample.rgb)[None]))
            found.append([map_.half() for map_ in network.encoder(image)])
    return found


def episode_loss(
    network: CompactMatchingNetwork, maps: Sequence[Maps], channels: Sequence[Channel]
) -> Tensor:
    """The first SHOWN frames are the support of the others: binary cross entropy of classes,
    absolute difference of numbers, mean over all pixels with unknown ones as zero."""
    levels = [torch.cat(level).float() for level in zip(*maps, strict=True)]
    tokens = network.projected(*levels)
    labels = torch.from_numpy(np.stack([found.values for found in channels]))  # (T, N, H, W)
    known = torch.isfinite(labels)
    filled = torch.where(known, labels, -1.0)
    supports = [level[:SHOWN] for level in tokens]
    memory = network.memory(supports, filled[:, :SHOWN].flatten(0, 1)[:, None], SHOWN)
    logits = network.answer([level[SHOWN:] for level in tokens], memory).transpose(0, 1)
    losses = [
        F.binary_cross_entropy_with_logits(logit, truth.clamp(min=0), reduction='none')
        if found.binary
        else (logit.sigmoid() - truth).abs()
        for found, logit, truth in zip(channels, logits, filled[:, SHOWN:], strict=True)
    ]
    return (torch.stack(losses) * known[:, SHOWN:]).mean()


def meta_train(options: argparse.Namespace) -> CompactMatchingNetwork:
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    config = COMPACT_MATCHING[options.config]
    network = fresh_network(config)
    worlds = [[read_sample(path) for path in sample_files(folder)] for folder in options.data]
    learn(network, worlds, options)
    save_weights(options.out / f'{config.name}.safetensors', network.state_dict())
    return network.eval()


def learn(
    network: CompactMatchingNetwork,
    worlds: Sequence[Sequence[Sample]],
    options: argparse.Namespace,
) -> None:
    """Until the steps or the minutes are over; an episode is of one world."""
    encoded = [encoder_maps(network, samples) for samples in worlds]
    learned = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, options.learning_rate, weight_decay=0.01)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / 'last.pt'
    parts: Parts = {'network': network, 'optimizer': optimizer}
    step = restore(checkpoint, parts)['step'] if checkpoint.exists() else 0
    begin_s = time.perf_counter()
    network.train()
    network.encoder.eval()
    losses: list[float] = []
    last = options.steps if options.stop_at is None else min(options.steps, options.stop_at)
    while step < last and not is_late(begin_s, options.minutes):
        rng = np.random.default_rng((options.seed, step))  # the same episodes after a break
        world = int(rng.integers(len(worlds)))
        chosen = rng.choice(len(worlds[world]), SHOWN + ASKED, replace=False)
        channels = channels_of([worlds[world][k] for k in chosen], options, rng)
        loss = episode_loss(network, [encoded[world][k] for k in chosen], channels)
        rate = options.learning_rate * cosine(step / options.steps) * min(1, (step + 1) / 100)
        for group in optimizer.param_groups:
            group['lr'] = rate
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        losses.append(loss.item())
        step += 1
        if step % KEEP_EVERY == 0:
            keep(checkpoint, parts, step)
            entry = {'step': step, 'loss': round(float(np.mean(losses[-KEEP_EVERY:])), 4)}
            print(json.dumps(entry | {'s': round(time.perf_counter() - begin_s)}), flush=True)
    keep(checkpoint, parts, step)


def channels_of(
    samples: Sequence[Sample], options: argparse.Namespace, rng: np.random.Generator
) -> list[Channel]:
    left_out = frozenset(options.left_out)
    return [channel(samples, rng, options.sources, left_out) for _ in range(CHANNELS)]


def is_late(begin_s: float, minutes: float | None) -> bool:
    return minutes is not None and time.perf_counter() - begin_s > 60 * minutes


def keep(path: Path, parts: Parts, step: int) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    save(path, {**state, 'step': step, 'rng': torch.get_rng_state()})


if __name__ == '__main__':
    sys.exit(exit_status(lambda: meta_train(options_from(None))))
