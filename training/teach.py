"""Teaches a network that matches a dense task by a few labelled frames, without training.

    python -m training.teach my_frames.yaml --weights vtm.safetensors -o floor.onnx

The frames of the manifest's `train` split that have a map of the task become part of the model
file, which then takes an image like every other one. Weights: match_lite, those of Visual Token
Matching that training.import_checkpoint wrote, or a checkpoint of the authors.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.datasets.manifest import load
from mtscene_ros.tasks import TASKS
from mtscene_ros.terminal import exit_status
from mtscene_ros.types import UNLABELED, SemanticClass
from training.config import STRIDE_PX, nearest_multiple
from training.data import manifest_samples
from training.data.augment import letterboxed
from training.data.sample import Sample
from training.graphs.onnx_export import (
    OPSET,
    OPSET_HELP,
    OPSETS,
    about_from,
    add_about,
    check,
    check_images,
    current_commit,
    torch_answers,
    write_onnx,
)
from training.graphs.reference import add_self_test
from training.graphs.taught import TaughtGraph, Windows, taught_spec
from training.graphs.taught_template import write_taught
from training.networks.compact_matching import CompactMatchingConfig, CompactMatchingNetwork
from training.networks.vtm import VTMNetwork
from training.networks.zoo import COMPACT_MATCHING
from training.tasks.channels import ChannelTask, channel_task
from training.weights.checkpoint_store import CheckpointError, refuse_not_finite
from training.weights.checkpoints import mismatches
from training.weights.matching_checkpoints import (
    imported,
    read_matching,
    tuned_names,
    untouched_rows,
)
from training.weights.weight_files import FOLDER

COMPARED = 4  # images of each kind, of torch and the model file


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    add_task_options(parser)
    parser.add_argument('-o', '--out', type=Path, required=True)
    parser.add_argument(
        '--tuned', type=Path, help='what training.tune learned, or a fine-tuned checkpoint'
    )
    parser.add_argument(
        '--size-px',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help="of the model's input; larger than the network's: several views, averaged",
    )
    parser.add_argument('--version', default='1')
    parser.add_argument('--opset', type=int, choices=OPSETS, default=OPSET, help=OPSET_HELP)
    add_about(parser)
    parser.add_argument('--images', type=Path, help='folder or bag, to compare on as well')
    parser.add_argument(
        '--no-check', action='store_true', help='add no self-test and do not compare with torch'
    )
    options = parser.parse_args(arguments)
    if options.out.suffix != '.onnx':
        parser.error(f'{options.out} is a model file; give it a name that ends in .onnx.')
    if options.frames is not None and options.frames < 1:
        parser.error(f'{options.frames} frames teach nothing; take one at least.')
    return options


def add_task_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('manifest', type=Path)
    parser.add_argument('--weights', required=True, help='a file, or match_lite')
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--task', help="of the manifest's maps; default: the only one")
    which.add_argument(
        '--semantic', metavar='NAME', type=own_name, help='take its `semantic` labels as task NAME'
    )
    parser.add_argument('--frames', type=int, help='of `train`, the first ones')
    parser.add_argument('--row', type=int, help='of the biases; default: an untouched one')


def own_name(word: str) -> str:
    if not re.fullmatch('[a-z][a-z0-9_]*', word) or word in TASKS:
        raise argparse.ArgumentTypeError(
            f'{word!r} cannot name a task of your own; use lower-case letters, digits and _, and '
            f'none of {", ".join(TASKS)}.'
        )
    return word


@dataclass(frozen=True, slots=True)
class TaughtSource:
    """A dense task of a manifest; is_semantic: its labels are those of `semantic`."""

    manifest: Path
    name: str
    classes: tuple[SemanticClass, ...]
    is_semantic: bool = False

    def read(self, number: str) -> Sample:
        """Raises DataError."""
        sample = manifest_samples.read(self.manifest, number)
        if not self.is_semantic or (sample.labels == UNLABELED).all():
            return sample
        return replace(sample, maps={self.name: sample.labels})


def source_of(options: argparse.Namespace) -> TaughtSource:
    """Raises DataError where the manifest has no such task, or several and none is wanted."""
    path, wanted = options.manifest, options.task
    manifest = load(path)
    if options.semantic is not None:
        if not manifest.semantic:
            raise DataError(f'{path} has no `semantic` classes; leave --semantic out.')
        return TaughtSource(path, options.semantic, manifest.semantic, True)
    maps = manifest.maps
    if not maps:
        fix = '; teach its `semantic` labels with --semantic NAME' if manifest.semantic else ''
        raise DataError(f'{path} has no maps; name the task and its labels there{fix}.')
    if wanted is None and len(maps) > 1:
        raise DataError(f'{path} has the tasks {", ".join(maps)}; choose one with --task.')
    if wanted is not None and wanted not in maps:
        raise DataError(f'{path} has no task {wanted}; it has {", ".join(maps)}.')
    name = wanted or next(iter(maps))
    return TaughtSource(path, name, maps[name])


def support_of(source: TaughtSource, most: int | None) -> list[Sample]:
    """Frames with labels of the task; how many have none is said. Raises DataError."""
    path, name = source.manifest, source.name
    labelled: list[Sample] = []
    bare = 0
    for number in manifest_samples.names(path, 'train'):
        if len(labelled) == most:
            break
        sample = source.read(number)
        if name in sample.maps:
            labelled.append(sample)
        else:
            bare += 1
    if not labelled:
        raise DataError(f'{path} has no frame in `train` with a map of {name}; label some.')
    if bare:
        have, teach = ('has', 'teaches') if bare == 1 else ('have', 'teach')
        print(
            f'{bare} of {bare + len(labelled)} frames {have} no map of {name} and {teach} nothing.'
        )
    if most is not None and most > len(labelled):
        print(f'--frames {most}: the manifest has only {len(labelled)} with a map of {name}.')
    return labelled


def task_of(source: TaughtSource, support: list[Sample]) -> ChannelTask:
    """Raises ValueError where no pixel has a label."""
    maps = [sample.maps[source.name] for sample in support]
    return channel_task(source.name, source.classes, maps)


def arrays_of(
    task: ChannelTask, samples: list[Sample]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Samples at input size → images (N, H, W, 3) and labels (N, T, H, W). A class that no frame
    shows is said."""
    labels = np.stack([task.labels(sample.maps[task.name]) for sample in samples])
    if task.logarithmic:
        print(f'{task.name} is matched by its logarithm: {task.low:.3g} to {task.high:.3g}.')
    for number, one in enumerate(task.classes):
        if not (labels[:, number] == 1).any():
            print(f'No support frame shows {one.name}; the model will not find it.')
    return np.stack([sample.rgb for sample in samples]), labels


