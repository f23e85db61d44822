"""Checkpoint of `training.train` → ONNX file with its spec, checked against torch.

python -m training.export runs/nano/last.pt mtscene_ros/models/drive_lite.onnx --version 0.2
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.about import ABOUT_KEY, About
from mtscene_ros.models.atomic_file import move_into_place, write_text
from mtscene_ros.models.external_data import external_files
from mtscene_ros.models.spec import METADATA_KEY, ModelSpec
from mtscene_ros.worlds import FRAMES
from training.config import resized
from training.graphs import opset17
from training.graphs.deploy import DeployGraph, merge_branches, spec_of
from training.graphs.own_images import frames_of
from training.graphs.precision import halved
from training.networks.decoders import compact_network, load_weights
from training.weights.weight_files import read_weights

Images = dict[str, NDArray[np.uint8]]
OPSET = 20  # has Gelu as one operator: about 5 % off the published networks on a CPU
OPSETS = (17, 18, 19, 20)
OPSET_HELP = '17 for TensorRT 8.6 (JetPack 5 and 6.0)'
PROTOBUF_LIMIT = 2_000_000_000  # bytes; larger weights go into a file beside the model


def graph_from_checkpoint(path: Path, size_px: tuple[int, int] | None = None) -> DeployGraph:
    """Averaged weights of a checkpoint or of CONFIG.safetensors, in evaluation mode; size_px:
    another height and width than trained."""
    config, weights = read_weights(path)
    if size_px is not None:
        config = resized(config, *size_px)
    network = compact_network(config)
    load_weights(network, weights)
    merge_branches(network.encoder)
    return DeployGraph(network, config).eval()


def write_onnx(
    graph: nn.Module,
    spec: ModelSpec,
    path: Path,
    opset: int = OPSET,
    about: About | None = None,
) -> None:
    """One .onnx file with its spec; weights beyond protobuf's 2 GB go to PATH.data. opset: 17 to
    20."""
    example = torch.zeros(2, *spec.input.shape[1:], dtype=torch.uint8)
    program = torch.onnx.export(
        graph,
        (example,),
        dynamo=True,
        opset_version=max(opset, opset17.FROM),
        input_names=[spec.input.name],
        output_names=[output.name for output in spec.outputs],
        dynamic_shapes=({0: torch.export.Dim('batch', min=1, max=64)},),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces of this machine
    if opset == opset17.TO:
        opset17.lowered(model)
    about_entry = {ABOUT_KEY: about.to_json()} if about and about != About() else {}
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json(), **about_entry})
    write_model(model, path)


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Checked by ONNX; whole, or what was there before stays. Constants of the rewrites count as
    well: a graph may be larger than its network's parameters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + '.data')
    with tempfile.TemporaryDirectory(prefix='.partial-', dir=path.parent) as folder:
        part, part_beside = Path(folder) / path.name, Path(folder) / beside.name
        if sum(len(tensor.raw_data) for tensor in model.graph.initializer) < PROTOBUF_LIMIT:
            onnx.checker.check_model(model, full_check=True)
            onnx.save(model, part)
        else:
            onnx.save(model, part, save_as_external_data=True, location=beside.name)
            onnx.checker.check_model(str(part), full_check=True)
            move_into_place(part_beside, beside)
        move_into_place(part, path)
    if beside not in external_files(path):
        beside.unlink(missing_ok=True)  # of the file that was there before


def add_about(parser: argparse.ArgumentParser) -> None:
    """Options of what the file says about itself beside its spec."""
    parser.add_argument('--licence', default='', help='of the weights, SPDX: Apache-2.0, ...')
    parser.add_argument('--trained-on', default='', help='data, for the model card')


def about_from(options: argparse.Namespace) -> About:
    return About(licence=options.licence, trained_on=options.trained_on)


def agreement_table(plain: nn.Module, path: Path, max_m: float, images: Images) -> str:
    """Markdown: a model file on ONNX Runtime against the float32 network in torch.

    images: kind → (B, H, W, 3) uint8. Boxes are compared by tensor, before the choice of the best.
    """
    lines = [f'{path.name} against torch in float32', '', '| images | tensor | agreement |']
    lines.append('|---|---|---|')
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    for kind, rgb in images.items():
        with torch.no_grad():
            expected = plain(torch.from_numpy(rgb))
        found = session.run(list(expected), {session.get_inputs()[0].name: rgb})
        for (name, want), got in zip(expected.items(), found, strict=True):
            told = agreement(name, want.numpy(), got, max_m)
            lines.append(f'| {kind} | {name} | {told} |')
    return '\n'.join(lines) + '\n'


def check_images(
    world: str, size_px: tuple[int, int], count: int, own: Path | None = None
) -> Images:
    """Random pixels, frames of a generated world, and the user's own, at network size."""
    height, width = size_px
    random = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
    frames = [FRAMES[world](17, k, width, height).rgb for k in range(count)]
    images = {'random': random, 'generated': np.stack(frames)}
    if own is not None:
        found = [frame.rgb for frame in frames_of(own, count)]
        fitted = [
            Letterbox(rgb.shape[1], rgb.shape[0], width, height).to_network(rgb) for rgb in found
        ]
        images['own'] = np.stack(fitted)
    return images


def check(plain: nn.Module, path: Path, max_m: float, images: Images) -> None:
    """Prints the table of agreement and stores it beside the model."""
    text = agreement_table(plain, path, max_m, images)
    write_text(path.with_suffix('.agreement.md'), text)
    print(text, end='')


def agreement(name: str, want: NDArray[Any], got: NDArray[Any], max_m: float) -> str:
    """Labels: share of equal ones; depth: 99th percentile of the relative difference in range."""
    if name.endswith('_labels'):
        return f'{100 * np.mean(want == got):.3f} % equal'
    apart = np.abs(want.astype(np.float64) - got)
    if name == 'depth':
        known = (want > 0) & (want < max_m)
        relative = apart[known] / want[known]
        return f'relative difference p99 {np.percentile(relative, 99) if known.any() else 0:.2g}'
    return f'largest difference {apart.max():.2g}'


def current_commit() -> str:
    command = ['git', 'describe', '--always', '--dirty', '--abbrev=12']
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or 'unknown'


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('out', type=Path)
    parser.add_argument('--version', default='0.1')
    parser.add_argument('--commit', default=None, help='of the training code; default: this one')
    parser.add_argument(
        '--size-px',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='multiples of 32; default: as trained',
    )
    parser.add_argument('--images', type=Path, help='folder or bag, to compare on as well')
    parser.add_argument('--precision', choices=('fp32', 'fp16'), default='fp32')
    add_about(parser)
    parser.add_argument('--opset', type=int, choices=OPSETS, default=OPSET, help=OPSET_HELP)
    options = parser.parse_args(arguments)
    plain = graph_from_checkpoint(options.checkpoint, options.size_px)
    config = plain.config
    size_px = (config.height_px, config.width_px)
    images = check_images('drive', size_px, 4, options.images)
    graph = plain
    if options.precision == 'fp16':
        graph = DeployGraph(halved(plain.network), plain.config).eval()
    spec = spec_of(graph, options.version, options.commit or current_commit())
    write_onnx(graph, spec, options.out, options.opset, about_from(options))
    check(plain, options.out, config.max_m, images)
    print(f'{options.out}: {options.out.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
