"""Writes a model card: Markdown from what a model file states about itself and its scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mtscene_ros.models.catalogue import Model
from mtscene_ros.terminal import plural

NOT_STATED = 'not stated'


def card(model: Model) -> str:
    """Returns the card."""
    spec, about = model.spec, model.about
    rows = [
        ('version', spec.version),
        ('licence', about.licence or NOT_STATED),
        ('file', f'{model.path.name}, {model.size_bytes / 1e6:.1f} MB, {model.precision}'),
        ('sha256', f'`{model.sha256}`'),
        ('training code', spec.commit),
        ('input', f'RGB, {spec.width_px}x{spec.height_px} px'),
        ('trained on', about.trained_on or NOT_STATED),
    ]
    parts = [
        f'# {spec.name} {spec.version}',
        'Made by `mtscene models --card` from the model file and NAME.about.json; do not edit.',
        table(('', ''), rows),
        '## Tasks',
        *(f'- **{task}**: {described(options)}' for task, options in spec.tasks.items()),
        '## Scores',
        scores(model),
        '## Use',
        f'Intended: {about.intended_use or NOT_STATED}',
        f'Limits: {about.limits or NOT_STATED}',
        f'Start it: `mtscene run --image /camera/image_raw --model {model.path.name}`',
    ]
    return '\n\n'.join(parts).replace('\n\n- ', '\n- ').replace('Tasks\n- ', 'Tasks\n\n- ') + '\n'


def scores(model: Model) -> str:
    if not model.about.scores:
        return 'None stored: `mtscene models MODEL --scores RESULTS.json --card`.'
    rows = [(name, f'{value:.4g}') for name, value in sorted(model.about.scores.items())]
    return f'{model.about.scored_on or "On data that is not stated"}\n\n' + table(
        ('score', 'value'), rows
    )


def described(options: Mapping[str, Any]) -> str:
    """Returns the classes and the other options of a task."""
    names = [str(c['name']) for c in options.get('classes', ())]
    parts = [f'{plural(len(names), "class", "classes")} ({", ".join(names)})'] if names else []
    parts += [f'{key} {value}' for key, value in options.items() if key != 'classes']
    return '; '.join(parts) or 'no options'


def table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f'| {head[0]} | {head[1]} |', '|---|---|']
    return '\n'.join([*lines, *(f'| {name} | {value} |' for name, value in rows)])
