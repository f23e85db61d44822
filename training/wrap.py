"""Makes a model file of an ONNX file that others have exported: images in, logits or metres out.

    python -m training.wrap segformer.onnx -o mine.onnx --task semantic --classes names.yaml \
        --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225
    python -m training.wrap depth.onnx -o mine.onnx --task depth --focal-px 500 --max-m 80
    python -m training.wrap yolo11n-seg.onnx -o mine.onnx --task semantic --classes coco.yaml

The file gets our input (uint8 RGB), the decoding and the contract, as one graph; its own part
stays as it is. It must take (N, 3, H, W) float32 and return (N, C, h, w) logits, (N, h, w) class
ids, (N, 1, h, w) or (N, h, w) metres, or the two outputs of a YOLO with masks, of which semantic
labels are made. The result is compared with the original on two images. Depths that fall where the
true ones rise are refused: relative inverse depth (MiDaS, Depth Anything) needs --inverse.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, version_converter

from mtscene_ros.datasets.class_tables import TABLES, Classes, class_table
from mtscene_ros.datasets.label_files import read_text
from mtscene_ros.datasets.manifest import read_yaml
from mtscene_ros.models.atomic_file import replacing
from mtscene_ros.models.spec import METADATA_KEY, ModelSpec, TensorSpec
from mtscene_ros.terminal import exit_status
from mtscene_ros.types import SemanticClass
from mtscene_ros.worlds import FRAMES
from training.graphs.foreign_answers import answers, check_order, run
from training.graphs.reference import add_self_test, file_answers
from training.graphs.wrapped import (
    IDS,
    IMAGE,
    LOGITS,
    METRES,
    Foreign,
    Pixels,
    add_input,
    add_outputs,
    agreement,
    expected,
)
from training.graphs.wrapped_yolo import add_yolo_outputs, painted_labels, yolo_masks

MIN_OPSET, CONVERTED = 13, 17  # Softmax over one axis, integer ArgMax; what older files become
WORST = {'semantic': 0.99, 'depth': 0.999}  # least agreement with the original


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', type=Path)
    parser.add_argument('-o', '--output', type=Path, required=True, help='.onnx')
    parser.add_argument('--task', choices=('semantic', 'depth'), required=True)
    parser.add_argument('--classes', help=f'YAML or text file of names, or {", ".join(TABLES)}')
    parser.add_argument('--mean', type=float, nargs=3, default=(0.0, 0.0, 0.0), metavar='RGB')
    parser.add_argument('--std', type=float, nargs=3, default=(1.0, 1.0, 1.0), metavar='RGB')
    parser.add_argument(
        '--pixels', type=int, choices=(1, 255), help='what white is before mean and std'
    )
    parser.add_argument('--bgr', action='store_true', help='the model takes blue first')
    parser.add_argument('--size-px', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'))
    parser.add_argument('--tensor', help='output to take, where there are several')
    parser.add_argument('--focal-px', type=float, help='at which depths are right, at --size-px')
    parser.add_argument('--min-m', type=float, default=0.1)
    parser.add_argument('--max-m', type=float, default=100.0)
    parser.add_argument(
        '--inverse',
        type=float,
        nargs=2,
        metavar=('SCALE', 'SHIFT'),
        help='the output x is an inverse depth; metres are 1 / (SCALE x + SHIFT)',
    )
    parser.add_argument(
        '--background', default='background', help='class of what no object of a YOLO covers'
    )
    parser.add_argument('--name', help='of the model; default: that of the file')
    return parser.parse_args(arguments)


def named_classes(text: str) -> Classes:
    """Reads a table's name, a YAML list (or `names: [...]`) or a text file. Raises DataError."""
    if text in TABLES:
        return TABLES[text]
    path = Path(text)
    if path.suffix in ('.yaml', '.yml'):
        found = read_yaml(path)
        found = found.get('names', found.get('classes')) if isinstance(found, dict) else found
        if isinstance(found, dict):
            found = [found[key] for key in sorted(found, key=int)]
        return class_table(found, path)
    lines = [line.strip() for line in read_text(path).splitlines()]
    return class_table([line for line in lines if line], path)


