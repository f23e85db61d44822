"""Stored outputs instead of a network, for tests and demos: same contract, no arithmetic.

The model is an .npz file (`write`): one array (1, ...) per output, the spec, and how it behaves,
including the failures of real runtimes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import BackendError, BackendOptions
from mtscene_ros.models.array_file import read_npz
from mtscene_ros.models.atomic_file import replacing
from mtscene_ros.models.spec import METADATA_KEY, ModelSpec, SpecError, TensorSpec, spec_from_json

DELAY, FAIL_EVERY, LOAD_DELAY = 'delay_s', 'fail_every', 'load_delay_s'
FAULT, FAULT_FIRST, FAULT_COUNT = 'fault', 'fault_first', 'fault_count'
CONTROLS = (DELAY, FAIL_EVERY, FAULT, FAULT_FIRST, FAULT_COUNT)
MAX_DELAY_S = 86400.0  # a day
Outputs = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A simulated failure.

    kind: one of FAULTS; first: the inference that it starts with, where 1 is the warm-up; count:
    how many inferences it lasts, 0 for ever.
    """

    kind: str
    first: int = 2
    count: int = 0

    def is_due(self, inference: int) -> bool:
        return inference >= self.first and not 0 < self.count <= inference - self.first


def _raises(outputs: Outputs) -> Outputs:
    raise BackendError('This inference fails, as the stored outputs demand.')


def _raises_another(outputs: Outputs) -> Outputs:
    raise ArithmeticError('an error of an unknown kind')


def _hangs(outputs: Outputs) -> Outputs:
    threading.Event().wait()
    return outputs


def _out_of_memory(outputs: Outputs) -> Outputs:
    raise BackendError(
        'cuMemAlloc_v2 failed on GPU 0 with error 2 (out of memory); free GPU memory or lower '
        'max_batch.'
    )


def _nan(outputs: Outputs) -> Outputs:
    return {
        name: np.full_like(array, np.nan) if array.dtype.kind == 'f' else array
        for name, array in outputs.items()
    }


def _misshapen(outputs: Outputs) -> Outputs:
    return {name: array[..., :-1] for name, array in outputs.items()}


def _of_another_kind(outputs: Outputs) -> Outputs:
    return {name: array.astype(np.float64) for name, array in outputs.items()}


def _lost(outputs: Outputs) -> Outputs:
    return dict(list(outputs.items())[1:])


# What may happen to an inference: kind → the resulting outputs, or an error.
FAULTS: dict[str, Callable[[Outputs], Outputs]] = {
    'raises': _raises,
    'raises_another': _raises_another,
    'hangs': _hangs,
    'out_of_memory': _out_of_memory,
    'nan': _nan,
    'misshapen': _misshapen,
    'of_another_kind': _of_another_kind,
    'lost': _lost,
}


def write(
    path: Path,
    spec: ModelSpec,
    outputs: Mapping[str, NDArray[Any]],
    delay_s: float = 0.0,
    fail_every: int = 0,
    load_delay_s: float = 0.0,
    fault: Fault | None = None,
) -> None:
    """Writes a file of stored outputs.

    outputs: (1, ...) as the spec promises them; delay_s: time of an inference; fail_every: every
    so many inferences one fails, 0 for none; load_delay_s: time before the file is read, as if an
    engine were built. Raises ValueError for outputs of another shape and unknown faults.
    """
    for promised in spec.outputs:
        array = outputs.get(promised.name)
        if array is None or array.shape != (1, *promised.shape[1:]):
            shape = None if array is None else array.shape
            raise ValueError(
                f'output {promised.name} is {shape}, the spec promises {(1, *promised.shape[1:])}'
            )
    if fault is not None and fault.kind not in FAULTS:
        raise ValueError(f'fault {fault.kind!r} is unknown; use one of {", ".join(FAULTS)}.')
    stored: dict[str, Any] = {**outputs, DELAY: delay_s, FAIL_EVERY: fail_every}
    stored |= {LOAD_DELAY: load_delay_s} if load_delay_s else {}
    if fault is not None:
        stored |= {FAULT: fault.kind, FAULT_FIRST: fault.first, FAULT_COUNT: fault.count}
    stored[METADATA_KEY] = np.array(spec.to_json())
    with replacing(path) as partial_file, partial_file.open('wb') as file:
        np.savez(file, **stored)


class Constant:
    """Answers every image with the same arrays."""

    def __init__(self, stored: Outputs, spec: ModelSpec) -> None:
        self.spec_json, self._fault = spec.to_json(), fault_in(stored)
        self.delay_s, self.fail_every = seconds(stored, DELAY), int(stored.pop(FAIL_EVERY))
        self._outputs, self._count, self._input = stored, 0, spec.input
        self.tensors = {spec.input.name: spec.input} | {
            name: TensorSpec(name, (-1, *array.shape[1:]), array.dtype.name)
            for name, array in stored.items()
        }
        self.precision = 'fp32'
        self.details: dict[str, str] = {}
        self.sidecar: Path | None = None
        self.description = f'stored outputs, {1e3 * self.delay_s:.0f} ms per inference'

    def infer(self, batch: NDArray[np.uint8], names: Collection[str]) -> dict[str, NDArray[Any]]:
        """See `Backend.infer`."""
        if batch.shape[1:] != self._input.shape[1:] or batch.dtype.name != self._input.dtype:
            raise BackendError(
                f'Stored outputs take {self._input.dtype} {self._input.shape}, not a batch of '
                f'{batch.dtype} {batch.shape}.'
            )
        if not names:
            return {}
        self._count += 1
        time.sleep(self.delay_s)
        if self.fail_every and self._count % self.fail_every == 0:
            raise BackendError(f'Inference {self._count} fails, as the stored outputs demand.')
        outputs = {name: self._outputs[name].repeat(len(batch), 0) for name in names}
        if self._fault is not None and self._fault.is_due(self._count):
            return FAULTS[self._fault.kind](outputs)
        return outputs

    def close(self) -> None:
        """See `Backend.close`."""
        self._outputs = {}


def seconds(stored: Outputs, name: str) -> float:
    """Removes a duration and returns it, 0 where there is none. Raises ValueError."""
    value = float(stored.pop(name, 0.0))
    if not 0 <= value <= MAX_DELAY_S:
        raise ValueError(f'{name} is {value}; it must lie between 0 and {MAX_DELAY_S:g} s')
    return value


def fault_in(stored: Outputs) -> Fault | None:
    """Removes the fault from the content of a file and returns it.

    Raises ValueError for an unknown one.
    """
    if FAULT not in stored:
        return None
    kind, first, count = (stored.pop(key).item() for key in (FAULT, FAULT_FIRST, FAULT_COUNT))
    if kind not in FAULTS:
        raise ValueError(f'the fault {kind!r} is unknown')
    return Fault(str(kind), int(first), int(count))


def load(model_path: str, options: BackendOptions) -> Constant:
    """Opens an .npz file that `write` has written. Raises BackendError and SpecError."""
    try:
        path = Path(model_path)
        time.sleep(seconds(read_npz(path, {LOAD_DELAY}), LOAD_DELAY))
        spec_json = str(read_npz(path, {METADATA_KEY})[METADATA_KEY])
        spec = spec_from_json(spec_json, model_path)
        return Constant(read_npz(path, {*CONTROLS, *(t.name for t in spec.outputs)}), spec)
    except SpecError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(
            f'{model_path!r} does not hold stored outputs ({error}); write it with '
            '`mtscene_ros.backends.constant.write`.'
        ) from error
