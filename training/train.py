"""Trains a named configuration: a compact network or one of the papers' recipes.

    python -m training.train drive_nano --data data/drive --out runs/nano --minutes 55 --bf16
    torchrun --nproc-per-node 2 -m training.train invpt_vitl_nyud --data NYUDv2 --out runs/invpt

Resumes at the last checkpoint in --out; with --steps the result equals that of an uninterrupted
run. Several processes and machines: `torchrun --nproc-per-node 2 -m training.train ...`. On GPUs
batch statistics cover all processes. SyncBatchNorm does not run on CPUs, so each process computes
its own there.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed

from training.config import CompactConfig
from training.data import DATASETS
from training.graphs.onnx_export import current_commit
from training.learn.adapting import adaptation_of
from training.learn.learning import (
    ALL_CONFIGS,
    Config,
    Learning,
    advance,
    build_learning,
    kind_of,
    load_average,
    set_train_mode,
    update_average,
    validation_loss,
)
from training.learn.loader import Frames, Positions, batches, list_frames, one_pass
from training.learn.own_tables import own_config, with_tasks
from training.learn.run_log import RunLog
from training.learn.schedule import SCHEDULES, learning_rate
from training.learn.weighting import WEIGHTINGS
from training.weights.checkpoint_store import restore, save, save_weights


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', choices=sorted(ALL_CONFIGS))
    parser.add_argument('--data', type=Path, nargs='+', required=True)
    parser.add_argument('--data-set', choices=sorted(DATASETS), help="default: the config's")
    parser.add_argument('--split', default='train')
    parser.add_argument('--tasks', nargs='+', help="some of the config's; default: all")
    parser.add_argument('--val', type=Path, nargs='+', help='frames by which best.pt is chosen')
    parser.add_argument('--val-split', default='val')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--encoder-weights', type=Path, help='see training/learn/pretrained.py')
    parser.add_argument('--weights', type=Path, help='checkpoint whose network is the start')
    parser.add_argument(
        '--minutes', type=float, default=60.0, help='wall time, including earlier runs'
    )
    parser.add_argument('--steps', type=int, help='used instead of --minutes; reproducible')
    parser.add_argument('--batch', type=int, help="images per process; default: the config's")
    parser.add_argument('--accumulate', type=int, help='batches per step')
    parser.add_argument('--warm-up', type=int, help='steps')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads per process')
    parser.add_argument('--workers', type=int, default=1, help='loader processes per process')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--ema', type=float)
    parser.add_argument('--save-every', type=int, help='steps')
    parser.add_argument(
        '--keep-every',
        type=int,
        default=0,
        help='keep a checkpoint every N steps; 0: only last.pt and best.pt',
    )
    parser.add_argument('--log-every', type=int, default=20, help='steps')
    parser.add_argument('--bf16', action='store_true', default=None, help='autocast')
    parser.add_argument(
        '--recompute',
        action='store_true',
        default=None,
        help='recompute activations: less memory, a third more time',
    )
    parser.add_argument('--clip', type=float, help='maximum norm of the gradient')
    parser.add_argument('--learning-rate', type=float, help="peak rate; default: the config's")
    parser.add_argument('--schedule', choices=sorted(SCHEDULES))
    parser.add_argument('--weighting', choices=sorted(WEIGHTINGS), default='fixed')
    parser.add_argument('--tensorboard', action='store_true')
    parser.add_argument(
        '--freeze-batch-norm',
        action='store_true',
        help='use running batch statistics, as evaluation does',
    )
    options = parser.parse_args(arguments)
    config = ALL_CONFIGS[options.config]
    for name, value in kind_of(config).defaults(config).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main(arguments: list[str] | None = None) -> Path:
    """Returns the path of the last checkpoint."""
    options = options_from(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    together = int(os.environ.get('WORLD_SIZE', '1')) > 1
    if together:
        torch.distributed.init_process_group('nccl' if torch.cuda.is_available() else 'gloo')
    try:
        train(options)
    finally:
        if together:
            torch.distributed.destroy_process_group()
    return Path(options.out) / 'last.pt'


def device_of_this_process(threads: int) -> torch.device:
    torch.set_num_threads(threads)
    if not torch.cuda.is_available():
        return torch.device('cpu')
    device = torch.device('cuda', int(os.environ.get('LOCAL_RANK', '0')))
    torch.cuda.set_device(device)
    return device


def shared_progress(progress: float) -> float:
    """Returns the first process's progress everywhere, so that all processes end at one step."""
    if not torch.distributed.is_initialized():
        return progress
    device = 'cuda' if torch.distributed.get_backend() == 'nccl' else 'cpu'
    value = torch.tensor(progress, dtype=torch.float64, device=device)
    torch.distributed.broadcast(value, 0)
    return float(value)


