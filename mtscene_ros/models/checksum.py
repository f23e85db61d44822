"""Checksums of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

CHUNK_BYTES = 1 << 20


def sha256_of(*paths: Path) -> str:
    """SHA-256 of the files' content, one after the other, as hexadecimal digits. Raises
    OSError."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open('rb') as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
