"""Measures InvPT on encoders of timm's: operations, float16, whether TensorRT builds it.

    python -m benchmarks.encoders [-o benchmarks/results/encoders.md]

Weights are random: they decide neither operations nor acceptance. float16 is compared with float32
at about half the size, with seeded weights and the arithmetic of benchmarks/half_published.py.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

import torch

from benchmarks.half_published import Watched, agreement, seeded
from benchmarks.published_export import plain_gmac
from mtscene_ros.backends.machine import machine
from mtscene_ros.models.atomic_file import write_text
from training.graphs.deploy_published import PublishedGraph
from training.graphs.onnx_export import check_images
from training.graphs.precision import halved_published
from training.graphs.simplify import simplified
from training.networks.invpt import InvPTConfig
from training.networks.zoo import build_on_meta, resized_config
from training.trt_check import ON_ENCODERS, TARGETS, checked, published_config

RESULTS = Path(__file__).parent / 'results' / 'encoders.md'


SIZE = ('network', 'encoder', 'input, px', 'parameters, M', 'GMAC', 'GMAC exported')
FORMATS = (
    'network',
    'operations in float16',
    'float16 against float32, at about half the size',
    'TensorRT-RTX, fp16',
    'TensorRT-RTX, fp32',
)


def half_agreement(config: InvPTConfig) -> tuple[str, str]:
    """Returns the share of operations in float16, and how far the outputs agree."""
    size_px = (config.height_px, config.width_px)
    rgb = torch.from_numpy(check_images('room', size_px, 1)['generated'])
    fast = simplified(seeded(config, rgb, 1.0))
    with torch.no_grad():
        want = PublishedGraph(fast, config)(rgb)
        with Watched() as watched:
            got = PublishedGraph(halved_published(fast), config)(rgb)
    if not all(bool(torch.isfinite(value).all()) for value in got.values()):
        return 'not finite', ''
    share = watched.macs['fp16'] / sum(watched.macs.values())
    found = [
        f'{n}: {agreement(n, want[n].numpy(), got[n].numpy())}'
        for n in want
        if not n.endswith('_confidence')
    ]
    return f'{share:.1%}', '; '.join(found)


def about_half(config: InvPTConfig) -> InvPTConfig:
    """Returns the network at a size that it can have."""
    multiple = 4 * config.height_px // config.grid[0]
    height_px, width_px = (
        max(multiple, pixels // 2 // multiple * multiple)
        for pixels in (config.height_px, config.width_px)
    )
    found = resized_config(config, height_px, width_px)
    assert isinstance(found, InvPTConfig)
    return found


def cells(name: str) -> list[str]:
    """Returns one row of the table; prints every step."""
    config = published_config(name)
    assert isinstance(config, InvPTConfig)
    parameters = sum(p.numel() for p in build_on_meta(config).parameters()) / 1e6
    plain = plain_gmac(config)
    print(name, f'{parameters:.1f} M, {plain:.1f} GMAC', flush=True)
    built, gmac = [], 0.0
    for precision in ('fp16', 'fp32'):
        gc.collect()
        row = checked(name, precision, TARGETS)
        print(row, flush=True)
        gmac = row.get('gmac', gmac)
        found = f'accepted, {row.get("engine_mb")} MB, {row.get("seconds")} s'
        built.append(row.get('refused', found).replace('|', '/'))
    size = f'{config.width_px}x{config.height_px}'
    sizes = [f'{parameters:.1f}', f'{plain:.1f}', f'{gmac:.1f}']
    return [name, config.encoder, size, *sizes, *half_agreement(about_half(config)), *built]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-o', '--out', type=Path, default=RESULTS)
    options = parser.parse_args()
    rows: list[list[str]] = []
    for name in ON_ENCODERS:
        rows.append(cells(name))
        print(rows[-1], flush=True)
        write_text(options.out, page(rows))


def page(rows: list[list[str]]) -> str:
    """Returns the results as Markdown, in two tables that fit a page."""
    intro = f'{machine()}; random weights, no GPU; `python -m benchmarks.encoders`.'
    size = table(SIZE, [row[:6] for row in rows])
    formats = table(FORMATS, [[row[0], *row[6:]] for row in rows])
    return '\n\n'.join(['# InvPT on other encoders', intro, size, formats]) + '\n'


def table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [f'| {" | ".join(head)} |', '|' + '---|' * len(head)]
    return '\n'.join([*lines, *(f'| {" | ".join(row)} |' for row in rows)])


if __name__ == '__main__':
    main()
