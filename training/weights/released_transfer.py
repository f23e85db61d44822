"""Weights of a released checkpoint for the same network with other classes, tasks or input size.

A class keeps what the class of its name has learned and a task what the task of its name has;
what is new keeps the values of the fresh network. InvPT (ECCV 2022, section 3) numbers its tasks
and normalises their channels together, TaskPrompter (ICLR 2023, section 3.1) has one prompt per
task; everything else is shared or carries the name of its task.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mtscene_ros.terminal import listed, plural
from training.graphs.deploy_published import SEMANTIC
from training.networks.invpt import InvPTConfig
from training.networks.zoo import build_on_meta
from training.recipes import RECIPES, Recipe
from training.weights.checkpoint_store import CheckpointError
from training.weights.checkpoints import (
    complaint,
    dead_entries,
    recorded,
    resample_position,
    shape_of,
    structural_complaints,
)
from training.weights.released_files import ReleasedFile

State = dict[str, Tensor]
NUMBERED = re.compile(r'(.*\.(?:patch_embed|conv_proj_q|redu_chan\.\d+)\.)(\d+)(\..+)')
OF_ALL_TASKS = re.compile(r'.*\.norm_mts\.\d+\.(?:weight|bias)|backbone\.task_prompts')
OF_CLASSES = re.compile(r'(?:.*\.)?(?:intermediate_head|heads)\.semseg\.(?:linear_pred\.)?\w+')
READS_CLASSES = re.compile(r'.*\.mix_proj\.semseg\.0\.weight')
HEAD = re.compile(r'heads\.(\w+)\.')


@dataclass(frozen=True, slots=True)
class Rows:
    """New index → old index by name, -1 for what is new."""

    tasks: tuple[int, ...]
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StartingWeights:
    """weights: of the whole new network; said: what starts afresh and what is left out."""

    weights: State
    said: tuple[str, ...]


def started(
    fresh: Mapping[str, Tensor], recipe: Recipe, file: ReleasedFile, path: Path
) -> StartingWeights:
    """Returns what a checkpoint gives to the network of `recipe`; fresh: that network's weights.
    Raises CheckpointError where entries are missing or misshapen."""
    old = old_recipe(recipe, file)
    if old.encoder != recipe.encoder:
        raise CheckpointError(
            f'its encoder is {old.encoder or "that of the paper"}, not '
            f'{recipe.encoder or "that of the paper"}; give the same --encoder.'
        )
    state, config, old_config = dict(file.state), recipe.network_config, old.network_config
    for key in [key for key in state if dead_entries(old_config).match(key)]:
        del state[key]
    structural_complaints(build_on_meta(old_config), state)
    if isinstance(config, InvPTConfig) and isinstance(old_config, InvPTConfig):
        resample_position(state, config, old_config.grid)
    before = class_names(old, state)
    rows = Rows(places(recipe.tasks, old.tasks), places(names_of(recipe), before))
    weights, complaints = taken(fresh, state, recipe.tasks, old.tasks, rows)
    if complaints:
        raise CheckpointError(f'{path} does not fit the network: {" ".join(complaints)}')
    unused = state.keys() - build_on_meta(old_config).state_dict().keys()
    said = [*sentences(recipe, old, before), *unused_sentence(sorted(unused))]
    return StartingWeights(weights, tuple(said))


def old_recipe(recipe: Recipe, file: ReleasedFile) -> Recipe:
    """Returns the recipe of the checkpoint's network: as our training recorded it, else that of
    the paper with the tasks that have a head."""
    old = recorded(RECIPES[recipe.name], file.adapted)
    heads = {m[1] for key in file.state if (m := HEAD.match(key))}
    there = tuple(name for name in old.tasks if name in heads)
    if file.adapted or not there or there == old.tasks:
        return old
    return recorded(RECIPES[recipe.name], {'tasks': there})


def class_names(old: Recipe, state: State) -> tuple[str, ...]:
    """Returns the names of the checkpoint's semantic classes, () if nobody says them."""
    rows = [v.shape[0] for key, v in state.items() if OF_CLASSES.fullmatch(key)]
    known = names_of(old)
    return known if rows and rows[-1] == len(known) else ()