def train(options: argparse.Namespace) -> None:
    """Runs the whole training in this process."""
    config = config_from(options)
    rank, world = int(os.environ.get('RANK', '0')), int(os.environ.get('WORLD_SIZE', '1'))
    device = device_of_this_process(options.threads)
    torch.manual_seed(options.seed)
    learning = build_learning(
        config, device, world, options.weighting, options.encoder_weights, options.recompute
    )
    if options.weights:
        load_average(learning, options.weights)
    counts = {'step': 0, 'elapsed_s': 0.0, 'skipped': 0, 'best': math.inf}
    if (options.out / 'last.pt').exists():
        counts |= restore(options.out / 'last.pt', learning.parts())
    frames = Frames(
        list_frames(options.data_set, options.data, options.split, config), config, options.seed
    )
    passes = int(counts['step']) * options.accumulate
    positions = Positions(passes, config.batch, rank, world)
    coming = batches(frames, positions, options.workers)
    set_train_mode(learning.network, options.freeze_batch_norm)
    report = RunLog(options.out, rank == 0, options.tensorboard)
    start_s, earlier_s, waited_s = time.monotonic(), counts['elapsed_s'], 0.0
    first_step = counts['step']
    peak_rate = options.learning_rate or config.learning_rate
    progress = shared_progress(share_done(counts, options))
    while progress < 1:
        step = int(counts['step'])
        asked_s = time.monotonic()
        together = [next(coming) for _ in range(options.accumulate)]
        waited_s += time.monotonic() - asked_s
        warm_up = min(options.warm_up, options.steps or options.warm_up)
        rate = learning_rate(options.schedule, peak_rate, progress, step, warm_up)
        found, norm = advance(learning, together, rate, options.clip, options.bf16)
        if math.isfinite(norm):
            update_average(learning, step + 1, options.ema)
        counts['skipped'] += not math.isfinite(norm)
        counts['step'] += 1
        run_s = time.monotonic() - start_s
        counts['elapsed_s'] = earlier_s + run_s
        progress = shared_progress(share_done(counts, options))
        is_last = progress >= 1
        if rank == 0 and (counts['step'] % options.save_every == 0 or is_last):
            save_checkpoints(learning, counts, options)
            report.pictures(learning, together[-1]['image']['rgb'], int(counts['step']))
        if counts['step'] % options.log_every == 0 or is_last:
            entry = {key: rounded(value) for key, value in counts.items()}
            entry |= {'lr': rate, 'norm': rounded(norm)}
            entry |= {name: rounded(float(value.detach())) for name, value in found.items()}
            images = (counts['step'] - first_step) * config.batch * world * options.accumulate
            entry |= {'images_per_s': images / run_s, 'loader_wait_share': waited_s / run_s}
            report.line(entry, progress)
    report.close()


def config_from(options: argparse.Namespace) -> Config:
    """Returns the named configuration as the options and the data change it. Raises ValueError."""
    config = ALL_CONFIGS[options.config]
    if isinstance(config, CompactConfig):
        if options.data_set == 'manifest':
            config, said = own_config(config, options.data[0], options.split, options.tasks)
            for sentence in said:
                print(sentence, file=sys.stderr)
        config = with_tasks(config, options.tasks)
    elif options.tasks:
        raise ValueError(f'--tasks: {config.name} has the tasks of its paper; leave it out.')
    return replace(config, batch=options.batch or config.batch)


def share_done(counts: dict[str, Any], options: argparse.Namespace) -> float:
    if options.steps:
        return float(counts['step'] / options.steps)
    return float(counts['elapsed_s'] / (60 * options.minutes))


def rounded(value: float) -> float | None:
    """Rounds for JSON, which has neither NaN nor infinity; those become None."""
    return round(value, 6) if math.isfinite(value) else None


def save_checkpoints(
    learning: Learning, counts: dict[str, Any], options: argparse.Namespace
) -> None:
    """Writes last.pt; best.pt and best.safetensors if --val improves; step_N.pt by
    --keep-every."""
    is_best = False
    if options.val:
        frames = list_frames(options.data_set, options.val, options.val_split, learning.config)
        seen = one_pass(Frames(frames, learning.config, options.seed, is_augmented=False))
        loss = validation_loss(learning, seen)
        is_best = loss < counts['best']
        counts |= {'best': min(loss, counts['best']), 'validation': loss}
    about = {'config': learning.config.name, 'code': current_commit(), **counts}
    if isinstance(learning.config, CompactConfig):
        about['adapted'] = adaptation_of(learning.config)
    about['rng'] = torch.get_rng_state()
    state = about | {name: part.state_dict() for name, part in learning.parts().items()}
    save(options.out / 'last.pt', state)
    if is_best:
        save(options.out / 'best.pt', state)
        save_weights(options.out / 'best.safetensors', learning.average.state_dict())
    if options.keep_every and counts['step'] % options.keep_every == 0:
        save(options.out / f'step_{counts["step"]:07d}.pt', state)


if __name__ == '__main__':
    main()
