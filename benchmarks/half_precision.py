"""A trained network in float16 against itself in float32, on generated and real images.

    python -m benchmarks.half_precision last.pt [--real FOLDER_OR_BAG ...] -o TABLE.md

In torch, which rounds every activation as a GPU does; ONNX Runtime's CPU computes a float16 graph
in float32 and would show the rounded weights alone. Kernels of TensorRT may sum in another order.
Boxes above the node's default score are compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from mtscene_ros.bench import machine
from mtscene_ros.evaluate.agreement import agreement, table
from mtscene_ros.types import CameraFrame
from mtscene_ros.worlds import FRAMES
from training.comparisons import torch_estimator
from training.deploy import DeployGraph
from training.export import graph_from_checkpoint
from training.own_images import frames_of
from training.precision import halved

MIN_SCORE, SAME_IOU = 0.3, 0.9


def generated(count: int) -> list[CameraFrame]:
    frames = (FRAMES['drive'](901, index, 1024, 512) for index in range(count))
    return [CameraFrame(f.rgb, f.intrinsics, 0, 'camera') for f in frames]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--real', type=Path, nargs='*', default=[])
    parser.add_argument('--frames', type=int, default=60, help='of each source')
    parser.add_argument('-o', '--out', type=Path, required=True)
    options = parser.parse_args()
    plain = graph_from_checkpoint(options.checkpoint)
    half = DeployGraph(halved(plain.network), plain.config).eval()
    cpu = torch.device('cpu')
    reference, other = torch_estimator(plain, cpu), torch_estimator(half, cpu)
    sources = {'generated, seed 901': generated(options.frames)}
    for path in options.real:
        sources[path.name] = frames_of(path, options.frames)
    lines = [f'# {plain.config.name} in float16 against float32', '', f'{machine()}; torch.', '']
    for name, frames in sources.items():
        found = agreement(reference, other, frames, SAME_IOU, MIN_SCORE)
        lines += [f'## {name}: {len(frames)} images', '', table(found)]
        print('\n'.join(lines[-3:]))
    options.out.write_text('\n'.join(lines))


if __name__ == '__main__':
    main()
