"""Reads NumPy's .npy and .npz files of unknown origin: no pickle, bounded memory, one kind of
error whatever is wrong with them."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.models.limits import check

ARRAYS = 'MTSCENE_MAX_ARRAYS_MB'  # compressed zeros take a thousandth of their size

# The errors that NumPy, zipfile and zlib raise for damaged files.
DAMAGED = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_npz(path: Path, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Returns name → array for those of the names that the file holds; no other is read.

    Raises OSError, and ValueError for a damaged or too large file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        wanted = [entry for entry in entries if entry.filename.removesuffix('.npy') in names]
        check(sum(entry.file_size for entry in wanted), ARRAYS, f'{path.name}: what is read of it')
        with np.load(path, allow_pickle=False) as stored:
            return {name: np.asarray(stored[name]) for name in stored.files if name in names}
    except DAMAGED as error:
        raise ValueError(first_line(error)) from None


def read_npy(path: Path) -> NDArray[Any]:
    """Returns the array. Raises OSError, and ValueError for a file that is not an .npy."""
    try:
        # Mapping checks that the file is as long as its header says before memory is allocated.
        mapped = np.load(path, mmap_mode='r', allow_pickle=False)
        if not isinstance(mapped, np.ndarray):
            mapped.close()
            raise ValueError('it is an archive of several arrays')
        return np.array(mapped)
    except DAMAGED as error:
        raise ValueError(first_line(error)) from None


def first_line(error: BaseException) -> str:
    """Returns the first line of an error, shortened to fit into a sentence."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip('.')[:200]