def shape_of(value: Any) -> tuple[int, ...]:
    """Returns the shape, -1 for axes that are open."""
    return tuple(d.dim_value or -1 for d in value.type.tensor_type.shape.dim)


def foreign_of(model: onnx.ModelProto, options: argparse.Namespace) -> Foreign:
    """Raises ValueError for a file that cannot be wrapped."""
    weights = {w.name for w in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in weights]
    shape = shape_of(inputs[0]) if len(inputs) == 1 else ()
    kind = inputs[0].type.tensor_type.elem_type if inputs else 0
    if len(shape) != 4 or shape[1] not in (3, -1) or kind != TensorProto.FLOAT:
        shown = ', '.join(f'{v.name} {shape_of(v)}' for v in inputs)
        raise ValueError(
            f'{options.model} takes {shown or "nothing"}; one input of (N, 3, H, W) float32 can '
            'be wrapped.'
        )
    size = tuple(options.size_px or shape[2:])
    if min(size) < 1 or any(
        have not in (-1, want) for have, want in zip(shape[2:], size, strict=True)
    ):
        raise ValueError(
            f'{options.model} takes images of {shape[2:]} px (-1: any); give --size-px.'
        )
    opset = next(o.version for o in model.opset_import if o.domain in ('', 'ai.onnx'))
    output = output_of(model, options)
    inverse = (options.inverse[0], options.inverse[1]) if options.inverse else ()
    return Foreign(inputs[0].name, (size[0], size[1]), output, (), '', opset, inverse)


def output_of(model: onnx.ModelProto, options: argparse.Namespace) -> str:
    """Returns '' for the two outputs of a YOLO with masks."""
    names = [v.name for v in model.graph.output]
    ranks = sorted(len(shape_of(v)) for v in model.graph.output)
    if options.tensor is None and options.task == 'semantic' and ranks == [3, 4]:
        return ''
    if options.tensor is None and len(names) > 1:
        raise ValueError(f'{options.model} returns {", ".join(names)}; choose one with --tensor.')
    if options.tensor is not None and options.tensor not in names:
        raise ValueError(f'{options.model} returns {", ".join(names)}, not {options.tensor}.')
    return str(options.tensor or names[0])


def pixels_from(options: argparse.Namespace) -> Pixels:
    """Says what it guesses."""
    white = options.pixels
    if white is None:
        white = 1 if max(options.mean) <= 1 and max(options.std) <= 1 else 255
        print(f'White is taken for {white} before mean and std; --pixels says otherwise.')
    if min(options.std) <= 0:
        raise ValueError(f'--std {options.std}: every value must be above zero.')
    return Pixels(tuple(options.mean), tuple(options.std), float(white), options.bgr)


def taken_by(rgb: NDArray[np.uint8], pixels: Pixels) -> NDArray[np.float32]:
    """(N, H, W, 3) uint8 → what the foreign model takes, computed with NumPy."""
    mean, std = np.array(pixels.mean, np.float32), np.array(pixels.std, np.float32)
    image = (rgb.astype(np.float32) * np.float32(pixels.white / 255) - mean) / std
    ordered = image[..., ::-1] if pixels.bgr else image
    return np.ascontiguousarray(ordered.transpose(0, 3, 1, 2))


def described(
    foreign: Foreign, found: NDArray[Any], options: argparse.Namespace, classes: Classes
) -> Foreign:
    """Says what the output is. Raises ValueError for one that the task cannot take."""
    shape = found.shape
    if options.task == 'depth':
        if len(shape) == 3 or (len(shape) == 4 and shape[1] == 1):
            return replace(foreign, output_shape=shape, kind=METRES)
        raise ValueError(f'{foreign.output} is {shape}; depth is (N, h, w) or (N, 1, h, w).')
    if found.dtype.kind in 'iu' and (len(shape) == 3 or (len(shape) == 4 and shape[1] == 1)):
        if found.max() >= len(classes):
            raise ValueError(
                f'{foreign.output} has the class id {found.max()}, but --classes names '
                f'{len(classes)}.'
            )
        return replace(foreign, output_shape=shape, kind=IDS)
    if found.dtype.kind == 'f' and len(shape) == 4 and shape[1] == len(classes):
        return replace(foreign, output_shape=shape, kind=LOGITS)
    if len(shape) == 3 and shape[1] == 4 + len(classes):
        raise ValueError(
            f'{foreign.output} is {shape}: boxes of a YOLO without masks, which are no task here; '
            'export a model whose name ends in -seg.'
        )
    raise ValueError(
        f'{foreign.output} is {found.dtype} {shape}, but --classes names {len(classes)}; it '
        f'should be (N, {len(classes)}, h, w) logits or (N, h, w) ids.'
    )


