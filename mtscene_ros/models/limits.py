"""How much memory a file may take, before it takes it: compressed zeros fit a thousand times over.

Each limit is an environment variable, since every program that opens files obeys it.
"""

from __future__ import annotations

import codecs
import os
from pathlib import Path

# Variable → its default and what it limits (docs/security.md).
LIMITS: dict[str, tuple[float, str]] = {
    'MTSCENE_MAX_CHUNK_MB': (256.0, 'a decompressed chunk or message of a recording'),
    'MTSCENE_MAX_FILE_MB': (65536.0, 'a decompressed file of a recording, on disk'),
    'MTSCENE_MAX_IMAGE_MPX': (64.0, 'an image in a file or recording'),
    'MTSCENE_MAX_ARRAYS_MB': (4000.0, 'the arrays of an .npz file that are read'),
    'MTSCENE_MAX_TEXT_MB': (256.0, 'a YAML, JSON or CSV file'),
}


class LimitError(ValueError):
    """Something is larger than its limit; one sentence with the variable that raises it."""


def limit(variable: str) -> float:
    """Returns the limit. Raises LimitError for a variable that is not a positive number."""
    given = os.environ.get(variable, '')
    if not given:
        return LIMITS[variable][0]
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0 < value < float('inf'):
        raise LimitError(f'{variable} is {given[:40]!r}; it must be a positive number.')
    return value


def max_bytes(variable: str) -> int:
    """Returns a limit in bytes of one in MB."""
    return int(1e6 * limit(variable))


def text_of(path: Path) -> str:
    """Reads a text file in UTF-8, or in UTF-16 with its mark, as Excel writes it. Raises OSError,
    and ValueError for another encoding or a large file."""
    check(path.stat().st_size, 'MTSCENE_MAX_TEXT_MB', str(path))
    raw = path.read_bytes()
    is_wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode('utf-16' if is_wide else 'utf-8-sig').replace('\r\n', '\n')


def check(size: int, variable: str, what: str) -> None:
    """Raises LimitError where `size` bytes are more than the limit in MB."""
    if size > max_bytes(variable):
        raise LimitError(
            f'{what} takes {size / 1e6:.0f} MB, more than the {limit(variable):g} MB that '
            f'{variable} allows; raise it if you trust the file.'
        )
