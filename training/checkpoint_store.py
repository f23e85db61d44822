"""Checkpoints that an interruption at any moment leaves whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def save(path: Path, state: dict[str, Any]) -> None:
    """Either the old file or the whole new one is there, whatever happens."""
    partial_file = path.with_suffix('.partial')
    with partial_file.open('wb') as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial_file, path)


def restore(path: Path, learned: dict[str, Any]) -> dict[str, Any]:
    """Fills the parts and torch's RNG from a checkpoint → its counts (step, elapsed_s, ...)."""
    state = torch.load(path, map_location='cpu', weights_only=True)
    for name, part in learned.items():
        if name in state:  # earlier checkpoints have no loss weights
            part.load_state_dict(state[name])
    if 'rng' in state:
        torch.set_rng_state(state['rng'])
    return {key: state[key] for key in ('step', 'elapsed_s', 'skipped', 'best') if key in state}
