"""Teaches a network a camera from its unlabelled recordings: self-training on CPU, no labels.

    python -m training.adapt --unlabelled RECORDING... --weights drive_lite --out runs/mine

RECORDING is a folder of images or a recording with a camera topic. The start is the network with
the recordings' statistics; it labels the frames itself, averaged over several views and, with
--street-teacher, together with a street network. It then learns from these labels and from
generated scenes with truth. The measures without labels of `training/unlabelled/self_agreement.py`
decide whether the result, the statistics alone or the old network is written, so that no model is
worse by them. Run the same command again after an interruption.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.terminal import counted, plural
from training.config import CompactConfig
from training.data.worlds import render, sample_files
from training.graphs.own_images import frames_of
from training.unlabelled.fold_statistics import add_model_options, fold_statistics, with_weights
from training.unlabelled.hand_out import write_adapted
from training.unlabelled.mixed_batches import MixedFrames, pool_of
from training.unlabelled.self_agreement import self_agreement
from training.unlabelled.self_training import SelfTraining, self_train
from training.unlabelled.teachers import Teachers, label_recordings, names_of, street_teacher
from training.weights.weight_files import read_weights, weights_path

TASKS = ('semantic', 'depth', 'boxes3d')
SHARE = 0.6  # of the recordings' statistics at the start
STATISTICS_FRAMES, JUDGED_FRAMES = 24, 12  # of each recording
LESS_AGREEMENT, MORE_DISAGREEMENT = 0.02, 1.15  # what counts as no worse; see the results' page


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--unlabelled', type=Path, nargs='+', required=True, metavar='RECORDING', dest='recordings'
    )
    add_model_options(parser)
    parser.add_argument('--street-teacher', type=Path, help='published weights of ESPNetv2')
    parser.add_argument(
        '--mounting',
        nargs='+',
        action='append',
        default=[],
        metavar='RECORDING HEIGHT_M [HORIZON]',
        help="a recording's name, its camera's height above the road in metres, row of the "
        "horizon over the image's height if known; without it the recording teaches no depth",
    )
    parser.add_argument('--source', type=Path, help='generated scenes; default: renders some')
    parser.add_argument('--generated', type=int, default=200, help='scenes to render')
    parser.add_argument('--frames', type=int, default=120, help='of each recording')
    parser.add_argument('--steps', type=int, default=450)
    parser.add_argument('--stop', type=int, default=10**9, help='step to stop at before the end')
    parser.add_argument(
        '--batch', type=int, nargs=2, default=(4, 4), metavar=('GENERATED', 'REAL')
    )
    parser.add_argument('--learning-rate', type=float, default=4e-4)
    parser.add_argument('--save-every', type=int, default=10, help='steps')
    parser.add_argument('--keep-every', type=int, default=0, help='steps')
    parser.add_argument('--workers', type=int, default=1)
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_args(arguments)


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedNetwork:
    """A network that may be handed out, and what has been done to it."""

    network: nn.Module
    described: str


def mounting_from(rows: list[list[str]]) -> dict[str, tuple[float, float | None]]:
    """Parses --mounting. Raises ValueError for a row that is not NAME HEIGHT_M [HORIZON]."""
    found: dict[str, tuple[float, float | None]] = {}
    for row in rows:
        try:
            name, height_m, horizon = [*row, 'nan'] if len(row) == 2 else row
            known = float(horizon)
            found[name] = float(height_m), None if math.isnan(known) else known
        except ValueError:
            raise ValueError(
                f'--mounting {" ".join(row)} is not RECORDING HEIGHT_M [HORIZON], such as '
                '`--mounting drive.mcap 1.65 0.49`.'
            ) from None
    return found


def check_network(config: CompactConfig) -> None:
    """Raises ValueError for a network whose tasks or classes the generated scenes do not teach."""
    known = config.tasks, config.classes, config.box_classes
    if known != (TASKS, CITYSCAPES_19, DRIVE_BOXES):
        raise ValueError(
            f'{config.name} has other tasks or classes than drive_lite, which generated streets '
            'do not teach; use --statistics, which needs none.'
        )


def generated_scenes(options: argparse.Namespace, config: CompactConfig) -> list[Path]:
    """Returns the files of --source, or renders scenes into --out."""
    if options.source:
        return sample_files(options.source)
    folder = options.out / 'generated'
    folder.mkdir(parents=True, exist_ok=True)
    for index in counted(range(options.generated), 'scene', options.generated):
        render(index, options.seed, folder, config.width_px, config.height_px)
    return sample_files(folder)


def is_no_worse(found: dict[str, float], before: dict[str, float]) -> bool:
    """Compares two networks by `self_agreement` on the same frames."""
    return (
        found['label_agreement'] >= before['label_agreement'] - LESS_AGREEMENT
        and found['depth_disagreement'] <= MORE_DISAGREEMENT * before['depth_disagreement']
    )


def best_of(
    candidates: list[AdaptedNetwork], config: CompactConfig, images: list[NDArray[np.uint8]]
) -> AdaptedNetwork:
    """Returns the first candidate that is no worse than the last, which is the old network."""
    measures = [self_agreement(c.network, config, images) for c in candidates]
    for candidate, found in zip(candidates, measures, strict=True):
        numbers = ', '.join(f'{name} {value:.3f}' for name, value in found.items())
        print(f'{candidate.described}: {numbers}', flush=True)
    pairs = zip(candidates, measures, strict=True)
    return next(c for c, found in pairs if is_no_worse(found, measures[-1]))


def main(arguments: list[str] | None = None) -> Path:
    """Returns the path of the model file, or of last.pt before the last step. Raises ValueError,
    DataError and CheckpointError."""
    options = options_from(arguments)
    torch.set_num_threads(options.threads)
    mounted = mounting_from(options.mounting)
    config, weights = read_weights(weights_path(options.weights))
    check_network(config)
    recordings, names = options.recordings, ', '.join(names_of(options.recordings))
    images = [f.rgb for path in recordings for f in frames_of(path, STATISTICS_FRAMES)]
    start, _ = fold_statistics(config, weights, images, SHARE)
    street = street_teacher(options.street_teacher) if options.street_teacher else None
    teachers = Teachers(start, config, street, mounted)
    real = label_recordings(teachers, recordings, options.frames, options.out / 'labels')
    classes = len(config.classes)
    pools = pool_of(generated_scenes(options, config), classes), pool_of(real, classes)
    mixed = MixedFrames(pools, tuple(options.batch), config, options.seed)
    plan = SelfTraining(
        options.out,
        options.steps,
        options.stop,
        options.learning_rate,
        options.workers,
        options.save_every,
        options.keep_every,
    )
    learned = self_train(mixed, start.state_dict(), plan)
    if options.stop < options.steps:
        print(f'stopped at step {options.stop}; run again without --stop to finish.')
        return Path(options.out) / 'last.pt'
    of_frames = f'{plural(len(real), "unlabelled frame")} from {names}'
    judged = [f.rgb for path in recordings for f in frames_of(path, JUDGED_FRAMES)]
    candidates = [
        AdaptedNetwork(
            with_weights(config, learned), f'{config.name}, self-trained on {of_frames}'
        ),
        AdaptedNetwork(start, f'{config.name}, with statistics (share {SHARE}) of {of_frames}'),
        AdaptedNetwork(with_weights(config, weights), f'{config.name}, unchanged'),
    ]
    chosen = best_of(candidates, config, judged)
    name = options.name or f'{config.name}_adapted'
    path = write_adapted(
        chosen.network,
        config,
        options.out,
        name,
        chosen.described,
        is_commercial=street is None,
    )
    print(f'{path}: {chosen.described}.')
    return path


if __name__ == '__main__':
    main()
