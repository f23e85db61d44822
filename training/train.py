"""Trains a named configuration: a compact network or one of the papers' recipes.

    python -m training.train drive_nano --data data/drive --out runs/nano --minutes 55 --bf16
    torchrun --nproc-per-node 2 -m training.train invpt_vitl_nyud --data NYUDv2 --out runs/invpt

Resumes at the last checkpoint in --out; with --steps the result equals that of an uninterrupted
run. Ctrl-C and SIGTERM save first. Several processes and machines: `torchrun --nproc-per-node 2 -m
training.train ...`. On GPUs batch statistics cover all processes. SyncBatchNorm does not run on
CPUs, so each process computes its own there.
"""

from __future__ import annotations

import argparse
import copy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mtscene_ros.terminal import exit_status
from training.config import CompactConfig
from training.data import DATASETS
from training.evaluate import published_scores, scores_of
from training.graphs.deploy import DeployGraph
from training.learn.learning import (
    ALL_CONFIGS,
    Config,
    Learning,
    build_learning,
    kind_of,
    load_average,
)
from training.learn.loader import list_frames
from training.learn.loop import Data, Scores, fingerprint_of, run, to_folder
from training.learn.own_tables import balanced, own_config, own_recipe, with_tasks
from training.learn.processes import device_of_this_process, process_group, rank_and_world
from training.learn.run_options import add_run_options
from training.learn.weighting import WEIGHTINGS
from training.recipes import Recipe

SCORED_FRAMES = 100  # of the validation, where a metric is asked for


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', choices=sorted(ALL_CONFIGS), metavar='CONFIG')
    parser.add_argument('--data', type=Path, nargs='+', required=True)
    parser.add_argument('--data-set', choices=sorted(DATASETS), help="default: the config's")
    parser.add_argument('--split', default='train')
    parser.add_argument(
        '--tasks',
        nargs='+',
        help="some of the config's, default: all; for the papers' networks also further ones",
    )
    parser.add_argument(
        '--size-px',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help="input size other than the paper's (InvPT)",
    )
    parser.add_argument('--val', type=Path, nargs='+', help='frames by which best.pt is chosen')
    parser.add_argument('--val-split', default='val')
    parser.add_argument(
        '--encoder', default='', metavar='NAME', help="timm's name of another encoder (InvPT)"
    )
    parser.add_argument('--encoder-weights', type=Path, help='see training/learn/pretrained.py')
    parser.add_argument(
        '--weights', type=Path, help='checkpoint whose network is the start, of the authors too'
    )
    parser.add_argument(
        '--minutes', type=float, default=60.0, help='wall time, including earlier runs'
    )
    parser.add_argument('--steps', type=int, help='used instead of --minutes; reproducible')
    parser.add_argument('--batch', type=int, help="images per process; default: the config's")
    parser.add_argument(
        '--recompute',
        action='store_true',
        default=None,
        help='recompute activations: less memory, a third more time',
    )
    parser.add_argument(
        '--class-weights', choices=('balanced',), help="of rare classes; default: the config's"
    )
    parser.add_argument('--weighting', choices=sorted(WEIGHTINGS), default='fixed')
    parser.add_argument(
        '--freeze-batch-norm',
        action='store_true',
        help='use running batch statistics, as evaluation does',
    )
    add_run_options(parser)
    options = parser.parse_args(arguments)
    config = ALL_CONFIGS[options.config]
    for name, value in kind_of(config).defaults(config).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main(arguments: list[str] | None = None) -> Path:
    """Returns the path of the last checkpoint."""
    options = options_from(arguments)
    with process_group():
        train(options)
    return Path(options.out) / 'last.pt'


def train(options: argparse.Namespace) -> None:
    """Runs the whole training in this process. Raises ValueError."""
    learning, data = prepared(options)
    run(learning, data, options)


def prepared(options: argparse.Namespace) -> tuple[Learning, Data]:
    """Returns network and data as a training begins. Raises ValueError."""
    config = config_from(options)
    data = data_of(config, options)
    if options.class_weights == 'balanced':
        if not isinstance(config, CompactConfig):
            raise ValueError('--class-weights: the recipes have their own; leave it out.')
        config = balanced(config, data.frames)
        data = data_of(config, options)
    to_folder(options.out)
    device = device_of_this_process(options.threads)
    torch.manual_seed(options.seed)
    world = rank_and_world()[1]
    learning = build_learning(
        config, device, world, options.weighting, options.encoder_weights, options.recompute
    )
    if options.weights:
        load_average(learning, options.weights)
    return learning, data


def data_of(config: Config, options: argparse.Namespace) -> Data:
    """Raises DataError."""
    frames = list_frames(options.data_set, options.data, options.split, config)
    fingerprint = fingerprint_of(options.data_set, options.split, frames)
    if not options.val:
        return Data(frames, fingerprint)
    if options.metric != 'loss' and rank_and_world()[1] > 1:
        raise ValueError(
            '--metric: scores are computed in one process; under torchrun leave it out.'
        )
    val = list_frames(options.data_set, options.val, options.val_split, config)

    def score(learning: Learning) -> Scores:
        average, seen = copy.deepcopy(learning.average).cpu(), val[:SCORED_FRAMES]
        if isinstance(config, Recipe):
            return published_scores(config, average, seen)
        return flat(scores_of(DeployGraph(average, config).eval(), seen))

    return Data(frames, fingerprint, val, score)


def flat(scores: dict[str, Any]) -> Scores:
    """Returns the scores with those of boxes as 'CLASS.SCORE'."""
    boxes = scores.get('boxes3d', {})
    named = {
        f'{name}.{score}': value
        for name, found in boxes.items()
        if isinstance(found, dict)
        for score, value in found.items()
    }
    return {**scores, **({'boxes3d': named} if boxes else {})}


def config_from(options: argparse.Namespace) -> Config:
    """Returns the named configuration as the options and the data change it. Raises ValueError."""
    config = ALL_CONFIGS[options.config]
    is_own = options.data_set == 'manifest'
    said: list[str] = []
    if isinstance(config, CompactConfig):
        if options.encoder:
            raise ValueError(
                "--encoder is for the papers' networks; compact ones name theirs in "
                'training/config.py.'
            )
        if options.size_px:
            raise ValueError(
                '--size-px: a compact network takes any size at export (training.export '
                '--size-px); leave it out.'
            )
        if is_own:
            config, said = own_config(config, options.data[0], options.split, options.tasks)
        config = with_tasks(config, options.tasks)
    else:
        size_px = (options.size_px[0], options.size_px[1]) if options.size_px else ()
        own_tasks = tuple(options.tasks or ())
        config = replace(config, own_tasks=own_tasks, size_px=size_px, encoder=options.encoder)
        _ = config.network_config  # refuses here what the network cannot have
        if is_own:
            config, said = own_recipe(config, options.data[0], options.split)
    for sentence in said:
        print(sentence, file=sys.stderr)
    return replace(config, batch=options.batch or config.batch)


if __name__ == '__main__':
    sys.exit(exit_status(main))
