"""Adds the self-test to a model file: a generated image and the float32 network's answers to it.

The bounds were chosen with drive_lite on ONNX Runtime 1.32 and OpenVINO 2026.4. In float32 both
stay below 0.00001, and each of its 93 layers, scaled by 1.1, moves an output by 0.011 or more. In
bfloat16 the outputs move by up to 0.17, and in INT8 as well, so that there only larger errors are
found. docs/runtimes.md shows the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from mtscene_ros.backends import BackendOptions, open_backend
from mtscene_ros.backends.proof import judged
from mtscene_ros.models.atomic_file import replacing
from mtscene_ros.models.onnx_file import metadata_of, precision_of
from mtscene_ros.models.self_test import (
    MEASURES,
    SELF_TEST_KEY,
    Agreement,
    Answer,
    SelfTest,
)
from mtscene_ros.models.spec import ModelSpec
from mtscene_ros.tasks import task_of
from mtscene_ros.worlds import FRAMES

SAMPLES, PEAKS = 2048, 64  # of each output
MAX_PNG_BYTES = 90_000
MAX_ENLARGED = 8
AnswersOf = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[Any]]]
# Measure → precision that a runtime computes in → bound; three times what drive_lite shows.
BOUNDS: Mapping[str, Mapping[str, float]] = {
    'unequal labels': {'fp32': 0.004, 'fp16': 0.01, 'bf16': 0.01, 'int8': 0.03},
    'relative error': {'fp32': 0.004, 'fp16': 0.02, 'bf16': 0.05, 'int8': 0.2},
    'deviation': {'fp32': 0.004, 'fp16': 0.06, 'bf16': 0.13, 'int8': 0.5},
    # In bfloat16 two neighbours may be equal, so that one peak counts twice.
    'deviation of peaks': {'fp32': 0.004, 'fp16': 0.06, 'bf16': 0.5, 'int8': 0.5},
}
# A file whose own format costs more, on ONNX Runtime, may differ by this much more elsewhere.
OWN_MARGIN = 2.0


def reference_image(height_px: int, width_px: int) -> tuple[NDArray[np.uint8], int]:
    """Returns (H, W, 3) of a generated street, and the size of the squares that it consists of:
    the smallest for which its PNG has at most MAX_PNG_BYTES."""
    rgb = FRAMES['drive'](17, 2, width_px, height_px).rgb
    for enlarged in range(1, MAX_ENLARGED + 1):
        if height_px % enlarged or width_px % enlarged:
            continue
        small = np.ascontiguousarray(rgb[::enlarged, ::enlarged])
        if cv2.imencode('.png', small)[1].size <= MAX_PNG_BYTES:
            break
    return small.repeat(enlarged, 0).repeat(enlarged, 1), enlarged


def measure_of(tensor: str, values: NDArray[Any], spec: ModelSpec) -> str:
    """Returns the measure that suits a tensor."""
    if tensor.endswith('_labels'):
        return 'unequal labels'
    if tensor == 'boxes3d_scores':  # zero but for a few peaks
        return 'deviation of peaks'
    is_metric = spec.tasks.get('depth', {}).get('convention') == 'metric' and values.min() > 0
    return 'relative error' if tensor == 'depth' and is_metric else 'deviation'


def self_test_of(spec: ModelSpec, answers_of: AnswersOf) -> SelfTest:
    """Returns the self-test with the usual bounds; answers_of: see `add_self_test`."""
    rgb, enlarged = reference_image(spec.height_px, spec.width_px)
    task_by_tensor = {
        tensor: task for task, o in spec.tasks.items() for tensor in task_of(task, o).OUTPUTS
    }
    want, answers = answers_of(rgb[None]), []
    for output in spec.outputs:
        measure = measure_of(output.name, want[output.name], spec)
        count = PEAKS if measure == 'deviation of peaks' else SAMPLES
        values = MEASURES[measure].take(want[output.name], count)
        task = task_by_tensor.get(output.name, '')
        answers.append(Answer(output.name, task, measure, values, BOUNDS[measure]))
    return SelfTest(rgb, tuple(answers), enlarged)


def file_answers(path: Path, spec: ModelSpec) -> AnswersOf:
    """Returns a function that runs a float32 file on ONNX Runtime."""

    def answers_of(rgb: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        backend = open_backend('onnxruntime', str(path), BackendOptions(threads=1))
        try:
            return backend.infer(rgb, [output.name for output in spec.outputs])
        finally:
            backend.close()

    return answers_of


def add_self_test(path: Path, spec: ModelSpec, answers_of: AnswersOf) -> list[Agreement]:
    """Writes a self-test into a model file that has none.

    answers_of: runs the float32 network on (1, H, W, 3) uint8 → output by name. Returns how ONNX
    Runtime agrees in the file's own format. Raises ValueError where there is a self-test already.
    """
    return append(path, self_test_of(spec, answers_of))


def append(path: Path, test: SelfTest) -> list[Agreement]:
    """Writes a self-test behind all that the file holds; see `add_self_test`."""
    if SELF_TEST_KEY in metadata_of(path):
        raise ValueError(f'{path} has a self-test already; export the model again.')
    backend = open_backend('onnxruntime', str(path), BackendOptions(threads=1))
    precision = precision_of(path)
    found = judged(test, backend.infer, precision)
    backend.close()
    answers = tuple(
        replace(a, bounds={**a.bounds, precision: max(f.bound, OWN_MARGIN * f.value)})
        for a, f in zip(test.answers, found, strict=True)
    )
    entry = onnx.StringStringEntryProto(
        key=SELF_TEST_KEY, value=replace(test, answers=answers).to_json()
    )
    # Protobuf messages that follow each other are one message: nothing before is touched.
    addition = onnx.ModelProto(metadata_props=[entry]).SerializeToString()
    content = path.read_bytes()
    with replacing(path) as partial_file:
        partial_file.write_bytes(content + addition)
    return found
