"""An index of models that somebody hosts: names, addresses, checksums.

It is one JSON file at an address that a user sets (--index, $MTSCENE_INDEX); this package has none
of its own, because everything that it brings is installed with it:

    {"models": [{"name": "yard", "url": "yard.onnx", "sha256": "9f86…", "size_bytes": 16201234,
                 "licence": "Apache-2.0", "scores": {"semantic.miou": 0.71}}]}

Addresses of models may be relative to that of the index.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from mtscene_ros.models.about import numbers
from mtscene_ros.models.download import DownloadError, address_of, fetched

VARIABLE = 'MTSCENE_INDEX'
MAX_INDEX_BYTES = 10_000_000
NAME = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}')  # becomes the name of a file
SHA256 = re.compile(r'[0-9a-f]{64}')


@dataclass(frozen=True, slots=True)
class HostedModel:
    """One entry; url: absolute; sha256: hexadecimal digits; licence: '' where none is stated."""

    name: str
    url: str
    sha256: str
    size_bytes: int
    licence: str = ''
    scores: Mapping[str, float] = field(default_factory=dict)


def index_address(given: str) -> str:
    """Returns the address that the user sets, '' for none."""
    return given or os.environ.get(VARIABLE, '')


def read_index(address: str) -> dict[str, HostedModel]:
    """Reads an index: name → entry. Raises DownloadError with one sentence."""
    where = address_of(address)
    try:
        raw = json.loads(fetched(where, MAX_INDEX_BYTES))
    except ValueError:
        raise DownloadError(f'The index {address} is not JSON.') from None
    entries = raw.get('models') if isinstance(raw, dict) else None
    if not isinstance(entries, list):
        raise DownloadError(f'The index {address} has no list "models".')
    found = [entry_of(entry, where, address) for entry in entries]
    return {model.name: model for model in found}


def entry_of(raw: Any, where: str, address: str) -> HostedModel:
    """Checks one entry. Raises DownloadError."""
    if not isinstance(raw, dict):
        raise DownloadError(f'The index {address} has an entry that is no object: {raw!r:.80}.')
    name, sha256, size = raw.get('name'), raw.get('sha256'), raw.get('size_bytes')
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise DownloadError(f'The index {address} has an entry with the name {name!r:.80}.')
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise DownloadError(f'The index {address} has no sha256 for {name}.')
    if type(size) is not int or size <= 0 or not isinstance(raw.get('url'), str):
        raise DownloadError(f'The index {address} has no url or no size_bytes for {name}.')
    url = address_of(urljoin(where, raw['url']))
    if urlsplit(url).scheme == 'file' != urlsplit(where).scheme:
        raise DownloadError(f'The index {address} names a file of this machine for {name}.')
    scores = raw.get('scores')
    return HostedModel(
        name,
        url,
        sha256,
        size,
        str(raw.get('licence', '')),
        numbers(scores) if isinstance(scores, dict) else {},
    )
