"""Trains a named configuration from scratch on rendered frames.

    python -m training.train drive_nano --data data/drive --out runs/nano --minutes 55 --bf16

Resumes where `last.pt` in --out stops. Runs on one GPU, or on the CPU in --processes processes
of --threads threads that average their gradients: on few busy cores one thread per process wastes
least, since threads meet after every operator and processes once per step.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.utils.data import DataLoader, IterableDataset, default_collate

from training.config import CONFIGS, CompactConfig
from training.data.augment import augmented
from training.data.worlds import read_sample, sample_files
from training.deploy import normalised
from training.networks.decoders import compact_network
from training.pretrained import load_encoder
from training.tasks import TASKS

PRELIMINARY_WEIGHT = 0.3
TASK_WEIGHTS = {'semantic': 1.0, 'depth': 2.0, 'boxes3d': 1.0, 'normals': 10.0, 'boundary': 50.0}
Batch = dict[str, dict[str, Tensor]]


class Frames(IterableDataset[Batch]):
    """Endless batches of augmented frames; the folders are listed again at every pass."""

    def __init__(self, folders: list[Path], config: CompactConfig, seed: int) -> None:
        self.folders, self.config, self.seed = folders, config, seed

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(0)
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        batch = []
        while True:
            files = [path for folder in self.folders for path in sample_files(folder)]
            for k in rng.permutation(len(files)):
                batch.append(self.item(files[k], rng))
                if len(batch) == self.config.batch:
                    yield default_collate(batch)
                    batch = []

    def item(self, path: Path, rng: np.random.Generator) -> dict[str, Any]:
        config = self.config
        sample = augmented(read_sample(path), config.width_px, config.height_px, rng)
        targets = {name: TASKS[name].targets(sample, config, rng) for name in config.tasks}
        return {'image': {'rgb': sample.rgb}, **targets}


def losses(network: nn.Module, batch: Batch, config: CompactConfig) -> dict[str, Tensor]:
    late, early = network(normalised(batch['image']['rgb']))
    found = {}
    for name in config.tasks:
        found[name] = TASKS[name].loss(late[name], batch[name])
        found[f'{name}_preliminary'] = TASKS[name].preliminary_loss(early[name], batch[name])
    return found


def weighted(found: dict[str, Tensor]) -> Tensor:
    terms = []
    for name, value in found.items():
        task = name.removesuffix('_preliminary')
        weight = TASK_WEIGHTS[task] * (1.0 if name == task else PRELIMINARY_WEIGHT)
        terms.append(weight * value)
    return torch.stack(terms).sum()


def learning_rate(peak: float, progress: float, step: int, warm_up_steps: int) -> float:
    """Linear warm-up, then half a cosine to a hundredth; progress in [0, 1]."""
    cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return peak * min(1.0, (step + 1) / warm_up_steps) * cosine


def update_average(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Exponential moving average of weights and batch statistics, shorter at the beginning."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, value in zip(
            average.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def save(path: Path, state: dict[str, Any]) -> None:
    """Either the old file or the whole new one is there, whatever happens."""
    partial_file = path.with_suffix('.partial')
    with partial_file.open('wb') as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial_file, path)


def restore(path: Path, learned: dict[str, Any]) -> tuple[int, float]:
    """Fills network, average and optimizer from a checkpoint → step, seconds trained."""
    state = torch.load(path, map_location='cpu', weights_only=True)
    for name, part in learned.items():
        part.load_state_dict(state[name])
    return state['step'], state['elapsed_s']


def moved(batch: Batch, device: torch.device) -> Batch:
    return {
        name: {key: value.to(device, non_blocking=True) for key, value in of.items()}
        for name, of in batch.items()
    }


def parameter_groups(network: nn.Module, config: CompactConfig) -> list[dict[str, Any]]:
    """No decay for biases, norms and positions; `share`: of the learning rate."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, p in network.named_parameters():
        decays = p.ndim > 1 and p.shape[0] > 1
        groups.setdefault((name.startswith('encoder.'), decays), []).append(p)
    return [
        {
            'params': found,
            'weight_decay': config.weight_decay if decays else 0.0,
            'share': config.encoder_rate if of_encoder else 1.0,
        }
        for (of_encoder, decays), found in groups.items()
    ]


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', choices=sorted(CONFIGS))
    parser.add_argument('--data', type=Path, nargs='+', required=True)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--encoder-weights', type=Path, help='see training/pretrained.py')
    parser.add_argument('--minutes', type=float, default=60.0, help='wall time, resumes included')
    parser.add_argument('--steps', type=int, default=10**9)
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument('--threads', type=int, default=1, help='per process')
    parser.add_argument('--workers', type=int, default=1, help='loader processes')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--ema', type=float, default=0.998)
    parser.add_argument('--save-every', type=int, default=200, help='steps')
    parser.add_argument('--bf16', action='store_true', help='autocast')
    return parser.parse_args(arguments)


