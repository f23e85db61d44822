"""Adapts a model to a camera within seconds: its recording's statistics, no labels, no training.

    python -m training.adapt --statistics RECORDING... --out runs/mine

RECORDING is a folder of images or a recording with a camera topic. Batch-norm statistics of its
frames are mixed with those of the training; the share is the one with the lowest entropy of the
predictions, at most 0.6, because more of them made depth worse on KITTI
(benchmarks/results/street_lite.md). Writes NAME.onnx and adapted.pt into --out.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.terminal import plural
from training.config import CompactConfig
from training.graphs.own_images import frames_of
from training.networks.decoders import compact_network, load_weights
from training.unlabelled.hand_out import write_adapted
from training.unlabelled.norm_statistics import batches_of, blend, measured_statistics
from training.unlabelled.self_agreement import self_agreement
from training.weights.weight_files import read_weights, weights_path

SHARES = (0.0, 0.3, 0.6)
JUDGED = 12  # frames by which a share is chosen


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--statistics', type=Path, nargs='+', required=True, metavar='RECORDING', dest='recordings'
    )
    add_model_options(parser)
    parser.add_argument(
        '--share', type=share, help='of the new statistics, 0 to 1; default: chosen by entropy'
    )
    parser.add_argument('--frames', type=int, default=64, help='of each recording, evenly spread')
    return parser.parse_args(arguments)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds options that every adaptation without labels has."""
    parser.add_argument('--weights', default='drive_lite', help='name or file to start from')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--name', help='of the new model; default: that of --weights + _adapted')
    parser.add_argument('--threads', type=int, default=2)


def share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{value} is no share; give a number from 0 to 1.')
    return value


def with_weights(config: CompactConfig, weights: dict[str, Tensor]) -> nn.Module:
    network = compact_network(config)
    load_weights(network, weights)
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def fold_statistics(
    config: CompactConfig,
    weights: dict[str, Tensor],
    images: list[NDArray[np.uint8]],
    fixed: float | None,
) -> tuple[nn.Module, float]:
    """Returns the network with the images' statistics, and their share: `fixed`, or that of SHARES
    with the lowest entropy. Raises ValueError without images."""
    network = with_weights(config, weights)
    statistics = measured_statistics(network, batches_of(images, config))
    if fixed is not None:
        blend(network, statistics, fixed)
        return network, fixed
    chosen = np.linspace(0, len(images) - 1, min(JUDGED, len(images))).astype(int)
    found: dict[float, tuple[float, nn.Module]] = {}
    for candidate in SHARES:
        blended = copy.deepcopy(network)
        blend(blended, statistics, candidate)
        entropy = self_agreement(blended, config, [images[k] for k in chosen])['entropy']
        found[candidate] = entropy, blended
        print(f'share {candidate}: entropy {entropy:.3f}', flush=True)
    best = min(found, key=lambda candidate: found[candidate][0])
    return found[best][1], best


def main(arguments: list[str] | None = None) -> Path:
    """Returns the path of the model file."""
    options = options_from(arguments)
    torch.set_num_threads(options.threads)
    config, weights = read_weights(weights_path(options.weights))
    images = [f.rgb for path in options.recordings for f in frames_of(path, options.frames)]
    network, used = fold_statistics(config, weights, images, options.share)
    names = ', '.join(path.name for path in options.recordings)
    described = (
        f'{config.name}, then batch-norm statistics (share {used}) of '
        f'{plural(len(images), "unlabelled frame")} from {names}'
    )
    name = options.name or f'{config.name}_adapted'
    path = write_adapted(network, config, options.out, name, described)
    if not used:
        print('The statistics of the frames lower no entropy: the new model equals the old one.')
    print(f'{path}: {described}.')
    return path


if __name__ == '__main__':
    main()
