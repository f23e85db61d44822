"""Checkpoints that an interruption at any moment leaves whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save(path: Path, state: dict[str, Any]) -> None:
    """Either the old file or the whole new one is there, whatever happens. Raises OSError."""
    write_whole(path, lambda partial_file: torch.save(state, partial_file))


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """The same as safetensors."""
    contiguous = {name: tensor.contiguous() for name, tensor in weights.items()}
    write_whole(path, lambda partial_file: save_file(contiguous, partial_file))


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """write: fills the file that it is given. Raises OSError where the disk is full, and leaves
    nothing then."""
    partial_file = path.with_suffix(path.suffix + '.partial')
    try:
        write(partial_file)
        with partial_file.open('rb') as file:
            os.fsync(file.fileno())
        os.replace(partial_file, path)
    except (OSError, RuntimeError, SafetensorError) as error:  # each has its own for a full disk
        raise OSError(
            f'{path} cannot be written ({str(error).splitlines()[0]}); free space on its disk and '
            'run again: training goes on from the last whole checkpoint.'
        ) from error
    finally:
        partial_file.unlink(missing_ok=True)


def restore(path: Path, learned: dict[str, Any]) -> dict[str, Any]:
    """Fills the parts and torch's RNG from a checkpoint → its counts (step, elapsed_s, ...)."""
    state = torch.load(path, map_location='cpu', weights_only=True)
    for name, part in learned.items():
        if name in state:  # earlier checkpoints have no loss weights
            part.load_state_dict(state[name])
    if 'rng' in state:
        torch.set_rng_state(state['rng'])
    return {key: state[key] for key in ('step', 'elapsed_s', 'skipped', 'best') if key in state}
