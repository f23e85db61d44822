"""Which other files an ONNX file takes its weights from: they must lie in its own folder.

ONNX lets every tensor name a path. Recent runtimes refuse those that lead elsewhere; older ones
and TensorRT's parser do not, and a model would carry in whatever file the user may read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mtscene_ros.models.onnx_file import BYTES, Field, content, fields, strings

# Message of onnx.proto → number of a field → what message the field holds; others are left out.
PARTS: dict[str, dict[int, str]] = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'function': {7: 'node', 11: 'attribute'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {13: 'location'},
}
DEEPEST = 64  # graphs within graphs


def external_files(path: Path) -> list[Path]:
    """Files that tensors of the model name, without repetition. Raises OSError, and ValueError for
    a file that is no protobuf message or names one outside its folder."""
    with path.open('rb') as file:
        whole = Field(0, BYTES, 0, 0, os.fstat(file.fileno()).st_size)
        found = dict.fromkeys(locations(file, whole, 'model', 0))
    return [_beside(path, location) for location in found]


def locations(file: BinaryIO, message: Field, kind: str, depth: int) -> Iterator[str]:
    """What the tensors below this message call their files."""
    if depth > DEEPEST:
        raise ValueError(f'more than {DEEPEST} messages within one another')
    parts = PARTS[kind]
    for part in fields(file, message.start, message.end):
        if part.wire != BYTES or part.number not in parts:
            continue
        if parts[part.number] == 'location':
            entry = strings(content(file, part))
            if entry.get(1) == 'location':
                yield entry.get(2, '')
        else:
            yield from locations(file, part, parts[part.number], depth + 1)


def _beside(model: Path, location: str) -> Path:
    folder, path = model.parent.resolve(), model.parent / location
    leaves = '\0' in location or not path.resolve().is_relative_to(folder)
    if leaves or Path(location).is_absolute():
        raise ValueError(f'its weights lie in {location[:200]!r}, outside the folder of the model')
    return path
