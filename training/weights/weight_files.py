"""Reads weights from any kind of file that the training writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from mtscene_ros.types import SemanticClass
from training.config import CONFIGS, CompactConfig, OwnTask
from training.weights.checkpoint_store import read_file, read_safetensors


def read_weights(path: Path) -> tuple[CompactConfig, dict[str, Tensor]]:
    """Reads configuration and averaged weights of a checkpoint or of NAME.safetensors."""
    if path.suffix == '.safetensors':
        weights = {name: value.float() for name, value in read_safetensors(path).items()}
        return config_of({'config': path.stem}), weights
    state = read_file(path)
    return config_of(state), state['average']


def config_of(state: dict[str, Any]) -> CompactConfig:
    """Returns the configuration of a checkpoint, adapted or not."""
    config = CONFIGS[state['config']]
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
    )


def table(rows: Iterable[dict[str, Any]]) -> tuple[SemanticClass, ...]:
    return tuple(SemanticClass(r['id'], r['name'], tuple(r['color_rgb'])) for r in rows)
