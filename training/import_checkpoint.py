"""Imports a released checkpoint of InvPT or TaskPrompter as a model file for the node.

python -m training.import_checkpoint FILE --model taskprompter_swinb_cityscapes3d -o model.onnx

Visual Token Matching has no task until training/teach.py gives it one: of its checkpoints weights
are made, NAME.safetensors, with a fine-tuned checkpoint laid over the meta-trained one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mtscene_ros.terminal import exit_status
from training.graphs.deploy_published import (
    PublishedCamera,
    PublishedGraph,
    default_camera,
    published_spec,
)
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
from training.graphs.precision import halved_published
from training.graphs.reference import add_self_test
from training.graphs.simplify import simplified
from training.networks.invpt import InvPTConfig
from training.networks.taskprompter_swin import SwinConfig
from training.networks.zoo import (
    MATCHING,
    NETWORKS,
    PUBLISHED,
    NetworkConfig,
    resized_config,
)
from training.recipes import RECIPES
from training.weights.checkpoint_store import CheckpointError
from training.weights.checkpoints import load_network, recorded
from training.weights.import_matching import import_matching, refuse_what_needs_a_task
from training.weights.released_files import read_released


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument(
        '--model',
        required=True,
        choices={**NETWORKS, **MATCHING},
        metavar='NAME',
        help=', '.join([*PUBLISHED, *MATCHING]),
    )
    parser.add_argument('-o', '--out', type=Path, required=True)
    parser.add_argument(
        '--size-px',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='input size other than the published one (InvPT)',
    )
    parser.add_argument(
        '--focal-px', type=float, help='focal length of the camera that took the training images'
    )
    parser.add_argument(
        '--baseline-m', type=float, help='baseline of its stereo pair (Cityscapes-3D)'
    )
    parser.add_argument(
        '--plain',
        action='store_true',
        help='skip the rewrites of training/graphs/simplify.py',
    )
    parser.add_argument('--opset', type=int, choices=OPSETS, default=OPSET, help=OPSET_HELP)
    parser.add_argument('--precision', choices=('fp32', 'fp16'), default='fp32')
    add_about(parser)
    parser.add_argument(
        '--images', type=Path, help='folder or bag with further images for the comparison'
    )
    parser.add_argument(
        '--no-check', action='store_true', help='add no self-test and do not compare with torch'
    )
    parser.add_argument('--tuned', type=Path, help='fine-tuned checkpoint (VTM), laid over')
    options = parser.parse_args(arguments)
    if options.model in MATCHING:
        refuse_what_needs_a_task(options, parser)
    elif options.tuned:
        parser.error(f'--tuned goes with {", ".join(MATCHING)}, not with {options.model}.')
    if options.plain and options.precision == 'fp16':
        parser.error('--precision fp16 needs the rewrites; leave out --plain.')
    return options


def main(arguments: list[str] | None = None) -> int:
    options = options_from(arguments)
    if options.model in MATCHING:
        return import_matching(options)
    try:
        file = read_released(options.checkpoint)
        recipe = recorded(RECIPES[options.model], file.adapted)
        classes, trained = recipe.classes, recipe.network_config
        config = resized_config(
            trained, *(options.size_px or (trained.height_px, trained.width_px))
        )
        grid = trained.grid if isinstance(trained, InvPTConfig) else None
        network, dropped = load_network(config, file.state, grid)
        size_px = (config.height_px, config.width_px)
        images = check_images(world_of(config), size_px, 1, options.images)
    except (CheckpointError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for sentence in file.said:
        print(sentence)
    for key in dropped:
        print(f'skipped, because no output depends on it: {key}')
    usual = default_camera(config)
    camera = PublishedCamera(
        options.focal_px or usual.focal_px, options.baseline_m or usual.baseline_m
    )
    exported = network if options.plain else simplified(network)
    if options.precision == 'fp16':
        exported = halved_published(exported)
    graph = PublishedGraph(exported, config).eval()
    if not options.no_check:
        refuse_not_finite_outputs(PublishedGraph(network, config).eval(), images)
    spec = published_spec(graph, options.model, '1', current_commit(), camera, classes)
    write_onnx(graph, spec, options.out, options.opset, about_from(options))
    if not options.no_check:
        plain = PublishedGraph(network, config).eval()
        add_self_test(options.out, spec, torch_answers(plain))
        max_m = spec.tasks.get('depth', {}).get('max_m', 0.0)
        check(plain, options.out, max_m, images)
    print(f'{options.out}: {options.out.stat().st_size / 1e6:.1f} MB')
    return 0


def world_of(config: NetworkConfig) -> str:
    """Returns the generated world that resembles the data set most."""
    names = {name for name, _ in config.tasks}
    if isinstance(config, SwinConfig):
        return 'drive'
    return 'figure' if 'human_parts' in names else 'room'


if __name__ == '__main__':
    sys.exit(exit_status(main))
