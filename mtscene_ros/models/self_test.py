"""The self-test of a model file: a reference image, and the float32 network's answers to it.

It travels in the file's metadata under SELF_TEST_KEY, so that every runtime can prove on the spot
that it computes what was exported (`open_backend` demands it). The answers are samples of each
output tensor. How far a tensor may be off depends on the number format that the runtime computes
in: float32 has to agree so closely that one layer whose weights are 1.1 times too large is found.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.models.spec import MALFORMED, brief

SELF_TEST_KEY = 'mtscene_self_test'
FORMAT_VERSION = 1
PNG_SIZE_AT = 16  # bytes: width and height in a PNG's header
MAX_EDGE_PX = 8192
STEP = 7919  # a prime, so that samples spread over all channels, rows and columns
Samples = NDArray[Any]


def unequal(want: Samples, got: Samples) -> float:
    """Returns the share of samples that differ, for labels."""
    return float(np.mean(want != got))


def relative_error(want: Samples, got: Samples) -> float:
    """Returns the root mean square of got / want - 1, for positive quantities such as depth."""
    return float(np.sqrt(np.mean((got.astype(float) / want - 1) ** 2)))


def deviation(want: Samples, got: Samples) -> float:
    """Returns the root mean square of the difference, in standard deviations of `want`."""
    exact = want.astype(float)
    spread = max(float(exact.std()), 1e-3 * float(np.abs(exact).max()), 1e-9)
    return float(np.sqrt(np.mean((got - exact) ** 2))) / spread


def peak_deviation(want: Samples, got: Samples) -> float:
    """Returns the root mean square of the difference over that of `want`, for values from
    `largest`."""
    exact = want.astype(float)
    size = max(float(np.sqrt(np.mean(exact**2))), 1e-9)
    return float(np.sqrt(np.mean((got - exact) ** 2))) / size


def spread_out(tensor: NDArray[Any], count: int) -> Samples:
    """Returns `count` values of a tensor, or all where it has fewer."""
    flat = tensor.ravel()
    return flat[np.arange(min(count, flat.size)) * STEP % flat.size]


def largest(tensor: NDArray[Any], count: int) -> Samples:
    """Returns the `count` largest values in order, wherever they are: a peak that moves by a cell
    is the same box."""
    return np.sort(tensor, axis=None)[-count:]


@dataclass(frozen=True, slots=True)
class Measure:
    """take: the samples of a tensor; compare: their difference from the answer, 0 for none."""

    take: Callable[[NDArray[Any], int], Samples]
    compare: Callable[[Samples, Samples], float]


MEASURES: dict[str, Measure] = {
    'unequal labels': Measure(spread_out, unequal),
    'relative error': Measure(spread_out, relative_error),
    'deviation': Measure(spread_out, deviation),
    'deviation of peaks': Measure(largest, peak_deviation),
}


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the float32 network says in one tensor.

    values: (N,) as the measure takes them; measure: a key of MEASURES; bounds: precision → the
    largest value of the measure that passes.
    """

    tensor: str
    task: str
    measure: str
    values: Samples
    bounds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One tensor of a runtime compared with its answer; passes where value <= bound."""

    tensor: str
    task: str
    measure: str
    value: float
    bound: float

    @property
    def passes(self) -> bool:
        return self.value <= self.bound  # not so for NaN

    def __str__(self) -> str:
        sign = '<=' if self.passes else '>'
        return f'{self.tensor}: {self.measure} {self.value:.2g} {sign} {self.bound:.2g}'


@dataclass(frozen=True, slots=True, eq=False)
class SelfTest:
    """Image and answers; rgb: (h, w, 3) uint8 at network size; enlarged: rgb consists of squares
    of this many pixels, which keeps the file small."""

    rgb: NDArray[np.uint8]
    answers: tuple[Answer, ...]
    enlarged: int = 1

    def compared(self, outputs: Mapping[str, NDArray[Any]], precision: str) -> list[Agreement]:
        """Compares tensors (1, ...) by name; precision: what the runtime computes in."""
        found = []
        for a in self.answers:
            measure = MEASURES[a.measure]
            value = measure.compare(a.values, measure.take(outputs[a.tensor], len(a.values)))
            # An unknown format, such as fp8, is treated as the coarsest one.
            bound = a.bounds.get(precision, max(a.bounds.values()))
            found.append(Agreement(a.tensor, a.task, a.measure, value, bound))
        return found

    def to_json(self) -> str:
        small = np.ascontiguousarray(self.rgb[:: self.enlarged, :: self.enlarged, ::-1])
        png = cv2.imencode('.png', small, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
        return json.dumps(
            {
                'format_version': FORMAT_VERSION,
                'png': base64.b64encode(png.tobytes()).decode(),
                'enlarged': self.enlarged,
                'answers': [_to_json(answer) for answer in self.answers],
            }
        )


def _to_json(answer: Answer) -> dict[str, Any]:
    little_endian = answer.values.astype(answer.values.dtype.newbyteorder('<'))
    return {
        'tensor': answer.tensor,
        'task': answer.task,
        'measure': answer.measure,
        'dtype': little_endian.dtype.str,
        'values': base64.b64encode(little_endian.tobytes()).decode(),
        'bounds': dict(answer.bounds),
    }


def self_test_from_json(text: str, path: str) -> SelfTest:
    """Reads the metadata entry of the file at `path`. Raises ValueError with one sentence."""
    try:
        raw = json.loads(text)
        if int(raw['format_version']) != FORMAT_VERSION:
            raise ValueError(f'its format is {raw["format_version"]}, not {FORMAT_VERSION}')
        enlarged = int(raw['enlarged'])
        small = _image(base64.b64decode(raw['png']), enlarged)
        rgb = small.repeat(enlarged, 0).repeat(enlarged, 1)
        return SelfTest(rgb, tuple(map(_answer, raw['answers'])), enlarged)
    except (*MALFORMED, cv2.error, struct.error) as error:
        raise ValueError(
            f'{path} has an unreadable self-test ({brief(error)}); export it again.'
        ) from error


def _image(png: bytes, enlarged: int) -> NDArray[np.uint8]:
    """Decodes the image unless its header promises more pixels than any network takes."""
    width, height = struct.unpack_from('>II', png, PNG_SIZE_AT)
    if not 0 < enlarged * max(width, height) <= MAX_EDGE_PX:
        raise ValueError(f'its image has {width}x{height} px, enlarged by {enlarged}')
    bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(bgr, np.uint8)[..., ::-1]


def _answer(raw: Mapping[str, Any]) -> Answer:
    values = np.frombuffer(base64.b64decode(raw['values']), np.dtype(str(raw['dtype'])))
    bounds = {str(name): float(bound) for name, bound in raw['bounds'].items()}
    if raw['measure'] not in MEASURES or not len(values) or not bounds:
        raise ValueError(f'the answer of {raw["tensor"]!r} is incomplete')
    return Answer(str(raw['tensor']), str(raw['task']), raw['measure'], values, bounds)
