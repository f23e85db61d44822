"""A model card: Markdown from what a model file says about itself, and its evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mtscene_ros.models.catalogue import Model
from mtscene_ros.terminal import quantity

NOT_SAID = 'not stated'


def card(model: Model) -> str:
    """The whole text."""
    spec, about = model.spec, model.about
    rows = [
        ('version', spec.version),
        ('licence', about.licence or NOT_SAID),
        ('file', f'{model.path.name}, {model.size_bytes / 1e6:.1f} MB, {model.precision}'),
        ('sha256', f'`{model.sha256}`'),
        ('training code', spec.commit),
        ('input', f'RGB, {spec.width_px}x{spec.height_px} px'),
        ('trained on', about.trained_on or NOT_SAID),
    ]
    parts = [
        f'# {spec.name} {spec.version}',
        'Made by `mtscene models --card` from the file and what is beside it; do not edit.',
        table(('', ''), rows),
        '## Tasks',
        *(f'- **{task}**: {described(options)}' for task, options in spec.tasks.items()),
        '## Scores',
        scores(model),
        '## Use',
        f'Intended: {about.intended_use or NOT_SAID}',
        f'Limits: {about.limits or NOT_SAID}',
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
    """Classes and the numbers of a task's options."""
    names = [str(c['name']) for c in options.get('classes', ())]
    told = [f'{quantity(len(names), "class", "classes")} ({", ".join(names)})'] if names else []
    told += [f'{key} {value}' for key, value in options.items() if key != 'classes']
    return '; '.join(told) or 'no options'


def table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f'| {head[0]} | {head[1]} |', '|---|---|']
    return '\n'.join([*lines, *(f'| {name} | {value} |' for name, value in rows)])
