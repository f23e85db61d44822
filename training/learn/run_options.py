"""The options that every training has, whatever it starts from."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.learn.schedule import SCHEDULES


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `training.learn.loop.run` but those about data."""
    parser.add_argument('--out', type=Path, required=True, help='folder of the run; it resumes')
    parser.add_argument('--learning-rate', type=float, help="peak rate; default: the config's")
    parser.add_argument('--schedule', choices=sorted(SCHEDULES))
    parser.add_argument('--warm-up', type=int, help='steps')
    parser.add_argument('--accumulate', type=int, help='batches per step')
    parser.add_argument('--clip', type=float, help='maximum norm of the gradient')
    parser.add_argument('--ema', type=float, help='decay of the average that is exported')
    parser.add_argument('--bf16', action='store_true', default=None, help='autocast')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads per process')
    parser.add_argument('--workers', type=int, default=1, help='loader processes per process')
    parser.add_argument(
        '--cache-mb',
        type=float,
        default=256,
        help='decoded frames that each loader keeps; more are read again in every epoch',
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--save-every', type=int, help='steps')
    parser.add_argument(
        '--keep-every',
        type=int,
        default=0,
        help='keep a checkpoint every N steps; 0: only last.pt and best.pt',
    )
    parser.add_argument(
        '--metric',
        default='loss',
        metavar='TASK.SCORE',
        help='by which best.pt is chosen on the frames for validation, for example semantic.miou; '
        'default: their loss',
    )
    parser.add_argument(
        '--patience',
        type=int,
        default=0,
        help='stop after so many saves without a better one; 0: never',
    )
    parser.add_argument('--log-every', type=int, default=20, help='steps')
    parser.add_argument('--tensorboard', action='store_true')
    parser.add_argument(
        '--tracker', choices=('wandb', 'mlflow'), help='log there too, where it is installed'
    )
