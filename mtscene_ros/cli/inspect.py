"""Shows what a model file or a cached engine says about itself: tasks, classes, tensors."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

EXAMPLE = """mtscene inspect model.onnx
mtscene inspect drive_lite
mtscene inspect ~/.cache/mtscene_ros/engines/model-0123456789abcdef.engine --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'model', type=Path, help='.onnx or .engine, or a name as `mtscene models` lists it'
    )
    parser.add_argument('--json', action='store_true', help='print everything as JSON')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.models.catalogue import file_of

    path = Path(file_of(str(arguments.model)))
    if path.suffix == '.engine':
        return engine(path, arguments.json)
    return model(path, arguments.json)


def model(path: Path, as_json: bool) -> int:
    from mtscene_ros.models.onnx_file import metadata_of, precision_of
    from mtscene_ros.models.spec import METADATA_KEY, spec_from_json

    try:
        metadata, precision, size_bytes = (
            metadata_of(path),
            precision_of(path),
            path.stat().st_size,
        )
    except FileNotFoundError:
        raise ValueError(
            f'{path} does not exist; give the path of a model file, or a name that '
            '`mtscene models` lists.'
        ) from None
    except ValueError as error:
        raise ValueError(f'{path} is not an ONNX file ({error}).') from error
    spec = spec_from_json(metadata.get(METADATA_KEY), str(path))
    if as_json:
        print(json.dumps({'precision': precision, 'size_bytes': size_bytes, **asdict(spec)}))
        return 0
    print(f'{spec.name} {spec.version} (training code {spec.commit})')
    print(f'weights: {precision}, file: {size_bytes} bytes')
    for tensor in (spec.input, *spec.outputs):
        print(f'  {tensor.name}: {tensor.dtype} {"x".join(map(str, tensor.shape))}')
    for task, options in spec.tasks.items():
        names = [c['name'] for c in options.get('classes', ())]
        further = {k: v for k, v in options.items() if k != 'classes'}
        print(f'{task}: {", ".join(names)} {further or ""}'.rstrip())
    return 0


def engine(path: Path, as_json: bool) -> int:
    """Prints the sidecar; the layers' precision is known only where a GPU can open the engine."""
    from mtscene_ros.backends.engine_cache import sidecar_of

    sidecar = sidecar_of(path)
    found: dict[str, Any] = {
        **sidecar['key'],
        'size_bytes': path.stat().st_size,
        'layers': layers(path),
    }
    if as_json:
        print(json.dumps(found))
        return 0
    key = sidecar['key']
    device = ', '.join(value for value in key['device'].values() if value)
    print(f'{path.name}: {key["module"]} {key["version"]}, for {device}')
    print(f'built from the model with sha256 {key["onnx_sha256"]}')
    print(f'settings: {key["settings"]}')
    print(f'layers by precision: {found["layers"]}')
    return 0


def layers(path: Path) -> dict[str, int] | str:
    from mtscene_ros.backends import BackendError, engine_build
    from mtscene_ros.backends.cuda import Cuda, open_driver
    from mtscene_ros.backends.engine_precision import layers_of

    try:
        cuda = Cuda(open_driver(), 0)
    except BackendError as error:
        return f'unknown here: {error}'
    try:
        trt = engine_build.find_module()
        runtime = trt.Runtime(engine_build.logger_of(trt))
        opened = runtime.deserialize_cuda_engine(path.read_bytes())
        return dict(layers_of(trt, opened)) if opened else 'unknown: TensorRT refuses the engine'
    finally:
        cuda.close()
