"""The whole line for the images of one moment: frames → network input → tensors → results →
scenes."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import Backend, BackendError, BackendOptions, open_backend
from mtscene_ros.preprocess import prepare
from mtscene_ros.spec import ModelSpec, SpecError, mismatches, spec_from_json
from mtscene_ros.tasks import OWN_KINDS, TASKS, Decode, task_of
from mtscene_ros.types import CameraFrame, Intrinsics, NetworkInput, Result, Scene

BUNDLED_MODEL = str(files('mtscene_ros') / 'models' / 'drive_lite.onnx')


class SceneEstimator:
    """One loaded model; `estimate` is called from one thread."""

    def __init__(self, backend: Backend, spec: ModelSpec, decoders: Mapping[str, Decode]) -> None:
        self.backend, self.spec, self.decoders = backend, spec, decoders
        self.tasks = {name: task_of(name, spec.tasks[name]) for name in decoders}

    def estimate(
        self, frames: Sequence[CameraFrame], tasks: Collection[str] | None = None
    ) -> list[Scene]:
        """Images in → everything known about each out, in the same order.

        tasks: those that somebody wants, None = all of the model's. Tasks that need intrinsics are
        left out for a frame that has none. Raises BackendError where the runtime fails.
        """
        wanted = [name for name in self.decoders if tasks is None or name in tasks]
        start = time.perf_counter()
        inputs = [prepare(frame, self.spec) for frame in frames]
        prepared = time.perf_counter()
        tensors = self._infer(inputs, wanted)
        inferred = time.perf_counter()
        shared_s = {'prepare': prepared - start, 'infer': inferred - prepared}
        return [
            self._decode(frame, inputs[i], {k: v[i] for k, v in tensors.items()}, wanted, shared_s)
            for i, frame in enumerate(frames)
        ]

    def warm_up(self) -> None:
        """One made-up frame, so that the first real one finds everything allocated."""
        height_px, width_px = self.spec.height_px, self.spec.width_px
        camera = Intrinsics(width_px, height_px, width_px, width_px, width_px / 2, height_px / 2)
        rgb = np.zeros((height_px, width_px, 3), np.uint8)
        self.estimate([CameraFrame(rgb, camera, 0, 'camera_optical_frame')])

    def _infer(self, inputs: list[NetworkInput], wanted: list[str]) -> dict[str, NDArray[Any]]:
        names = [output for name in wanted for output in self.tasks[name].OUTPUTS]
        batch = inputs[0].rgb[None] if len(inputs) == 1 else np.stack([i.rgb for i in inputs])
        tensors = self.backend.infer(batch, names)
        for promised in self.spec.outputs:
            if promised.name in tensors:
                _check(tensors[promised.name], (len(inputs), *promised.shape[1:]), promised.dtype)
        return tensors

    def _decode(
        self,
        frame: CameraFrame,
        network_input: NetworkInput,
        outputs: Mapping[str, NDArray[Any]],
        wanted: list[str],
        shared_s: Mapping[str, float],
    ) -> Scene:
        start = time.perf_counter()
        results: dict[str, Result] = {
            name: self.decoders[name](outputs, network_input.view, frame)
            for name in wanted
            if frame.intrinsics is not None or not self.tasks[name].NEEDS_INTRINSICS
        }
        return Scene(frame, results, {**shared_s, 'decode': time.perf_counter() - start})


def open_estimator(
    model_path: str = '', backend_name: str = 'onnxruntime', options: BackendOptions | None = None
) -> SceneEstimator:
    """Loads a model file ('' = the bundled one) and checks its spec against the runtime and our
    tasks.

    Raises BackendError and SpecError, each with one sentence per trouble.
    """
    path = model_path or BUNDLED_MODEL
    backend = open_backend(backend_name, path, options or BackendOptions())
    spec = spec_from_json(backend.spec_json, path)
    complaints = mismatches(spec, backend.tensors)
    if complaints:
        raise SpecError(f'{path} does not keep its spec: {" ".join(complaints)}')
    return SceneEstimator(backend, spec, decoders_of(spec, path))


def decoders_of(spec: ModelSpec, path: str) -> dict[str, Decode]:
    """One decode function per task of the model. Raises SpecError for tasks or options unknown
    here."""
    promised = {tensor.name for tensor in spec.outputs}
    decoders = {}
    for name, options in spec.tasks.items():
        try:
            task = task_of(name, options)
        except KeyError:
            raise SpecError(
                f'{path} has the task {name!r}, unknown here; known: {", ".join(TASKS)}, and '
                f'tasks of kind {", ".join(OWN_KINDS)}.'
            ) from None
        missing = set(task.OUTPUTS) - promised
        if missing:
            raise SpecError(
                f'{path}: task {name!r} needs the outputs {sorted(missing)}; export it again.'
            )
        try:
            decoders[name] = task.decoder(options)
        except (ValueError, TypeError, KeyError) as error:
            raise SpecError(f'{path}: options of task {name!r} are unusable ({error}).') from error
    return decoders


def _check(tensor: NDArray[Any], shape: tuple[int, ...], dtype: str) -> None:
    if tensor.shape != shape or tensor.dtype.name != dtype:
        raise BackendError(
            f'The runtime returned {tensor.dtype.name} {tensor.shape} instead of {dtype} {shape}.'
        )
