"""Writes graphs as ONNX files with their spec, and checks them against torch."""

from __future__ import annotations

import argparse
import glob
import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxscript.rewriter.rules.common import slice_split_rule
from torch import nn

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.about import ABOUT_KEY, About
from mtscene_ros.models.atomic_file import move_into_place, scratch_folder, write_text
from mtscene_ros.models.external_data import external_files
from mtscene_ros.models.spec import METADATA_KEY, ModelSpec
from mtscene_ros.worlds import FRAMES
from training.graphs import opset17
from training.graphs.own_images import frames_of
from training.graphs.reference import AnswersOf

Images = dict[str, NDArray[np.uint8]]


# git runs what the settings of a checkout say: those of ours only.
ROOT = Path(__file__).parents[2]


OPSET = 20  # has Gelu as one operator: saves about 5 % of the published networks' CPU time


OPSETS = (17, 18, 19, 20)


OPSET_HELP = '17 for TensorRT 8.6 (JetPack 5 and 6.0)'


PROTOBUF_LIMIT = 2_000_000_000  # bytes; larger weights are written to a file beside the model


TRY_SPLITTING = slice_split_rule.try_rewrite


def split_slices(model: Any, graph: Any, node: Any, **options: Any) -> Any:
    """Tries the rule that merges two Slice nodes into a Split at Slice nodes only.

    onnxscript tries it at every node and walks the whole graph each time, although only a Slice
    can match: that took half to two thirds of the time of an export."""
    return TRY_SPLITTING(model, graph, node, **options) if node.op_type == 'Slice' else None


def write_onnx(
    graph: nn.Module,
    spec: ModelSpec,
    path: Path,
    opset: int = OPSET,
    about: About | None = None,
) -> None:
    """Writes one .onnx file with its spec; weights beyond protobuf's 2 GB go to a second one.
    opset: 17 to 20."""
    example = torch.zeros(2, *spec.input.shape[1:], dtype=torch.uint8)
    shapes = ({0: torch.export.Dim('batch', min=1, max=64)},)
    model = exported(graph, {spec.input.name: example}, shapes, spec, opset)
    write_with_spec(model, spec, path, about)


def exported(
    graph: nn.Module,
    inputs: dict[str, torch.Tensor],
    dynamic_shapes: tuple[Any, ...],
    spec: ModelSpec,
    opset: int,
) -> onnx.ModelProto:
    """inputs: examples by name, in the order of the graph's arguments."""
    with mock.patch.object(slice_split_rule, 'try_rewrite', split_slices):
        program = torch.onnx.export(
            graph,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=max(opset, opset17.FROM),
            input_names=list(inputs),
            output_names=[output.name for output in spec.outputs],
            dynamic_shapes=dynamic_shapes,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # may hold stack traces with paths of this machine
    if opset == opset17.TO:
        opset17.lowered(model)
    return model


def write_with_spec(
    model: onnx.ModelProto, spec: ModelSpec, path: Path, about: About | None
) -> None:
    about_entry = {ABOUT_KEY: about.to_json()} if about and about != About() else {}
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json(), **about_entry})
    write_model(model, path)


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Checks and writes the model, all of it or nothing: a failure leaves the previous file.

    Weights of PROTOBUF_LIMIT and more go to PATH.DIGEST.data. The digest of what it holds is part
    of the name, so that old and new weights lie side by side until the model file itself, which
    names one of them, is replaced in one step. Constants that the rewrites add count as well, so
    a graph may exceed its network's parameters.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = [tensor.raw_data for tensor in model.graph.initializer]
    with scratch_folder(path.parent, '.partial-') as folder:
        part = folder / path.name
        if sum(map(len, weights)) < PROTOBUF_LIMIT:
            onnx.checker.check_model(model, full_check=True)
            onnx.save(model, part)
        else:
            beside = f'{path.name}.{digest_of(weights)}.data'
            onnx.save(model, part, save_as_external_data=True, location=beside)
            onnx.checker.check_model(str(part), full_check=True)
            move_into_place(folder / beside, path.with_name(beside))
        move_into_place(part, path)
    named = external_files(path)
    for found in path.parent.glob(f'{glob.escape(path.name)}*.data'):
        if found not in named:
            found.unlink(missing_ok=True)  # of an earlier model, or of a write that was killed


def digest_of(parts: Iterable[bytes]) -> str:
    """Returns 12 hexadecimal digits of the SHA-256 of all bytes in turn."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()[:12]


def add_about(parser: argparse.ArgumentParser) -> None:
    """Adds options for what the file records about itself beside its spec."""
    parser.add_argument('--licence', default='', help="the weights' SPDX licence, e.g. Apache-2.0")
    parser.add_argument('--trained-on', default='', help='training data, for the model card')


def about_from(options: argparse.Namespace) -> About:
    return About(licence=options.licence, trained_on=options.trained_on)


def agreement_table(plain: nn.Module, path: Path, max_m: float, images: Images) -> str:
    """Compares a model file on ONNX Runtime with the float32 network in torch; returns Markdown.

    images: kind → (B, H, W, 3) uint8. Boxes are compared as tensors, before the best are selected.
    """
    lines = [f'{path.name} against torch in float32', '', '| images | tensor | agreement |']
    lines.append('|---|---|---|')
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    for kind, rgb in images.items():
        with torch.no_grad():
            expected = plain(torch.from_numpy(rgb))
        found = session.run(list(expected), {session.get_inputs()[0].name: rgb})
        for (name, want), got in zip(expected.items(), found, strict=True):
            result = agreement(name, want.numpy(), got, max_m)
            lines.append(f'| {kind} | {name} | {result} |')
    return '\n'.join(lines) + '\n'


def check_images(
    world: str, size_px: tuple[int, int], count: int, own: Path | None = None
) -> Images:
    """Returns random pixels, frames of a generated world and the user's images, at network
    size."""
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


def torch_answers(plain: nn.Module) -> AnswersOf:
    """Returns a function that runs a float32 network on (B, H, W, 3) uint8 images."""

    def answers_of(rgb: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        with torch.no_grad():
            return {name: v.numpy() for name, v in plain(torch.from_numpy(rgb)).items()}

    return answers_of


def refuse_not_finite_outputs(plain: nn.Module, images: Images) -> None:
    """Raises ValueError for a network that returns NaN or infinity on an image."""
    for kind, rgb in images.items():
        with torch.no_grad():
            found = plain(torch.from_numpy(rgb[:1]))
        for name, value in found.items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise ValueError(
                    f'The output {name} is not finite on a {kind} image: the training has '
                    'diverged; export an earlier checkpoint.'
                )


def check(plain: nn.Module, path: Path, max_m: float, images: Images) -> None:
    """Prints the agreement table and stores it beside the model."""
    text = agreement_table(plain, path, max_m, images)
    write_text(path.with_suffix('.agreement.md'), text)
    print(text, end='')


def agreement(name: str, want: NDArray[Any], got: NDArray[Any], max_m: float) -> str:
    """Describes the agreement: for labels the share of equal ones, for depth the 99th percentile
    of the relative difference within range."""
    if name.endswith('_labels'):
        return f'{100 * np.mean(want == got):.3f} % equal'
    apart = np.abs(want.astype(np.float64) - got)
    if name == 'depth':
        known = (want > 0) & (want < max_m)
        relative = apart[known] / want[known]
        return f'relative difference p99 {np.percentile(relative, 99) if known.any() else 0:.2g}'
    return f'largest difference {apart.max():.2g}'


def current_commit() -> str:
    command = ['git', '-C', str(ROOT), 'describe', '--always', '--dirty', '--abbrev=12']
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or 'unknown'