def average_gradients(network: nn.Module, progress: float) -> float:
    """Over all processes, and of their progress, so that all end at the same step."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([*(g.flatten() for g in gradients), torch.tensor([progress])])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    sizes = [g.numel() for g in gradients]
    for gradient, mean in zip(gradients, flat[:-1].split(sizes), strict=True):
        gradient.copy_(mean.view_as(gradient))
    return float(flat[-1])


def main(arguments: list[str] | None = None) -> Path:
    """Returns the path of the last checkpoint."""
    options = options_from(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.processes == 1:
        train(0, options)
    else:
        (options.out / 'rendezvous').unlink(missing_ok=True)
        spawn(train, (options,), options.processes)
    return Path(options.out) / 'last.pt'


def train(rank: int, options: argparse.Namespace) -> None:
    config = CONFIGS[options.config]
    together = options.processes > 1
    if together:
        store = f'file://{(options.out / "rendezvous").resolve()}'
        torch.distributed.init_process_group('gloo', store, None, options.processes, rank)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    device = torch.device('cuda' if torch.cuda.is_available() and not together else 'cpu')
    checkpoint = options.out / 'last.pt'

    network = compact_network(config).to(device)
    if options.encoder_weights:
        load_encoder(network.encoder, options.encoder_weights)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = compact_network(config).to(device)
    average.load_state_dict(network.state_dict())
    groups = parameter_groups(network, config)
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    learned: dict[str, Any] = {'network': network, 'average': average, 'optimizer': optimizer}
    step, earlier_s = restore(checkpoint, learned) if checkpoint.exists() else (0, 0.0)

    # A resumed run draws other frames than before the interruption.
    frames = Frames(options.data, config, options.seed + 7919 * step + 1_000_003 * rank)
    loader = DataLoader(frames, batch_size=None, num_workers=options.workers)
    batches = iter(loader)
    begin_s = time.monotonic() - earlier_s
    network.train()
    progress = max(step / options.steps, earlier_s / (60 * options.minutes))
    with (options.out / 'log.jsonl').open('a') as log:
        while progress < 1:
            rate = learning_rate(config.learning_rate, progress, step, min(200, options.steps))
            for group in optimizer.param_groups:
                group['lr'] = rate * group['share']
            batch = moved(next(batches), device)
            with torch.autocast(device.type, torch.bfloat16, enabled=options.bf16):
                found = losses(network, batch, config)
            optimizer.zero_grad(set_to_none=True)
            total = weighted(found)
            total.backward()
            elapsed_s = time.monotonic() - begin_s
            progress = max((step + 1) / options.steps, elapsed_s / (60 * options.minutes))
            if together:
                progress = average_gradients(network, progress)
            norm = nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            step += 1
            if rank == 0:
                update_average(average, network, step, options.ema)
            if rank == 0 and (step % 20 == 0 or progress >= 1):
                values = {name: round(float(value.detach()), 4) for name, value in found.items()}
                entry = {'step': step, 's': round(elapsed_s, 1), 'lr': rate, 'norm': float(norm)}
                print(json.dumps(entry | values), file=log, flush=True)
            if rank == 0 and (step % options.save_every == 0 or progress >= 1):
                state = {name: part.state_dict() for name, part in learned.items()}
                about = {'config': config.name, 'step': step, 'elapsed_s': elapsed_s}
                save(checkpoint, about | state)
    if together:
        torch.distributed.destroy_process_group()


if __name__ == '__main__':
    main()
