"""Teaches a trained network new classes or another dense task from a few frames.

    python -m training.adapt my_frames.yaml --out runs/mine
    python -m training.export runs/mine/last.pt mine.onnx --version 1
    python -m training.adapt --statistics RECORDING... --out runs/mine
    python -m training.adapt --unlabelled RECORDING... --out runs/mine

    python -m training.adapt my_frames.yaml --weights InvPT.pth --model invpt_vitb_nyud --out ...

`--statistics` and `--unlabelled` need no labels; `--statistics x --help` and `--unlabelled x
--help` show their options. A network of the papers is fine-tuned as a whole, by its recipe. A
compact one learns the tasks for which the manifest has labels; distillation from the frozen
original keeps the other tasks, and boxes of classes without labels, as they were, and the encoder
stays unchanged unless --encoder is given. Prints the scores of the `val` frames before and after.
Stopped at any moment, the same command goes on; last.pt and best.pt are there.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mtscene_ros.cli.arguments import positive
from mtscene_ros.datasets.class_tables import lonely_class
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.terminal import exit_status, listed
from mtscene_ros.types import UNLABELED
from training import train
from training.config import CompactConfig
from training.data import manifest_samples
from training.data.augment import letterboxed
from training.data.by_name import IdsByName, Tables, ids_by_name
from training.data.sample import Sample
from training.evaluate import scores_of
from training.graphs.deploy import DeployGraph
from training.learn.adapting import adapted_config, class_mixture
from training.learn.holding import Held, Tasks, tasks_of
from training.learn.learning import Learning, build_learning
from training.learn.learning_compact import defaults, tables_of
from training.learn.loader import Frame
from training.learn.loop import Data, Scores, fingerprint_of, run, to_folder
from training.learn.processes import device_of_this_process, rank_and_world
from training.learn.run_options import add_run_options
from training.learn.transfer import transferred_weights
from training.networks.decoders import compact_network
from training.recipes import RECIPES
from training.unlabelled import fold_statistics, learn_recordings
from training.weights.checkpoint_store import CheckpointError
from training.weights.released_files import read_record
from training.weights.weight_files import read_weights

DEMO_WEIGHTS = Path(__file__).parent / 'weights' / 'drive_lite.safetensors'
# Adaptation without labels has options of its own.
WITHOUT_LABELS = {
    '--statistics': fold_statistics.main,
    '--unlabelled': learn_recordings.main,
}
BATCH = 4  # frames per step
ENCODER_RATE = 0.1  # learning rate of the encoder relative to the rest
SEEN = 256  # frames at most from which classes, tasks and mixtures are taken
DEFAULTS = {'learning_rate': 5e-4, 'warm_up': 20, 'ema': 0.0, 'save_every': 100}


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('manifest', type=Path)
    parser.add_argument(
        '--weights',
        type=Path,
        default=DEMO_WEIGHTS,
        help='checkpoint to start from; default: the demo model',
    )
    parser.add_argument(
        '--model',
        choices=RECIPES,
        metavar='NAME',
        help='the network of a checkpoint that the authors released, or others with their code',
    )
    parser.add_argument(
        '--tasks', nargs='+', help="of a paper's network; default: those of its paper"
    )
    parser.add_argument(
        '--size-px', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), help='input size (InvPT)'
    )
    parser.add_argument('--frames', type=int, help='use only the first frames of `train`')
    parser.add_argument('--steps', type=positive, default=400)
    parser.add_argument(
        '--encoder',
        action='store_true',
        help='train the encoder too, at a tenth of the learning rate',
    )
    parser.add_argument(
        '--scratch', action='store_true', help='train without the old weights, for comparison'
    )
    add_run_options(parser)
    parser.set_defaults(threads=2, workers=0)
    return parser.parse_args(arguments)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where an adaptation begins. old: configuration and weights of the original; samples: those
    of the first training frames, with the ids of the new network."""

    config: CompactConfig
    old_config: CompactConfig
    old: dict[str, torch.Tensor]
    ids: IdsByName
    samples: list[Sample]
    tasks: Tasks


def start_of(options: argparse.Namespace, names: list[str]) -> Start:
    """Matches the manifest with the network and says what becomes of classes and tasks. Raises
    ValueError."""
    samples = [manifest_samples.read(options.manifest, name) for name in names[:SEEN]]
    tables = manifest_samples.tables(options.manifest)
    old_config, old = read_weights(options.weights)
    config, said = adapted_config(old_config, tables, samples)
    rate = 1.0 if options.scratch else ENCODER_RATE
    config = replace(config, batch=BATCH, encoder_rate=rate)
    ids = ids_by_name(tables, tables_of(config), options.manifest)
    samples = [ids.applied(sample) for sample in samples]
    for sentence in (*said, *warnings_of(tables, samples)):
        print(sentence, file=sys.stderr)
    return Start(
        config, old_config, old, ids, samples, tasks_of(config, old_config, samples, tables)
    )


def warnings_of(tables: Tables, samples: list[Sample]) -> list[str]:
    """Returns sentences about labels that teach nothing."""
    found = []
    if any((s.labels != UNLABELED).any() for s in samples):
        found += lonely_class('semantic', tables.semantic)
    for name, classes in tables.maps.items():
        found += lonely_class(name, classes)
    return found


