"""Reads NumPy's .npy and .npz files of unknown origin: no pickle, bounded memory, one kind of
error whatever is wrong with them."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 4_000_000_000  # of all arrays of an .npz; compressed zeros take a thousandth of that

# The errors that NumPy, zipfile and zlib raise for damaged files.
DAMAGED = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Returns name → array. Raises OSError, and ValueError for a damaged or too large file."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise ValueError(f'its arrays take {size} bytes, more than {MAX_BYTES}')
        with np.load(path, allow_pickle=False) as stored:
            return {name: np.asarray(stored[name]) for name in stored.files}
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
