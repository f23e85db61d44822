"""Lists bundled and local models: tasks, classes, size, scores, licence; writes their cards.

Models are searched in the package, in ~/.local/share/mtscene_ros/models and in $MTSCENE_MODELS.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.limits import text_of
from mtscene_ros.terminal import plural

if TYPE_CHECKING:
    from mtscene_ros.models.catalogue import Model

EXAMPLE = """mtscene models
mtscene models mine.onnx --json
mtscene models mine.onnx --scores scores.json --card"""
EXIT = '0 done, 1 if a file is not a model of mtscene_ros, 2 refused'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'places', nargs='*', type=Path, metavar='MODEL', help='files or folders; default: all'
    )
    parser.add_argument('--card', action='store_true', help='write NAME.md beside each model')
    parser.add_argument(
        '--scores',
        type=Path,
        metavar='JSON',
        help='scores of an evaluation to store in NAME.about.json beside the one model',
    )
    parser.add_argument('--json', action='store_true', help='print a list of objects')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.models import catalogue

    places = arguments.places or [p for p in catalogue.folders() if p.is_dir()]
    models, sentences = catalogue.found(places)
    if arguments.scores:
        models = [scored(models, arguments.scores)]
    if arguments.json:
        print(json.dumps([model.to_dict() for model in models]))
    for model in models:
        if not arguments.json:
            print(summary(model))
        if arguments.card:
            write_card(model)
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return int(bool(sentences))


def scored(models: list[Model], results: Path) -> Model:
    """Returns the model with the scores of an evaluation, and stores them beside it."""
    from mtscene_ros.models.about import numbers, sidecar_of

    if len(models) != 1:
        raise ValueError(
            f'--scores belong to one model, but {len(models)} were found; name its file.'
        )
    (model,) = models
    try:
        raw = json.loads(text_of(results))
    except (RecursionError, ValueError) as error:
        raise ValueError(f'{results} is not JSON ({type(error).__name__}: {error}).') from error
    scores = numbers(raw if isinstance(raw, dict) else {})
    if not scores:
        raise ValueError(f'{results} does not hold a JSON object with numbers.')
    about = replace(model.about, scores=scores)
    write_text(sidecar_of(model.path), about.to_json() + '\n')
    return replace(model, about=about)


def write_card(model: Model) -> None:
    from mtscene_ros.models.card import card

    path = model.path.with_suffix('.md')
    write_text(path, card(model))
    print(path, file=sys.stderr)


def summary(model: Model) -> str:
    """Returns a few lines about a model."""
    spec, about = model.spec, model.about
    origin = 'bundled' if model.is_bundled else str(model.path)
    tasks = [
        f'{task} ({plural(len(options["classes"]), "class", "classes")})'
        if 'classes' in options
        else task
        for task, options in spec.tasks.items()
    ]
    # One score for each task: the shortest name, then the first by alphabet.
    names = sorted(about.scores, key=lambda name: (name.count('.'), name))
    firsts = [next((n for n in names if n.startswith(f'{task}.')), '') for task in spec.tasks]
    brief = [f'{name} {about.scores[name]:.3g}' for name in firsts if name]
    lines = [
        f'{spec.name} {spec.version}  {origin}',
        f'  tasks:   {", ".join(tasks)}',
        f'  input:   {spec.width_px}x{spec.height_px} px, weights {model.precision}, '
        f'{model.size_bytes / 1e6:.1f} MB, sha256 {model.sha256[:12]}',
        f'  scores:  {", ".join(brief) or "none stored"}',
        f'  licence: {about.licence or "not stated"}',
    ]
    return '\n'.join(lines)
