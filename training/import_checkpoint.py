"""A released checkpoint of InvPT or TaskPrompter → a model file for the node.

python -m training.import_checkpoint FILE --model taskprompter_swinb_cityscapes3d -o model.onnx
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import onnx
import torch

from mtscene_ros.spec import METADATA_KEY, ModelSpec
from training.checkpoints import CheckpointError, load_network, read_checkpoint
from training.deploy_published import (
    FURTHER_KEY,
    Camera,
    PublishedGraph,
    default_camera,
    further_tasks,
    published_spec,
)
from training.export import OPSET, current_commit
from training.networks.zoo import NETWORKS, PUBLISHED, resized_config

PROTOBUF_LIMIT = 2_000_000_000  # bytes; larger weights go into a file beside the model


def write_model(graph: PublishedGraph, spec: ModelSpec, path: Path) -> None:
    """One .onnx file with its spec; weights beyond protobuf's 2 GB go to PATH.data."""
    example = torch.zeros(2, *spec.input.shape[1:], dtype=torch.uint8)
    program = torch.onnx.export(
        graph,
        (example,),
        dynamo=True,
        opset_version=OPSET,
        input_names=[spec.input.name],
        output_names=[output.name for output in spec.outputs],
        dynamic_shapes=({0: torch.export.Dim('batch', min=1, max=64)},),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces of this machine
    entries = {METADATA_KEY: spec.to_json()}
    further = further_tasks(graph.config)
    if further:
        entries[FURTHER_KEY] = json.dumps(further)
    onnx.helper.set_model_props(model, entries)
    path.parent.mkdir(parents=True, exist_ok=True)
    size = sum(p.numel() * p.element_size() for p in graph.parameters())
    if size < PROTOBUF_LIMIT:
        onnx.save(model, path)
    else:
        onnx.save(model, path, save_as_external_data=True, location=path.name + '.data')


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument(
        '--model', required=True, choices=NETWORKS, metavar='NAME', help=', '.join(PUBLISHED)
    )
    parser.add_argument('-o', '--out', type=Path, required=True)
    parser.add_argument(
        '--size-px',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='another input size (InvPT)',
    )
    parser.add_argument(
        '--focal-px', type=float, help='of the camera that took the training images'
    )
    parser.add_argument('--baseline-m', type=float, help='of its stereo pair (Cityscapes-3D)')
    options = parser.parse_args(arguments)
    config = NETWORKS[options.model]
    try:
        if options.size_px:
            config = resized_config(config, *options.size_px)
        network, dropped = load_network(config, read_checkpoint(options.checkpoint))
    except (CheckpointError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    for key in dropped:
        print(f'left out, no output depends on it: {key}')
    usual = default_camera(config)
    camera = Camera(options.focal_px or usual.focal_px, options.baseline_m or usual.baseline_m)
    graph = PublishedGraph(network, config).eval()
    spec = published_spec(graph, options.model, '1', current_commit(), camera)
    write_model(graph, spec, options.out)
    print(f'{options.out}: {options.out.stat().st_size / 1e6:.1f} MB')
    return 0


if __name__ == '__main__':
    sys.exit(main())
