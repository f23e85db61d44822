"""The contract of an exported model, stored as JSON in its ONNX file under METADATA_KEY."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtscene_ros.terminal import shown
from mtscene_ros.types import SemanticClass

METADATA_KEY = 'mtscene_spec'
FORMAT_VERSION = 1

MAX_VALUES = 1 << 28  # of one tensor of one image; a damaged shape must not exhaust the memory
# The errors that JSON of an unexpected structure causes.
MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

# The JSON object of one task; tasks/ turns it into decoders.
Options = Mapping[str, Any]


class SpecError(ValueError):
    """The model cannot be used; the message is one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor; shape: -1 marks the batch axis; dtype: its name in NumPy."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model file promises.

    input: uint8 RGB (-1, height, width, 3); outputs: every tensor the graph returns; tasks: task
    name (a key of `tasks.TASKS`) → its options (classes, depth range, box code, ...).
    """

    name: str
    version: str
    commit: str
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    tasks: Mapping[str, Options]
    format_version: int = FORMAT_VERSION

    @property
    def height_px(self) -> int:
        return self.input.shape[1]

    @property
    def width_px(self) -> int:
        return self.input.shape[2]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def spec_from_json(text: str | None, path: str) -> ModelSpec:
    """Reads the spec from the metadata of the model file at `path`.

    Raises SpecError where it is missing, newer than this package or malformed.
    """
    if text is None:
        raise SpecError(
            f'{path} is an ONNX file without the metadata entry {METADATA_KEY!r}: it was not '
            'exported by mtscene_ros; docs/howto/own-model.md shows how `mtscene wrap` or a few '
            'lines of Python make a model of it.'
        )
    try:
        raw = json.loads(text)
        version = int(raw['format_version'])
    except MALFORMED as error:
        raise SpecError(
            f'{path} has unreadable metadata {METADATA_KEY!r} ({brief(error)}); export it again.'
        ) from error
    if version > FORMAT_VERSION:
        raise SpecError(
            f'{path} has spec format {version}, but this mtscene_ros reads up to '
            f'{FORMAT_VERSION}; update mtscene_ros.'
        )
    try:
        return _spec(raw)
    except MALFORMED as error:
        raise SpecError(
            f'{path} has an incomplete spec ({brief(error)}); export it again.'
        ) from error


def brief(error: Exception) -> str:
    """Returns an error's type and text, shortened to fit into a sentence."""
    return f'{type(error).__name__}: {str(error)[:200]}'


def _spec(raw: Mapping[str, Any]) -> ModelSpec:
    spec = ModelSpec(
        name=str(raw['name']),
        version=str(raw['version']),
        commit=str(raw['commit']),
        input=_tensor(raw['input']),
        outputs=tuple(_tensor(t) for t in raw['outputs']),
        tasks={str(name): dict(options) for name, options in raw['tasks'].items()},
        format_version=int(raw['format_version']),
    )
    shape = spec.input.shape
    if len(shape) != 4 or shape[3] != 3 or min(shape[1:]) < 1 or spec.input.dtype != 'uint8':
        raise ValueError(f'input is {spec.input}, not uint8 (-1, height, width, 3)')
    return spec


def _tensor(raw: Mapping[str, Any]) -> TensorSpec:
    found = TensorSpec(str(raw['name']), tuple(int(n) for n in raw['shape']), str(raw['dtype']))
    if min(found.shape[1:], default=1) < 1 or math.prod(found.shape[1:]) > MAX_VALUES:
        raise ValueError(f'tensor {found.name!r} has the shape {found.shape}')
    return found


def classes_from_options(options: Options) -> tuple[SemanticClass, ...]:
    """Returns the class table of a task.

    options['classes']: [{id, name, color_rgb}, ...] with the ids 0, 1, 2, ... Raises ValueError
    for other ids or an empty table.
    """
    classes = []
    for raw in options['classes']:
        red, green, blue = (int(c) for c in raw['color_rgb'])
        classes.append(
            SemanticClass(int(raw['id']), shown(str(raw['name']), 100), (red, green, blue))
        )
    if [c.id for c in classes] != list(range(len(classes))) or not classes:
        raise ValueError(f'class ids are {[c.id for c in classes]}, not 0, 1, 2, ...')
    return tuple(classes)


def mismatches(spec: ModelSpec, reported: Mapping[str, TensorSpec]) -> list[str]:
    """Returns one sentence for every tensor of the spec that the backend reports differently.

    reported: name → tensor as the backend sees it, dynamic axes as -1.
    """
    complaints = []
    for want in (spec.input, *spec.outputs):
        got = reported.get(want.name)
        if got is None:
            complaints.append(
                f'The spec names tensor {want.name!r}, the graph has only {sorted(reported)}.'
            )
        elif got.dtype != want.dtype:
            complaints.append(
                f'Tensor {want.name!r} is {got.dtype} in the graph and {want.dtype} in the spec.'
            )
        elif len(got.shape) != len(want.shape) or any(
            g not in (-1, w) for g, w in zip(got.shape[1:], want.shape[1:], strict=True)
        ):
            complaints.append(
                f'Tensor {want.name!r} is {got.shape} in the graph and {want.shape} in the spec.'
            )
    return complaints
