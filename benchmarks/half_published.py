"""Compares published networks in float16 with float32 and searches for overflow.

    python -m benchmarks.half_published NAME ... [--real FOLDER_OR_BAG ...] -o TABLE.md

Weights are seeded with the magnitude of a trained network's (variance 1 / inputs); batch norms
then take the images' statistics, as training would leave them. `--stress 12` also multiplies the
weights of queries and keys, which makes TaskPrompter's raw products, unbounded factors of its
features, 144 times as large. Arithmetic as in half_precision.py.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.half_precision import Rounding, is_half
from mtscene_ros.backends.machine import machine
from training.graphs.deploy_published import PublishedGraph
from training.graphs.onnx_export import check_images
from training.graphs.precision import LARGEST, halved_published
from training.graphs.simplify import simplified
from training.import_checkpoint import world_of
from training.networks.zoo import NETWORKS, NetworkConfig, build
from training.parity import weight


class Watched(Rounding):
    """largest: largest magnitude computed in each precision."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = {'fp16': 0.0, 'fp32': 0.0}

    def counted(self, func: Any, kind: str, args: Any, named: dict[str, Any]) -> Any:
        found = super().counted(func, kind, args, named)
        if isinstance(found, Tensor) and found.is_floating_point() and not is_half(found):
            most = float(found.abs().nan_to_num(torch.inf).amax())
            self.largest[kind] = max(self.largest[kind], most)
        return found


def seeded(config: NetworkConfig, rgb: Tensor, stress: float) -> nn.Module:
    """Creates a network whose batch norms have the statistics of the images."""
    network = build(config).eval().requires_grad_(False)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.from_numpy(weight(name, tuple(value.shape))))
        if name.endswith('.qkv.weight'):
            value[: 2 * len(value) // 3].mul_(stress)  # queries and keys
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # averages over all images
        norm.train()
    with torch.no_grad():
        PublishedGraph(network, config)(rgb)
    return network.eval()


def agreement(name: str, want: NDArray[Any], got: NDArray[Any]) -> str:
    if name.endswith('_labels'):
        return f'{100 * np.mean(want == got):.2f} % equal'
    apart = np.abs(want.astype(np.float64) - got)
    if name == 'normals':
        cosine = np.clip((want * got).sum(1), -1, 1)
        return f'{np.rad2deg(np.arccos(cosine)).mean():.2g} degrees apart'
    if name in ('depth', 'boxes3d_code'):
        return f'p99 {np.percentile(apart, 99) / np.abs(want).mean():.2g} of the mean magnitude'
    return f'p99 {np.percentile(apart, 99):.2g}'


def rows(name: str, real: Sequence[Path], stress: float) -> list[str]:
    """Returns the lines of the table."""
    config = NETWORKS[name]
    size_px = (config.height_px, config.width_px)
    images = {'generated': check_images(world_of(config), size_px, 1)['generated']}
    for path in real:
        images[path.name] = check_images(world_of(config), size_px, 1, path)['own']
    taught = torch.from_numpy(np.concatenate(list(images.values())))
    fast = simplified(seeded(config, taught, stress))
    plain = PublishedGraph(fast, config)
    half = PublishedGraph(halved_published(fast), config)
    lines = []
    for kind, rgb in images.items():
        with torch.no_grad():
            want = plain(torch.from_numpy(rgb))
            with Watched() as watched:
                got = half(torch.from_numpy(rgb))
        share = watched.macs['fp16'] / sum(watched.macs.values())
        most, beside = watched.largest['fp16'], watched.largest['fp32']
        finite = all(bool(torch.isfinite(value).all()) for value in got.values())
        found = '; '.join(
            f'{n}: {agreement(n, want[n].numpy(), got[n].numpy())}'
            for n in want
            if not n.endswith('_confidence')
        )
        cells = [name, f'{stress:g}', kind, f'{share:.1%}', f'{most:.0f} ({most / LARGEST:.1%})']
        cells += [f'{beside:.0f}', 'yes' if finite else 'NO', found]
        lines.append(f'| {" | ".join(cells)} |')
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('networks', nargs='+', choices=NETWORKS)
    parser.add_argument('--real', type=Path, nargs='*', default=[])
    parser.add_argument('--stress', type=float, nargs='+', default=[1.0])
    parser.add_argument('-o', '--out', type=Path, required=True)
    options = parser.parse_args()
    lines = ['# Published networks in float16 against float32', '']
    lines += [f'{machine()}; torch, seeded weights; `python -m benchmarks.half_published`.', '']
    head = ['network', 'stress', 'image', 'operations in float16', 'largest there (of 65504)']
    head += ['largest in islands', 'finite', 'agreement']
    lines += [f'| {" | ".join(head)} |', '|' + '---|' * len(head)]
    for name in options.networks:
        for stress in options.stress:
            lines += rows(name, options.real, stress)
            print(lines[-1], flush=True)
            options.out.write_text('\n'.join(lines) + '\n')
            gc.collect()


if __name__ == '__main__':
    main()