def spec_of(
    foreign: Foreign, outputs: list[TensorSpec], classes: Classes, options: argparse.Namespace
) -> ModelSpec:
    table = [{'id': c.id, 'name': c.name, 'color_rgb': list(c.color_rgb)} for c in classes]
    tasks: dict[str, dict[str, Any]] = {'semantic': {'classes': table}}
    if options.task == 'depth':
        limits = {'min_m': options.min_m, 'max_m': options.max_m}
        tasks = {'depth': {'convention': 'metric', 'focal_px': options.focal_px, **limits}}
    image = TensorSpec(IMAGE, (-1, *foreign.size_px, 3), 'uint8')
    name = options.name or options.output.stem
    return ModelSpec(name, '1', 'wrapped', image, tuple(outputs), tasks)


def opened(path: Path) -> onnx.ModelProto:
    """Raises ValueError for a file that is not ONNX."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        opset = next(o.version for o in model.opset_import if o.domain in ('', 'ai.onnx'))
        if opset < MIN_OPSET:
            model = version_converter.convert_version(model, CONVERTED)
    except Exception as error:  # protobuf, the checker and the converter raise their own
        if isinstance(error, OSError):
            raise
        text = ' '.join(str(error).split())[:200]
        raise ValueError(f'{path} is not an ONNX file that can be read ({text}).') from None
    return model


def checked_options(options: argparse.Namespace) -> Classes:
    """Returns the classes, () for depth. Raises ValueError for options that are missing."""
    if options.task == 'depth':
        if not options.focal_px:
            raise ValueError(
                'Depth needs --focal-px: the focal length in pixels, at the size of the input, of '
                'the camera under which its metres are right.'
            )
        return ()
    if not options.classes:
        raise ValueError('The classes have no names; give --classes names.yaml.')
    return named_classes(options.classes)


def main(arguments: list[str] | None = None) -> int:
    options = options_from(arguments)
    classes, pixels = checked_options(options), pixels_from(options)
    model = opened(options.model)
    foreign = foreign_of(model, options)
    height, width = foreign.size_px
    worlds = [FRAMES['drive'](17, k, width, height) for k in range(2)]
    rgb = np.stack([world.rgb for world in worlds])
    found = answers(model, foreign, taken_by(rgb, pixels))
    add_input(model.graph, foreign, pixels)
    if foreign.output:
        raw = found[foreign.output]
        foreign = described(foreign, raw, options, classes)
        outputs = add_outputs(model.graph, foreign, options.max_m)
        want = expected(raw, foreign, options.max_m)
    else:
        yolo = yolo_masks(found, len(classes), foreign.size_px, foreign.opset)
        outputs = add_yolo_outputs(model.graph, yolo)
        want = painted_labels(found[yolo.detections], found[yolo.prototypes], yolo)
        classes = (*classes, SemanticClass(len(classes), options.background, (0, 0, 0)))
    if options.task == 'depth':
        check_order(want, np.stack([world.depth_m for world in worlds]), bool(options.inverse))
    spec = spec_of(foreign, outputs, classes, options)
    del model.graph.value_info[:]  # shapes of a fixed batch
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    share = agreement(run(model, {IMAGE: rgb}, spec.outputs[0].name), want, options.task)
    if share < WORST[options.task]:
        raise ValueError(
            f'Only {100 * share:.1f} % of the pixels are as the original says; nothing is written.'
        )
    onnx.checker.check_model(model)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(options.output) as part:
        part.write_bytes(model.SerializeToString())
    add_self_test(options.output, spec, file_answers(options.output, spec))
    print(f'{options.output}: {100 * share:.2f} % of the pixels of two images as the original')
    return 0


if __name__ == '__main__':
    sys.exit(exit_status(main))
