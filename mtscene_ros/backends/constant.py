"""Stored outputs instead of a network, for tests and demos: same contract, no arithmetic.

The model is an .npz file (`write`): one array (1, ...) per output, the spec, and how it behaves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import BackendError, BackendOptions
from mtscene_ros.spec import METADATA_KEY, ModelSpec, TensorSpec, spec_from_json

DELAY, FAIL_EVERY = 'delay_s', 'fail_every'


def write(
    path: Path,
    spec: ModelSpec,
    outputs: Mapping[str, NDArray[Any]],
    delay_s: float = 0.0,
    fail_every: int = 0,
) -> None:
    """outputs: (1, ...) as the spec promises them; delay_s: time of an inference; fail_every: each
    so many inferences one fails, 0 = none does. Raises ValueError for outputs of another shape."""
    for promised in spec.outputs:
        array = outputs.get(promised.name)
        if array is None or array.shape != (1, *promised.shape[1:]):
            shape = None if array is None else array.shape
            raise ValueError(
                f'output {promised.name} is {shape}, the spec promises {(1, *promised.shape[1:])}'
            )
    stored: dict[str, Any] = {**outputs, DELAY: delay_s, FAIL_EVERY: fail_every}
    stored[METADATA_KEY] = np.array(spec.to_json())
    partial_file = path.with_suffix('.partial')
    with partial_file.open('wb') as file:
        np.savez(file, **stored)
    os.replace(partial_file, path)


class Constant:
    """Answers every image with the same arrays."""

    def __init__(self, stored: dict[str, NDArray[Any]], spec: ModelSpec) -> None:
        self.spec_json = spec.to_json()
        self.delay_s, self.fail_every = float(stored.pop(DELAY)), int(stored.pop(FAIL_EVERY))
        self._outputs, self._count, self._input = stored, 0, spec.input
        self.tensors = {spec.input.name: spec.input} | {
            name: TensorSpec(name, (-1, *array.shape[1:]), array.dtype.name)
            for name, array in stored.items()
        }
        self.precision = 'fp32'
        self.details: dict[str, str] = {}
        self.description = f'stored outputs, {1e3 * self.delay_s:.0f} ms an inference'

    def infer(self, batch: NDArray[np.uint8], names: Collection[str]) -> dict[str, NDArray[Any]]:
        """See `Backend.infer`."""
        if batch.shape[1:] != self._input.shape[1:] or batch.dtype.name != self._input.dtype:
            raise BackendError(
                f'Stored outputs answer {self._input.dtype} {self._input.shape}, not a batch of '
                f'{batch.dtype} {batch.shape}.'
            )
        if not names:
            return {}
        self._count += 1
        time.sleep(self.delay_s)
        if self.fail_every and self._count % self.fail_every == 0:
            raise BackendError(f'Inference {self._count} fails, as the stored outputs ask for.')
        return {name: self._outputs[name].repeat(len(batch), 0) for name in names}

    def close(self) -> None:
        """See `Backend.close`."""
        self._outputs = {}


def load(model_path: str, options: BackendOptions) -> Constant:
    """Opens an .npz file that `write` made. Raises BackendError and SpecError."""
    try:
        with np.load(model_path, allow_pickle=False) as raw:
            stored = dict(raw.items())
        spec_json = str(stored.pop(METADATA_KEY))
        return Constant(stored, spec_from_json(spec_json, model_path))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise BackendError(
            f'{model_path!r} holds no stored outputs ({error}); write it with '
            '`mtscene_ros.backends.constant.write`.'
        ) from error
