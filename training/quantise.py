"""Quantises a float32 model file to INT8 with Q/DQ nodes, calibrated on the user's images.

    python -m training.quantise drive_lite.onnx -o drive_lite_int8.onnx --images FOLDER_OR_BAG

Weights (per channel) and inputs of convolutions become 8-bit integers, symmetric as TensorRT
requires. The following stay in float32: depth-wise convolutions, whose channels have different
ranges (in INT8 they cost drive_lite most of its depth accuracy, and they are few of its
operations), the first layer, the last layer of every task, attention and everything else. A fifth
of the images is held out: both files run on them, and their agreement is printed for each task and
stored beside the new file.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from mtscene_ros.backends import BackendError
from mtscene_ros.camera.network_input import prepare
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.evaluate.scores.agreement import agreement, table
from mtscene_ros.models.about import ABOUT_KEY, About, about_of
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.onnx_file import metadata_of
from mtscene_ros.models.spec import METADATA_KEY, ModelSpec
from mtscene_ros.recordings.bags import BagError
from mtscene_ros.terminal import exit_status, plural
from mtscene_ros.types import CameraFrame
from training.graphs.onnx_export import write_model
from training.graphs.own_images import frames_of
from training.graphs.reference import add_self_test, file_answers

HELD_BACK = 5  # every fifth image
METHODS = {
    'minmax': CalibrationMethod.MinMax,
    'entropy': CalibrationMethod.Entropy,
    'percentile': CalibrationMethod.Percentile,
}


class Feed(CalibrationDataReader):  # type: ignore[misc]
    """Feeds ONNX Runtime's calibration: one network input at a time, then None."""

    def __init__(self, frames: Sequence[CameraFrame], spec: ModelSpec) -> None:
        self.feeds = iter([{spec.input.name: prepare(f, spec).rgb[None]} for f in frames])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self.feeds, None)


def last_layers(model: onnx.ModelProto) -> list[str]:
    """Names the convolutions that only element-wise operations and enlargements follow."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    heavy = {'Conv', 'MatMul', 'Gemm', 'ConvTranspose'}
    leads_on: dict[str, bool] = {}
    for node in reversed(model.graph.node):
        after = [r for name in node.output for r in readers.get(name, [])]
        leads_on[node.name] = any(r.op_type in heavy or leads_on[r.name] for r in after)
    return [n.name for n in model.graph.node if n.op_type == 'Conv' and not leads_on[n.name]]


def groups(node: onnx.NodeProto) -> int:
    return next((a.i for a in node.attribute if a.name == 'group'), 1)


def quantise(
    source: Path,
    out: Path,
    frames: Sequence[CameraFrame],
    spec: ModelSpec,
    method: str = 'percentile',
    keep: str = '',
) -> int:
    """Writes the INT8 file with the source's metadata. Returns the number of quantised
    convolutions.

    keep: regular expression; convolutions stay in float32 if it matches their weight's name.
    """
    with tempfile.TemporaryDirectory() as folder:
        ready, quantised = Path(folder) / 'ready.onnx', Path(folder) / 'int8.onnx'
        # Folds batch norms and infers shapes before the ranges are measured.
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        model = onnx.load(ready)
        convolutions = [n for n in model.graph.node if n.op_type == 'Conv']
        kept = {convolutions[0].name, *last_layers(model)}
        kept |= {n.name for n in convolutions if groups(n) > 1}
        if keep:
            kept |= {n.name for n in convolutions if re.search(keep, n.input[1])}
        quantize_static(
            str(ready),
            str(quantised),
            Feed(frames, spec),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=['Conv'],
            nodes_to_exclude=sorted(kept),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[method],
            # Biases stay in float32, because TensorRT cannot dequantise 32-bit integers.
            extra_options={
                'ActivationSymmetric': True,
                'WeightSymmetric': True,
                'QuantizeBias': False,
            },
        )
        result = onnx.load(quantised)
    about = replace(about_of(source, metadata_of(source)), scores={}, scored_on='')  # the source's
    properties = {ABOUT_KEY: about.to_json()} if about != About() else {}
    onnx.helper.set_model_props(result, {METADATA_KEY: spec.to_json(), **properties})
    write_model(result, out)
    add_self_test(out, spec, file_answers(source, spec))
    return len(convolutions) - len(kept)


def report(source: SceneEstimator, out: Path, frames: Sequence[CameraFrame]) -> str:
    found = agreement(source, open_estimator(str(out), 'onnxruntime'), frames)
    images = plural(len(frames), 'image')
    return f'{out.name} against its float32 source on {images}\n\n{table(found)}'


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', type=Path)
    parser.add_argument('-o', '--out', type=Path, required=True)
    parser.add_argument('--images', type=Path, required=True, help='folder of images, or a bag')
    parser.add_argument('--count', type=int, default=100, help='maximum number of images')
    parser.add_argument('--method', choices=sorted(METHODS), default='percentile')
    parser.add_argument(
        '--keep', default='', metavar='REGEX', help='additional weights that stay in float32'
    )
    options = parser.parse_args(arguments)
    logging.getLogger().setLevel(logging.ERROR)  # hides ONNX Runtime's advice on pre-processing
    try:
        source = open_estimator(str(options.model), 'onnxruntime')
        frames = frames_of(options.images, options.count, least=HELD_BACK)
    except (BackendError, BagError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    held_back = frames[HELD_BACK - 1 :: HELD_BACK]
    calibration = [frame for k, frame in enumerate(frames) if k % HELD_BACK != HELD_BACK - 1]
    layers = quantise(
        options.model, options.out, calibration, source.spec, options.method, options.keep
    )
    text = report(source, options.out, held_back)
    write_text(options.out.with_suffix('.agreement.md'), text)
    print(text, end='')
    print(
        f'{options.out}: {plural(layers, "convolution")} in INT8, '
        f'{options.out.stat().st_size / 1e6:.1f} MB'
    )
    return 0


if __name__ == '__main__':
    sys.exit(exit_status(main))