def names_of(recipe: Recipe) -> tuple[str, ...]:
    count = dict(recipe.network_config.tasks).get('semseg', 0)
    return tuple(c.name for c in recipe.classes or SEMANTIC.get(count, ()))


def places(new: tuple[str, ...], old: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(old.index(name) if name in old else -1 for name in new)


def taken(
    fresh: Mapping[str, Tensor],
    state: State,
    tasks: tuple[str, ...],
    old_tasks: tuple[str, ...],
    rows: Rows,
) -> tuple[State, list[str]]:
    """Returns the weights and complaints."""
    new_tasks = [name for name in tasks if name not in old_tasks]
    found, missing, misshapen = dict(fresh), [], []
    for key, value in fresh.items():
        source = source_of(key, rows)
        if not source or any(f'.{name}.' in key for name in new_tasks):
            continue
        if source not in state:
            missing.append(f'{key} {shape_of(value)}')
            continue
        moved = moved_rows(key, value, state[source], rows)
        if moved.shape == value.shape:
            found[key] = moved.float() if moved.is_floating_point() else moved
        else:
            misshapen.append(f'{key} is {shape_of(moved)}, not {shape_of(value)}')
    return found, complaint('missing', missing) + complaint('misshapen', misshapen)


def source_of(key: str, rows: Rows) -> str:
    """Returns the checkpoint's name of an entry, '' for one of a new task."""
    numbered = NUMBERED.fullmatch(key)
    if numbered is None:
        return key
    was = rows.tasks[int(numbered[2])]
    return f'{numbered[1]}{was}{numbered[3]}' if was >= 0 else ''


def moved_rows(key: str, fresh: Tensor, old: Tensor, rows: Rows) -> Tensor:
    """Returns an entry with the rows of the new tasks or classes, or as it is."""
    if OF_ALL_TASKS.fullmatch(key):
        return by_rows(fresh, old, rows.tasks)
    if OF_CLASSES.fullmatch(key):
        return by_rows(fresh, old, rows.classes)
    if READS_CLASSES.fullmatch(key):  # features, then the classes that are mixed with them
        width = fresh.shape[1] - len(rows.classes)
        read = by_rows(fresh.transpose(0, 1)[width:], old.transpose(0, 1)[width:], rows.classes)
        return torch.cat([old[:, :width], read.transpose(0, 1)], 1)
    return old


def by_rows(fresh: Tensor, old: Tensor, rows: tuple[int, ...]) -> Tensor:
    """Returns `fresh` with the groups of rows that are known; `old` where they do not fit."""
    group = fresh.shape[0] // max(1, len(rows))
    if fresh.shape[1:] != old.shape[1:] or old.shape[0] < group * (max(rows, default=-1) + 1):
        return old
    found = fresh.clone()
    for new, was in enumerate(rows):
        if was >= 0:
            found[new * group : (new + 1) * group] = old[was * group : (was + 1) * group]
    return found


def sentences(recipe: Recipe, old: Recipe, before: tuple[str, ...]) -> list[str]:
    """Says which classes and tasks start afresh and which are left out."""
    said = []
    names = names_of(recipe)
    new = [name for name in names if name not in before]
    if new and not before and 'semseg' in old.tasks:
        count = plural(len(names), 'class', 'classes')
        said.append(f"semantic: nobody says the checkpoint's classes; {count} start afresh.")
    elif new and before:
        kept = [name for name in names if name in before]
        known = f'{listed(kept)} by the same name' if kept else 'none of the same name'
        said.append(
            f'semantic: {len(kept)} of {plural(len(names), "class", "classes")} keep what the '
            f'checkpoint knows, {known}; {len(new)} {"starts" if len(new) == 1 else "start"} '
            'afresh.'
        )
    for title, first, second in (
        ('start afresh', recipe.tasks, old.tasks),
        ('the checkpoint has and the network has not', old.tasks, recipe.tasks),
    ):
        different = [name for name in first if name not in second]
        if different:
            said.append(f'Tasks that {title}: {listed(different)}.')
    return said


def unused_sentence(unused: list[str]) -> list[str]:
    if not unused:
        return []
    count = plural(len(unused), 'entry', 'entries')
    return [f'{count} of the checkpoint left out, which the network lacks: {listed(unused, 3)}.']