def rows_of(network: VTMNetwork, channels: int, wanted: int | None) -> tuple[int, ...]:
    """Sets of biases of the task, by channel or one for all. Raises ValueError."""
    count = network.config.bias_rows
    if wanted is not None:
        if not 0 <= wanted < count:
            raise ValueError(f'--row {wanted}: the weights have the rows 0 to {count - 1}.')
        return (wanted,)
    if untouched := untouched_rows(network):
        return (untouched[0],)
    if count == channels:
        return tuple(range(channels))
    raise ValueError(
        f'The weights have biases for {count} channels, fine-tuned ones it seems, and the task '
        f'has {channels}; choose a set with --row.'
    )


def matching_network(
    options: argparse.Namespace, channels: int
) -> tuple[nn.Module, tuple[int, ...], Windows]:
    """The network with its weights, the biases that it takes and the views of an image. A compact
    one sees images of any size whole. Raises CheckpointError or ValueError."""
    path = Path(options.weights)
    config = COMPACT_MATCHING.get(path.stem)
    if config is not None and not path.suffix:
        path = FOLDER / f'{config.name}.safetensors'
    if config is None:
        network, _ = imported(path, options.tuned)
        view = network.config.size_px
        windows = Windows(tuple(options.size_px or (view, view)), (view, view))
        return network, rows_of(network, channels, options.row), windows
    if options.row is not None:
        raise ValueError(f'{config.name} has one set of biases; leave --row out.')
    size = tuple(options.size_px or (config.height_px, config.width_px))
    if any(side % STRIDE_PX for side in size):
        raise ValueError(
            f'{config.name} needs a height and a width that are a multiple of {STRIDE_PX}, not '
            f'{size[1]}x{size[0]}; {nearest_multiple(size[1])}x{nearest_multiple(size[0])} '
            'would do.'
        )
    return compact_network(config, path, options.tuned), (0,), Windows(size, size)


def compact_network(
    config: CompactMatchingConfig, path: Path, tuned: Path | None
) -> CompactMatchingNetwork:
    """Raises CheckpointError."""
    network = CompactMatchingNetwork(config)
    state = {key: value.float() for key, value in read_matching(path).items()}
    refuse_not_finite(state, path)
    if complaints := mismatches(network.state_dict(), state):
        raise CheckpointError(f'{path} does not fit {config.name}: ' + ' '.join(complaints))
    network.load_state_dict(state)
    if tuned is not None:
        network.load_state_dict(tuned_state(network, read_matching(tuned), tuned), strict=False)
    return network.eval()


def tuned_state(network: nn.Module, state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """What training.tune learned of a compact network. Raises CheckpointError."""
    refuse_not_finite(state, path)
    whole = network.state_dict()
    if complaints := mismatches({name: whole[name] for name in tuned_names(network)}, state):
        raise CheckpointError(f'{path} was not tuned for this network: ' + ' '.join(complaints))
    return state


def taught(options: argparse.Namespace) -> TaughtGraph:
    """Raises DataError, CheckpointError or ValueError, each one sentence."""
    source = source_of(options)
    support = support_of(source, options.frames)
    task = task_of(source, support)
    network, rows, windows = matching_network(options, task.channels)
    height, width = windows.size_px
    fitted = [letterboxed(sample, width, height) for sample in support]
    return TaughtGraph(network, task, arrays_of(task, fitted), rows, windows)


def main(arguments: list[str] | None = None) -> int:
    options = options_from(arguments)
    try:
        graph = taught(options).eval()
        images = check_images('drive', graph.windows.size_px, COMPARED, options.images)
    except ValueError as error:  # DataError and CheckpointError among them
        print(error, file=sys.stderr)
        return 2
    spec = taught_spec(graph, options.out.stem, options.version, current_commit())
    compact = isinstance(graph.network, CompactMatchingNetwork)
    write = write_taught if compact else write_onnx
    write(graph, spec, options.out, options.opset, about_from(options))
    if not options.no_check:
        add_self_test(options.out, spec, torch_answers(graph))
        check(graph, options.out, 0.0, images)
    print(f'{options.out}: {options.out.stat().st_size / 1e6:.1f} MB')
    return 0


if __name__ == '__main__':
    sys.exit(exit_status(main))
