"""Lists models: tasks, classes, size, scores, licence; writes their cards, downloads hosted ones.

Models are searched in the package, in ~/.local/share/mtscene_ros/models and in $MTSCENE_MODELS.
`mtscene models get NAME` downloads one of an index, a JSON file that somebody hosts, into the
second folder; docs/howto/own-model.md describes it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.limits import text_of
from mtscene_ros.terminal import plural

if TYPE_CHECKING:
    from mtscene_ros.models.catalogue import Model
    from mtscene_ros.models.model_index import HostedModel

EXAMPLE = """mtscene models
mtscene models get yard --index https://models.example.org/index.json
mtscene models mine.onnx --json
mtscene models mine.onnx --scores scores.json --card"""
GET = Path('get')
EXIT = '0 done, 1 if a file is no model of mtscene_ros or the index cannot be read, 2 refused'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'places',
        nargs='*',
        type=Path,
        metavar='MODEL',
        help='files or folders, default: all; or the word get and names of the index',
    )
    parser.add_argument(
        '--index',
        default='',
        metavar='ADDRESS',
        help='file or http(s)://; default: $MTSCENE_INDEX',
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

    if arguments.places[:1] == [GET]:
        return get([str(name) for name in arguments.places[1:]], arguments)
    hosted, unread = listed(arguments)
    places = arguments.places or [p for p in catalogue.folders() if p.is_dir()]
    models, sentences = catalogue.found(places)
    sentences += unread
    if arguments.scores:
        models = [scored(models, arguments.scores)]
    if arguments.json:
        print(json.dumps([*(m.to_dict() for m in models), *map(asdict, hosted)]))
    for model in models:
        if not arguments.json:
            print(summary(model))
        if arguments.card:
            write_card(model)
    for entry in hosted if not arguments.json else ():
        print(hosted_summary(entry))
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return int(bool(sentences))


def listed(arguments: argparse.Namespace) -> tuple[list[HostedModel], list[str]]:
    """Returns what the index offers where all models are listed, or a sentence why not."""
    from mtscene_ros.models.download import DownloadError
    from mtscene_ros.models.model_index import index_address, read_index

    address = index_address(arguments.index)
    if arguments.places or not address:
        return [], []
    try:
        return list(read_index(address).values()), []
    except DownloadError as error:
        return [], [str(error)]


def get(names: list[str], arguments: argparse.Namespace) -> int:
    """Downloads models of the index into the user's folder."""
    from mtscene_ros.models import catalogue
    from mtscene_ros.models.download import download
    from mtscene_ros.models.model_index import VARIABLE, index_address, read_index

    address = index_address(arguments.index)
    if not address:
        raise ValueError(f'There is no index of models; name one with --index or ${VARIABLE}.')
    index = read_index(address)
    unknown = [name for name in names if name not in index]
    if unknown or not names:
        wrong = f'no model {", ".join(unknown)}' if unknown else 'these models'
        raise ValueError(f'The index {address} has {wrong}: {", ".join(index) or "none"}.')
    paths = []
    for entry in (index[name] for name in names):
        path = catalogue.folders()[1] / f'{entry.name}.onnx'
        download(entry.url, path, entry.size_bytes, entry.sha256)
        paths.append(path)
    models, sentences = catalogue.found(paths)
    print(
        json.dumps([model.to_dict() for model in models])
        if arguments.json
        else '\n'.join(map(summary, models))
    )
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return int(bool(sentences))


def hosted_summary(entry: HostedModel) -> str:
    """Returns a few lines about a model that is not here."""
    scores = ', '.join(f'{name} {value:.3g}' for name, value in entry.scores.items())
    return (
        f'{entry.name}  {entry.url}\n  {entry.size_bytes / 1e6:.1f} MB, sha256 '
        f'{entry.sha256[:12]}; `mtscene models get {entry.name}` downloads it\n'
        f'  scores:  {scores or "none stated"}\n  licence: {entry.licence or "not stated"}'
    )


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
