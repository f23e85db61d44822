"""What a model file says about itself: tasks, classes, tensors."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLE = 'mtscene inspect model.onnx'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('model', type=Path)
    parser.add_argument('--json', action='store_true', help='the whole spec')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.model_file import metadata_of
    from mtscene_ros.spec import METADATA_KEY, spec_from_json

    path = arguments.model
    spec = spec_from_json(metadata_of(path).get(METADATA_KEY), str(path))
    if arguments.json:
        print(spec.to_json())
        return 0
    print(f'{spec.name} {spec.version} (training code {spec.commit}), {path.stat().st_size} bytes')
    for tensor in (spec.input, *spec.outputs):
        print(f'  {tensor.name}: {tensor.dtype} {"x".join(map(str, tensor.shape))}')
    for task, options in spec.tasks.items():
        names = [c['name'] for c in options.get('classes', ())]
        further = {k: v for k, v in options.items() if k != 'classes'}
        print(f'{task}: {", ".join(names)} {further or ""}'.rstrip())
    return 0