def learning_of(start: Start, options: argparse.Namespace) -> Learning:
    """Returns the state of the run: the new network with what the old one knows."""
    device = device_of_this_process(options.threads)
    torch.manual_seed(options.seed)
    teacher = compact_network(start.old_config)
    teacher.load_state_dict(start.old)
    teacher.eval().requires_grad_(False)
    learning = build_learning(start.config, device, 1)
    if options.scratch:
        return learning
    mixture = None
    if start.config.classes != start.old_config.classes:
        size = start.config.width_px, start.config.height_px
        fitted = [letterboxed(s, *size) for s in start.samples]
        graph = DeployGraph(teacher, start.old_config)
        mixture = class_mixture(graph, fitted, start.config.classes)
    for network in (learning.network, learning.average):
        fresh = network.state_dict()
        network.load_state_dict(
            transferred_weights(fresh, start.old, start.config, start.old_config, mixture)
        )
    encoder = learning.network.encoder
    assert isinstance(encoder, nn.Module)
    encoder.requires_grad_(options.encoder)
    return replace(learning, held=Held(teacher.to(device), start.tasks))


def adapt(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the whole adaptation. Returns the scores before and after and the duration in
    minutes."""
    if options.tasks or options.size_px:
        raise ValueError("--tasks and --size-px are for the papers' networks; leave them out.")
    if rank_and_world()[1] > 1:
        raise ValueError('training.adapt runs in one process; start it without torchrun.')
    names = manifest_samples.names(options.manifest, 'train')
    if options.frames and options.frames > len(names):
        print(
            f'--frames {options.frames}: the split train has only {len(names)}.', file=sys.stderr
        )
    names = names[: options.frames]
    start = start_of(options, names)
    options.freeze_batch_norm = not options.scratch  # a few frames are too few to estimate them
    for name, value in (DEFAULTS | defaults(start.config)).items():
        if getattr(options, name, None) is None:
            setattr(options, name, DEFAULTS.get(name, value))
    to_folder(options.out)
    learning = learning_of(start, options)
    val = val_frames(start.ids, options)
    frames = [Frame(manifest_samples, options.manifest, name, start.ids) for name in names]
    fingerprint = fingerprint_of('manifest', f'train[:{options.frames}]', frames)

    def score(now: Learning) -> Scores:
        graph = DeployGraph(copy.deepcopy(now.average).cpu(), start.config).eval()
        found: Scores = scores_of(graph, val) if val else {}
        return found

    before = first_scores(score, learning, options)
    counts = run(learning, Data(frames, fingerprint, val, score), options)
    minutes = counts['elapsed_s'] / 60
    about = {'frames': len(names), 'steps': options.steps, 'minutes': round(minutes, 2)}
    about |= {'taught': start.tasks.labelled, 'held': start.tasks.held}
    return {**about, 'before': before, 'after': score(learning)}


def adapt_published(options: argparse.Namespace, model: str) -> dict[str, Any]:
    """Fine-tunes a paper's network by its recipe. Returns what `adapt` does."""
    if options.scratch or options.encoder:
        raise ValueError(f'--scratch and --encoder are for compact networks, not for {model}.')
    wanted = [model, '--data-set', 'manifest', '--data', str(options.manifest)]
    wanted += ['--weights', str(options.weights), '--out', str(options.out)]
    if 'val' in manifest_samples.splits(options.manifest):
        wanted += ['--val', str(options.manifest)]
    training = train.options_from(wanted)
    _, before_it = read_record(options.weights)
    for name in ('tasks', 'size_px', 'encoder'):  # of a network that was fine-tuned already
        setattr(training, name, before_it.get(name) or getattr(training, name))
    for name, value in vars(options).items():
        if hasattr(training, name) and value is not None and name != 'encoder':
            setattr(training, name, value)
    learning, data = train.prepared(training)
    frames = data.frames[: options.frames]
    fingerprint = fingerprint_of('manifest', f'train[:{options.frames}]', frames)
    data = replace(data, frames=frames, fingerprint=fingerprint)

    def score(now: Learning) -> Scores:
        return data.score(now) if data.score else {}

    before = first_scores(score, learning, options)
    counts = run(learning, data, training)
    minutes = round(counts['elapsed_s'] / 60, 2)
    about = {'frames': len(frames), 'steps': options.steps, 'minutes': minutes}
    return {**about, 'before': before, 'after': score(learning)}


def published_model(options: argparse.Namespace) -> str | None:
    """Returns the recipe of the checkpoint's network, None for a compact one. Raises
    CheckpointError for a checkpoint that does not say what it is."""
    if options.model:
        return str(options.model)
    if options.weights.suffix == '.safetensors':
        return None
    name, _ = read_record(options.weights)
    if not name:
        raise CheckpointError(
            f'{options.weights} does not say which network it is of; add --model, such as '
            f'{listed([n for n in RECIPES if n[:5] != "tiny_"], 4)}.'
        )
    return name if name in RECIPES else None


def first_scores(score: Any, learning: Learning, options: argparse.Namespace) -> Any:
    """Returns the scores before the first step, also of a run that resumes."""
    path = options.out / 'before.json'
    if not (options.out / 'last.pt').exists():
        write_text(path, json.dumps(score(learning)))
    return json.loads(path.read_text()) if path.is_file() else {}


def val_frames(ids: IdsByName, options: argparse.Namespace) -> list[Frame]:
    """Returns the manifest's `val` frames; says so if it has none."""
    try:
        names = manifest_samples.names(options.manifest, 'val')
    except DataError as error:
        print(
            f'{error} Nothing measures this training; give frames "split: val".', file=sys.stderr
        )
        return []
    return [Frame(manifest_samples, options.manifest, name, ids) for name in names]


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    for flag, program in WITHOUT_LABELS.items():
        if flag in (sys.argv[1:] if arguments is None else arguments):
            return {'model': str(program(arguments))}
    options = options_from(arguments)
    model = published_model(options)
    found = adapt_published(options, model) if model else adapt(options)
    text = json.dumps(found, indent=2)
    write_text(options.out / 'adapted.json', text + '\n')
    print(text)
    return found


if __name__ == '__main__':
    sys.exit(exit_status(main))
