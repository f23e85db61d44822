"""Checkpoints that an interruption at any moment leaves whole."""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mtscene_ros.models import atomic_file


class CheckpointError(ValueError):
    """The file cannot be used; the message says why, one line per kind of trouble."""


# What torch's unpickler and its zip reader let through for damaged files.
DAMAGED = (
    ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError,
    MemoryError, OSError, RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile,
)  # fmt: skip


def read_file(path: Path, allowed: Sequence[Any] = ()) -> Any:
    """What torch.save wrote there, on the CPU. Runs no code of the file. allowed: further classes
    that it may hold.

    Raises CheckpointError for a file that is no checkpoint or holds more than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f'{path} does not exist; give the path of a checkpoint.')
    try:
        # A mapped file costs no memory for the parts that nobody reads.
        with torch.serialization.safe_globals(list(allowed)):
            is_zip = zipfile.is_zipfile(path)
            return torch.load(path, map_location='cpu', weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise CheckpointError(unsafe_sentence(path, error)) from None
    except DAMAGED as error:
        raise CheckpointError(
            f'{path} is no checkpoint that torch.load can read ({first_line(error)}); '
            'download or save it again.'
        ) from None


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Name → tensor. Raises CheckpointError."""
    try:
        return load_file(path)
    except (SafetensorError, *DAMAGED) as error:
        raise CheckpointError(
            f'{path} is no safetensors file ({first_line(error)}); download or save it again.'
        ) from None


def unsafe_sentence(path: Path, error: Exception) -> str:
    found = re.search(r'(?:GLOBAL|global|class) `?([\w.]+)', str(error))
    if found is None or 'invalid load key' in str(error).lower():
        return f'{path} is no checkpoint that torch.load can read; download or save it again.'
    return (
        f'{path} holds code or objects besides tensors ({found[1]}) and was not loaded; '
        'save its state_dict alone and import that.'
    )


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip('.')


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
    try:
        atomic_file.remove_leftovers(path)  # of a training that was killed
        with atomic_file.replacing(path) as partial_file:
            write(partial_file)
    except (OSError, RuntimeError, SafetensorError) as error:  # each has its own for a full disk
        raise OSError(
            f'{path} cannot be written ({str(error).splitlines()[0]}); free space on its disk and '
            'run again: training goes on from the last whole checkpoint.'
        ) from error


def restore(path: Path, learned: dict[str, Any]) -> dict[str, Any]:
    """Fills the parts and torch's RNG from a checkpoint → its counts (step, elapsed_s, ...).
    Raises CheckpointError."""
    state = read_file(path)
    for name, part in learned.items():
        if name in state:  # earlier checkpoints have no loss weights
            part.load_state_dict(state[name])
    if 'rng' in state:
        torch.set_rng_state(state['rng'])
    return {key: state[key] for key in ('step', 'elapsed_s', 'skipped', 'best') if key in state}
