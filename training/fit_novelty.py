"""Fits the statistics by which the node tells that an image is unlike a model's training images.

    python -m training.fit_novelty drive_lite --worlds drive --count 600
    python -m training.fit_novelty mine.onnx --images FOLDER_OR_BAG [FOLDER_OR_BAG ...]

Writes MODEL.novelty.json beside the model file (see `novelty.enabled`); the model file stays as it
is. Generated scenes and every folder weigh the same, however many images they have. The limit is
the distance that one held-out training image in 100 exceeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import BackendError
from mtscene_ros.camera.network_input import prepare
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.catalogue import path_of
from mtscene_ros.models.spec import SpecError
from mtscene_ros.recordings.bags import BagError
from mtscene_ros.temporal.image_features import VERSION, features, needed
from mtscene_ros.temporal.novelty import identity, statistics_path
from mtscene_ros.terminal import exit_status, plural
from mtscene_ros.types import CameraFrame
from mtscene_ros.worlds import FRAMES
from training.graphs.own_images import frames_of

F64 = NDArray[np.float64]
FOLDS = 5  # of the images; each is measured with the statistics of the others
BEYOND = 0.01  # share of held-out training images beyond the limit
# Least deviation of a feature; less is an accident of the images (a rare class is absent).
FLOOR = 0.1
LEAST = 50  # images


def generated(world: str, seed: int, count: int) -> Iterator[CameraFrame]:
    for index in range(count):
        made = FRAMES[world](seed, index, 512, 256)
        yield CameraFrame(made.rgb, made.intrinsics, made.stamp_ns, 'camera_optical')


def descriptions(estimator: SceneEstimator, frames: Iterable[CameraFrame]) -> F64:
    """Returns (N, D) descriptions of N images and of what the model makes of them."""
    names, rows = needed(estimator.spec), []
    for frame in frames:
        made = prepare(frame, estimator.spec)
        tensors = estimator.backend.infer(made.rgb[None], names)
        outputs = {name: tensors[name][0] for name in names}
        rows.append(features(made.rgb, made.letterbox, outputs, estimator.spec))
    return np.array(rows)


def statistics(groups: list[F64]) -> tuple[F64, F64]:
    """Returns the mean (D,) and the factor (D, D) of `Novelty`; each group weighs the same."""
    values = np.concatenate(groups)
    weights = np.concatenate([np.full(len(g), 1 / (len(groups) * len(g))) for g in groups])
    mean = weights @ values
    apart = values - mean
    covariance = (apart * weights[:, None]).T @ apart + FLOOR**2 * np.eye(len(mean))
    return mean, np.linalg.inv(np.linalg.cholesky(covariance))


def distances(values: F64, mean: F64, factor: F64) -> F64:
    """Returns the Mahalanobis distances of (N, D) descriptions."""
    return np.asarray(np.linalg.norm((values - mean) @ factor.T, axis=1), np.float64)


def limit_of(groups: list[F64]) -> float:
    """Returns the distance that a share BEYOND of images exceeds, each measured with statistics
    that it was no part of. Folds are blocks, because neighbours in a recording are alike."""
    found = []
    for fold in range(FOLDS):
        parts = [np.array_split(group, FOLDS) for group in groups]
        rest = [np.concatenate(p[:fold] + p[fold + 1 :]) for p in parts]
        found += [distances(p[fold], *statistics(rest)) for p in parts]
    return float(np.quantile(np.concatenate(found), 1 - BEYOND))


def rounded(values: F64) -> list[Any]:
    """Returns nested lists of five significant digits."""
    return [rounded(v) if np.ndim(v) else float(f'{v:.5g}') for v in values]


def fit(estimator: SceneEstimator, groups: dict[str, F64], hint: str) -> str:
    """Returns the content of the file; groups: what the images are → their descriptions."""
    values = list(groups.values())
    mean, factor = statistics(values)
    about = {
        'features': VERSION,
        'model': identity(estimator.spec),
        'fitted_on': {name: len(group) for name, group in groups.items()},
        'limit': float(f'{limit_of(values):.5g}'),
        'hint': hint,
    }
    return json.dumps({**about, 'mean': rounded(mean), 'factor': rounded(factor)}) + '\n'


def groups_of(estimator: SceneEstimator, options: argparse.Namespace) -> dict[str, F64]:
    """Returns the descriptions of what the arguments name. Raises BagError, ValueError."""
    found = {}
    for world in options.worlds:
        frames = generated(world, options.seed, options.count)
        found[f'generated {world}, seed {options.seed}'] = descriptions(estimator, frames)
    for place in options.images:
        found[place.name] = descriptions(estimator, frames_of(place, options.count, least=FOLDS))
    total = sum(map(len, found.values()))
    if total < LEAST:
        raise ValueError(
            f'{plural(total, "image")} are too few; name more by --images or --worlds.'
        )
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', help='model file, or the name of a model')
    parser.add_argument(
        '--worlds', nargs='*', default=[], choices=sorted(FRAMES), help='generated scenes'
    )
    parser.add_argument('--seed', type=int, default=4000, help='of the generated scenes')
    parser.add_argument('--count', type=int, default=600, help='most images of each place')
    parser.add_argument('--images', type=Path, nargs='*', default=[], help='folders or bags')
    parser.add_argument(
        '--hint', default='night or indoors?', help='what other images may be, for the warning'
    )
    options = parser.parse_args(arguments)
    try:
        path = path_of(options.model)
        estimator = open_estimator(str(path), 'onnxruntime')
        found = groups_of(estimator, options)
    except (BackendError, BagError, SpecError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    into = statistics_path(path)
    write_text(into, fit(estimator, found, options.hint))
    images = plural(sum(map(len, found.values())), 'image')
    print(f'{into}: {images}, {into.stat().st_size / 1000:.0f} KB')
    return 0


if __name__ == '__main__':
    sys.exit(exit_status(main))
