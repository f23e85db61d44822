"""Exports a checkpoint of `training.train` to ONNX with its spec and compares it with torch.

python -m training.export runs/nano/last.pt mtscene_ros/models/drive_lite.onnx --version 0.2
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from mtscene_ros.datasets.classes import NYUD_40
from mtscene_ros.terminal import exit_status
from training.config import CONFIGS, CompactConfig
from training.graphs.deploy import DeployGraph, spec_of
from training.graphs.onnx_export import (
    OPSET,
    OPSET_HELP,
    OPSETS,
    about_from,
    add_about,
    check,
    check_images,
    current_commit,
    refuse_not_finite_outputs,
    torch_answers,
    write_onnx,
)
from training.graphs.precision import halved
from training.graphs.reference import add_self_test
from training.weights.weight_files import graph_from_checkpoint


def own_name(config: CompactConfig, out: Path) -> str:
    """Returns the configuration's name, or the file's for a network with other classes or
    tasks."""
    named = CONFIGS[config.name]
    is_as_named = (config.classes, config.box_classes, config.tasks) == (
        named.classes, named.box_classes, named.tasks
    )  # fmt: skip
    return config.name if is_as_named else out.stem


def world_of(config: CompactConfig) -> str:
    """Returns the generated world on which a network is compared: the one with its classes."""
    return 'room' if config.classes == NYUD_40 else 'drive'


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('out', type=Path)
    parser.add_argument('--version', default='0.1')
    parser.add_argument(
        '--name',
        help="name of the model; default: the configuration's, or the file's where classes or "
        'tasks are your own',
    )
    parser.add_argument(
        '--commit', default=None, help='commit of the training code; default: the current one'
    )
    parser.add_argument(
        '--size-px',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='input size, multiples of 32; default: as trained',
    )
    parser.add_argument(
        '--images', type=Path, help='folder or bag with further images for the comparison'
    )
    parser.add_argument('--precision', choices=('fp32', 'fp16'), default='fp32')
    add_about(parser)
    parser.add_argument('--opset', type=int, choices=OPSETS, default=OPSET, help=OPSET_HELP)
    options = parser.parse_args(arguments)
    plain = graph_from_checkpoint(options.checkpoint, options.size_px)
    config = plain.config
    size_px = (config.height_px, config.width_px)
    images = check_images(world_of(config), size_px, 4, options.images)
    graph = plain
    if options.precision == 'fp16':
        graph = DeployGraph(halved(plain.network), plain.config).eval()
    refuse_not_finite_outputs(plain, images)
    spec = spec_of(graph, options.version, options.commit or current_commit())
    spec = replace(spec, name=options.name or own_name(config, options.out))
    write_onnx(graph, spec, options.out, options.opset, about_from(options))
    add_self_test(options.out, spec, torch_answers(plain))
    check(plain, options.out, config.max_m, images)
    print(f'{options.out}: {options.out.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    sys.exit(exit_status(main))
