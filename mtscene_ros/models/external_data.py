"""Finds the other files from which an ONNX file takes its weights; they must lie in its folder.

ONNX lets every tensor name a path. Recent runtimes refuse paths that lead elsewhere; older ones
and TensorRT's parser do not, so that a model could read in any file that the user may read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mtscene_ros.models.onnx_file import BYTES, Field, content, fields, strings

# Message of onnx.proto → field number → the message in the field; other fields are skipped.
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
MAX_DEPTH = 64  # of nested messages


def external_files(path: Path) -> list[Path]:
    """Returns the files that tensors of the model name, each once.

    Raises OSError, and ValueError for a file that is not a protobuf message or that names a file
    outside its folder.
    """
    with path.open('rb') as file:
        whole = Field(0, BYTES, 0, 0, os.fstat(file.fileno()).st_size)
        found = dict.fromkeys(locations(file, whole, 'model', 0))
    return [_beside(path, location) for location in found]


def locations(file: BinaryIO, message: Field, kind: str, depth: int) -> Iterator[str]:
    """Yields the file names of the tensors below this message."""
    if depth > MAX_DEPTH:
        raise ValueError(f'more than {MAX_DEPTH} nested messages')
    parts = PARTS[kind]
    for part in fields(file, message.start, message.end):
        if part.wire != BYTES or part.number not in parts:
            continue
        if parts[part.number] == 'location':
            entry = strings(content(file, part), 'surrogateescape')  # as paths are written
            if entry.get(1) == 'location':
                yield entry.get(2, '')
        else:
            yield from locations(file, part, parts[part.number], depth + 1)


def _beside(model: Path, location: str) -> Path:
    folder, path = model.parent.resolve(), model.parent / location
    leaves = '\0' in location or not path.resolve().is_relative_to(folder)
    if leaves or Path(location).is_absolute():
        raise ValueError(f'its weights lie in {location[:200]!a}, outside the folder of the model')
    return path
