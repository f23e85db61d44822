"""Reads weights from any kind of file that the training writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from mtscene_ros.types import SemanticClass
from training.config import CONFIGS, CompactConfig, OwnTask, resized
from training.graphs.deploy import DeployGraph, merge_branches
from training.networks.decoders import compact_network, load_weights
from training.weights.checkpoint_store import (
    CheckpointError,
    read_file,
    read_safetensors,
    refuse_not_finite,
)
from training.weights.released_files import is_state

FOLDER = Path(__file__).parent


def weights_path(name: str) -> Path:
    """Returns the file itself or the bundled weights of that name. Raises FileNotFoundError."""
    bundled = FOLDER / f'{name}.safetensors'
    if Path(name).is_file():
        return Path(name)
    if bundled.is_file():
        return bundled
    there = ', '.join(sorted(path.stem for path in FOLDER.glob('*.safetensors')))
    raise FileNotFoundError(f'There are no weights {name!r}; give a file or one of {there}.')


def read_weights(path: Path) -> tuple[CompactConfig, dict[str, Tensor]]:
    """Reads configuration and averaged weights of a checkpoint or of NAME.safetensors. Raises
    CheckpointError."""
    if path.suffix == '.safetensors':
        weights = {name: value.float() for name, value in read_safetensors(path).items()}
        refuse_not_finite(weights, path)
        return config_of({'config': path.stem}, path), weights
    state = read_file(path)
    if not isinstance(state, dict) or not is_state(state.get('average')):
        raise CheckpointError(
            f'{path} is no checkpoint of training.train or training.adapt; released checkpoints '
            'of InvPT and TaskPrompter become models by `python -m training.import_checkpoint`, '
            'and are adapted by `training.adapt --model NAME`.'
        )
    refuse_not_finite(state['average'], path)
    return config_of(state, path), state['average']


def config_of(state: dict[str, Any], path: Path) -> CompactConfig:
    """Returns the configuration of a checkpoint, adapted or not. Raises CheckpointError for one
    that is not compact."""
    config = CONFIGS.get(str(state.get('config')))
    if config is None:
        raise CheckpointError(
            f'{path} is a checkpoint of {state.get("config")}, not of a compact network; those '
            f'are {", ".join(CONFIGS)}.'
        )
    found = state.get('adapted')
    if found is None:
        return config
    own = tuple(
        OwnTask(row['name'], table(row['classes']), row['mean'], row['deviation'])
        for row in found['own_tasks']
    )
    return replace(
        config,
        classes=table(found['classes']),
        tasks=tuple(found['tasks']),
        class_weights=tuple(found['class_weights']),
        own_tasks=own,
        box_classes=table(found['box_classes']) if 'box_classes' in found else config.box_classes,
    )


def table(rows: Iterable[dict[str, Any]]) -> tuple[SemanticClass, ...]:
    return tuple(SemanticClass(r['id'], r['name'], tuple(r['color_rgb'])) for r in rows)


def graph_from_checkpoint(path: Path, size_px: tuple[int, int] | None = None) -> DeployGraph:
    """Builds the graph in evaluation mode with the averaged weights of a checkpoint or of
    CONFIG.safetensors; size_px: height and width if they differ from those of the training."""
    config, weights = read_weights(path)
    if size_px is not None:
        config = resized(config, *size_px)
    network = compact_network(config)
    load_weights(network, weights)
    merge_branches(network.encoder)
    return DeployGraph(network, config).eval()
