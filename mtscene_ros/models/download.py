"""Downloads a file whose size and checksum are known: bounded, resumed, checked.

A server may break off, be slow, or send something else; in no case does a file come into place
that is not the promised one. What has arrived stays beside it as NAME.part, and the next call
goes on from there.
"""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mtscene_ros.models.atomic_file import move_into_place
from mtscene_ros.models.checksum import CHUNK_BYTES, sha256_of
from mtscene_ros.terminal import Bar

SCHEMES = ('file', 'http', 'https')
SILENT_S = 30.0  # a server that sends nothing for longer has given up
PARTIAL = 206  # HTTP: the answer is the rest of the file


class DownloadError(OSError):
    """Something cannot be downloaded; the message is one sentence."""


def address_of(text: str) -> str:
    """Returns an address; a path becomes file://. Raises DownloadError for another scheme."""
    if '://' not in text:
        return Path(text).resolve().as_uri()
    if urlsplit(text).scheme not in SCHEMES:
        raise DownloadError(f'{text} cannot be read; addresses begin with {", ".join(SCHEMES)}.')
    return text


def fetched(address: str, most_bytes: int) -> bytes:
    """Returns a small file. Raises DownloadError."""
    with opened(address) as answer:
        found: bytes = answer.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise DownloadError(f'{address} is larger than {most_bytes / 1e6:g} MB.')
    return found


def download(address: str, path: Path, size_bytes: int, sha256: str) -> None:
    """Downloads to `path`, or goes on with what an earlier call has left beside it.

    Args:
        address: file://, http:// or https://.
        path: where the file comes into place at the end.
        size_bytes: the size that was promised; not a byte more is read.
        sha256: the checksum that was promised.

    Raises:
        DownloadError: the server does not keep the promise; one sentence.
    """
    part = path.with_name(f'{path.name}.part')
    path.parent.mkdir(parents=True, exist_ok=True)
    here = part.stat().st_size if part.is_file() else 0
    if here < size_bytes:
        receive(address, part, here, size_bytes)
    if sha256_of(part) != sha256:
        part.unlink()
        raise DownloadError(
            f'{address} is not the promised file (its sha256 differs), so it was removed; ask '
            'whoever hosts it.'
        )
    move_into_place(part, path)


def receive(address: str, part: Path, here: int, size_bytes: int) -> None:
    """Appends to the partial file what is missing. Raises DownloadError."""
    with opened(address, here) as answer:
        if here and answer.status != PARTIAL:
            here = 0  # the server starts over
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (0 if here else os.O_TRUNC)
        with os.fdopen(os.open(part, flags, 0o644), 'wb') as file, Bar('byte', size_bytes) as bar:
            file.seek(here)
            for chunk in chunks(answer, size_bytes - here, address):
                file.write(chunk)
                here += len(chunk)
                bar.show(here, f'{here / 1e6:.1f} of {size_bytes / 1e6:.1f} MB')
    if here < size_bytes:
        raise DownloadError(
            f'{address} ended after {here / 1e6:.1f} of {size_bytes / 1e6:.1f} MB; the same '
            'command goes on from there.'
        )


def chunks(answer: Any, left: int, address: str) -> Any:
    """Yields what arrives, until `left` bytes are there or the connection ends."""
    while left > 0:
        try:
            chunk = answer.read(min(CHUNK_BYTES, left))
        except (OSError, http.client.HTTPException):  # it broke off; the caller counts
            return
        if not chunk:
            return
        left -= len(chunk)
        yield chunk
    if answer.read(1):
        raise DownloadError(f'{address} is larger than promised, so it was not taken.')


def opened(address: str, start: int = 0) -> Any:
    """Opens an address from a byte on. Raises DownloadError."""
    request = urllib.request.Request(address, headers={'User-Agent': 'mtscene_ros'})
    if start:
        request.add_header('Range', f'bytes={start}-')
    try:
        return urllib.request.urlopen(request, timeout=SILENT_S)
    except urllib.error.HTTPError as error:
        reason = f'HTTP {error.code}'
        error.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = str(getattr(error, 'reason', error)) or type(error).__name__
    raise DownloadError(f'{address} cannot be read ({reason}).')
