"""Checkpoint files that stay complete when a write is interrupted at any moment."""

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
    """A file cannot be used; the message says why, one line per kind of problem."""


# Exceptions that torch's unpickler and zip reader raise for damaged files.
DAMAGED = (
    ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError,
    MemoryError, OSError, RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile,
)  # fmt: skip


def read_file(path: Path, allowed: Sequence[Any] = ()) -> Any:
    """Reads what torch.save wrote, on the CPU, without running code from the file. allowed:
    classes that the file may hold besides tensors.

    Raises CheckpointError for a file that is no checkpoint or holds more than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f'{path} does not exist; give the path of a checkpoint.')
    try:
        # A mapped file costs no memory for parts that are never read.
        with torch.serialization.safe_globals(list(allowed)):
            is_zip = zipfile.is_zipfile(path)
            return torch.load(path, map_location='cpu', weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise CheckpointError(unsafe_sentence(path, error)) from None
    except DAMAGED as error:
        raise CheckpointError(
            f'{path} is not a checkpoint that torch.load can read ({first_line(error)}); '
            'download or save it again.'
        ) from None


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Reads tensors by name. Raises CheckpointError."""
    try:
        return load_file(path)
    except (SafetensorError, *DAMAGED) as error:
        raise CheckpointError(
            f'{path} is not a safetensors file ({first_line(error)}); download or save it again.'
        ) from None


def refuse_not_finite(state: Mapping[str, Tensor], path: Path) -> None:
    """Raises CheckpointError for weights with NaN or infinity; names the first tensor."""
    broken = [
        name
        for name, value in state.items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]
    if broken:
        more = f', nor are {len(broken) - 1} more' if len(broken) > 1 else ''
        raise CheckpointError(
            f'{path}: the values of {broken[0]} are not all finite{more}: the training that wrote '
            'them had diverged; take an earlier checkpoint.'
        )


def unsafe_sentence(path: Path, error: Exception) -> str:
    found = re.search(r'(?:GLOBAL|global|class) `?([\w.]+)', str(error))
    if found is None or 'invalid load key' in str(error).lower():
        return f'{path} is not a checkpoint that torch.load can read; download or save it again.'
    return (
        f'{path} holds code or objects besides tensors ({found[1]}) and was not loaded; '
        'save its state_dict alone and import that.'
    )


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip('.')


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint so that always the old or the new file exists. Raises OSError."""
    write_whole(path, lambda partial_file: torch.save(state, partial_file))


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Does the same in the safetensors format."""
    contiguous = {name: tensor.contiguous() for name, tensor in weights.items()}
    write_whole(path, lambda partial_file: save_file(contiguous, partial_file))


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file completely or not at all; write: fills the path that it is given.

    Raises OSError if the disk is full, and leaves no partial file.
    """
    try:
        atomic_file.remove_leftovers(path)  # of a training that was killed
        with atomic_file.replacing(path) as partial_file:
            write(partial_file)
    except (
        OSError,
        RuntimeError,
        SafetensorError,
    ) as error:  # each raises its own for a full disk
        raise OSError(
            f'{path} cannot be written ({str(error).splitlines()[0]}); free space on its disk and '
            'run again: training resumes from the last complete checkpoint.'
        ) from error


def restore(path: Path, learned: dict[str, Any]) -> dict[str, Any]:
    """Restores the parts and torch's RNG from a checkpoint. Returns its counts (step, elapsed_s,
    ...). Raises CheckpointError."""
    state = read_file(path)
    for name, part in learned.items():
        if name in state:  # earlier checkpoints lack loss weights
            part.load_state_dict(state[name])
    if 'rng' in state:
        torch.set_rng_state(state['rng'])
    counts = ('step', 'elapsed_s', 'skipped', 'best', 'since_best')
    return {key: state[key] for key in counts if key in state}
