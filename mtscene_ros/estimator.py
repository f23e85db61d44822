"""The whole pipeline for a batch of images: frames → network input → tensors → scenes."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import Backend, BackendError, BackendOptions, open_backend
from mtscene_ros.camera.network_input import NetworkInput, prepare
from mtscene_ros.camera.photograph import frame_of_photograph
from mtscene_ros.camera.unseen import without_unseen
from mtscene_ros.models.catalogue import BUNDLED_MODEL, file_of, licence_remark, path_of
from mtscene_ros.models.spec import ModelSpec, SpecError, mismatches, spec_from_json
from mtscene_ros.tasks import Decode, task_of
from mtscene_ros.tasks.task_decoders import decoders_of
from mtscene_ros.temporal.watch import Watch
from mtscene_ros.types import CameraFrame, Intrinsics, Result, Scene, Signal


class SceneEstimator:
    """One loaded model; call `estimate` from one thread. `open_estimator` makes one from a file.

    backend: the loaded model in its runtime; spec: its contract; decoders: one decoding function
    per task; stretched: images fill the network's input instead of keeping their proportions;
    output_scale: size of the maps, 1 for the camera image's own size; model_path: of the model
    file; watch: what is looked at beside the model, nothing unless its options are set.
    """

    def __init__(
        self,
        backend: Backend,
        spec: ModelSpec,
        decoders: Mapping[str, Decode],
        *,
        stretched: bool = False,
        output_scale: float = 1.0,
        model_path: str = '',
    ) -> None:
        self.backend, self.spec, self.decoders = backend, spec, decoders
        self.stretched, self.output_scale = stretched, output_scale
        self.watch = Watch(spec, model_path)
        self.tasks = {name: task_of(name, spec.tasks[name]) for name in decoders}

    def estimate(
        self,
        frames: Sequence[CameraFrame],
        tasks: Collection[str] | Sequence[Collection[str]] | None = None,
    ) -> list[Scene]:
        """Runs one batch and decodes it.

        Tasks that need intrinsics are left out for a frame that has none.

        Args:
            frames: one image of each camera; their sizes may differ.
            tasks: names of the wanted tasks, for all frames or for each; None = all tasks.

        Returns:
            One scene per frame, in the same order. `Scene.results` holds the wanted tasks.

        Raises:
            BackendError: the runtime failed or returned something other than the contract says.
        """
        each = self._wanted(frames, tasks)
        start = time.perf_counter()
        inputs = [self._prepare(frame) for frame in frames]
        prepared = time.perf_counter()
        tensors = self._infer(inputs, [n for n in self.decoders if any(n in w for w in each)])
        inferred = time.perf_counter()
        shared_s = {'prepare': prepared - start, 'infer': inferred - prepared}
        return [
            self._decode(
                frame, inputs[i], {k: v[i] for k, v in tensors.items()}, each[i], shared_s
            )
            for i, frame in enumerate(frames)
        ]

    def warm_up(self, most_frames: int = 1) -> None:
        """Estimates blank frames in every batch size, so that memory is allocated before the
        first real one.

        most_frames: the largest batch. Raises BackendError if the runtime fails.
        """
        height_px, width_px = self.spec.height_px, self.spec.width_px
        camera = Intrinsics.centered(width_px, height_px, width_px)
        rgb = np.zeros((height_px, width_px, 3), np.uint8)
        frame = CameraFrame(rgb, camera, 0, 'camera_optical_frame')
        for count in range(1, most_frames + 1):
            self.estimate([frame] * count)

    def _wanted(
        self,
        frames: Sequence[CameraFrame],
        tasks: Collection[str] | Sequence[Collection[str]] | None,
    ) -> list[list[str]]:
        if tasks is None or all(isinstance(task, str) for task in tasks):
            return [[n for n in self.decoders if tasks is None or n in tasks]] * len(frames)
        return [[n for n in self.decoders if n in of_frame] for of_frame in tasks]

    def _prepare(self, frame: CameraFrame) -> NetworkInput:
        return prepare(frame, self.spec, stretched=self.stretched, output_scale=self.output_scale)

    def _infer(self, inputs: list[NetworkInput], wanted: list[str]) -> dict[str, NDArray[Any]]:
        names = [output for name in wanted for output in self.tasks[name].OUTPUTS]
        names += [output for output in self.watch.outputs() if output not in names]
        batch = inputs[0].rgb[None] if len(inputs) == 1 else np.stack([i.rgb for i in inputs])
        tensors = self.backend.infer(batch, names)
        lost = sorted(set(names) - set(tensors))
        if lost:
            raise BackendError(f'The runtime did not return {", ".join(lost)}.')
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
        signals: tuple[Signal, ...] = ()
        if self.watch.is_on:
            signals = self.watch.signals(frame, network_input, outputs)
            outputs = self.watch.steadied(frame, network_input, outputs)
        watched = time.perf_counter()
        results: dict[str, Result] = {
            name: without_unseen(
                self.decoders[name](outputs, network_input.letterbox, frame), frame
            )
            for name in wanted
            if frame.intrinsics is not None or not self.tasks[name].NEEDS_INTRINSICS
        }
        letterbox, camera = network_input.letterbox, frame.intrinsics
        fitting = camera and camera.resized(letterbox.output_width_px, letterbox.output_height_px)
        stage_s = {**shared_s, 'decode': time.perf_counter() - watched}
        if self.watch.is_on:
            stage_s['watch'] = watched - start
        warnings = warnings_about(outputs) + ((self.watch.remark,) if self.watch.remark else ())
        return Scene(frame, results, stage_s, fitting, warnings, signals)


def open_estimator(
    model_path: str = '',
    backend_name: str = 'onnxruntime',
    options: BackendOptions | None = None,
    *,
    stretched: bool = False,
    output_scale: float = 1.0,
) -> SceneEstimator:
    """Loads a model file and checks its contract against the runtime and the known tasks.

    Args:
        model_path: an .onnx file or the name of a model that `mtscene models` lists; '' = the
            bundled model.
        backend_name: a key of `BACKENDS`.
        options: threads, GPU, batch size and precision.
        stretched: fill the network's input instead of keeping the image's proportions.
        output_scale: size of the maps, 1 for the camera image's own size.

    Returns:
        An estimator, ready for `SceneEstimator.estimate`.

    Raises:
        BackendError: the runtime is missing or cannot load the file.
        SpecError: the file has no contract, breaks it, or has a task that is not known.
    """
    path = file_of(model_path) or BUNDLED_MODEL
    backend = open_backend(backend_name, path, options or BackendOptions())
    spec = spec_from_json(backend.spec_json, path)
    complaints = mismatches(spec, backend.tensors)
    if complaints:
        raise SpecError(f'{path} does not keep its spec: {" ".join(complaints)}')
    return SceneEstimator(
        backend,
        spec,
        decoders_of(spec, path),
        stretched=stretched,
        output_scale=output_scale,
        model_path=path,
    )


class SceneModel:
    """A model for scripts: images in, scenes out. `with` closes it; use it from one thread.

    estimator: the line behind it, for batches and frames with stamps.
    """

    def __init__(self, estimator: SceneEstimator) -> None:
        self.estimator = estimator
        self._is_closed = False

    @property
    def spec(self) -> ModelSpec:
        """What the model file states about itself."""
        return self.estimator.spec

    def estimate(
        self,
        image: str | Path | NDArray[np.uint8],
        *,
        horizontal_fov_deg: float | None = None,
        intrinsics: Intrinsics | None = None,
        tasks: Collection[str] | None = None,
    ) -> Scene:
        """Estimates an image file or an (H, W, 3) uint8 RGB array.

        Args:
            image: path or pixels, as in `mtscene_ros.camera.photograph`.
            horizontal_fov_deg: angle between the left and the right edge, for a camera that is not
                calibrated.
            intrinsics: calibration for the image's size. Without either, depth and boxes, which
                need the camera, are left out.
            tasks: names of the results that are wanted, None for all that the model has.

        Returns:
            The scene, with `labels`, `depth_m`, `boxes` and all results by name.

        Raises:
            ImageError: the image cannot be read.
            ValueError: the camera or the tasks cannot be used.
            BackendError: the runtime fails.
        """
        if self._is_closed:
            raise BackendError('The model is closed; open it again.')
        unknown = sorted(set(tasks or ()) - set(self.estimator.decoders))
        if unknown:
            known = ', '.join(self.estimator.decoders)
            raise ValueError(f'The model has no task {", ".join(unknown)}; it has {known}.')
        frame = frame_of_photograph(
            image, horizontal_fov_deg=horizontal_fov_deg, intrinsics=intrinsics
        )
        return self.estimator.estimate([frame], tasks)[0]

    def close(self) -> None:
        """Frees the runtime's memory; the model must not be used afterwards."""
        self.estimator.backend.close()
        self._is_closed = True

    def __enter__(self) -> SceneModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_model(model: str | Path = '', backend: str = 'auto', *, threads: int = 0) -> SceneModel:
    """Opens a model; a licence that rules out commercial use is logged as a warning.

    Args:
        model: path of a file, or the name of one that `mtscene models` lists; '' is the bundled
            one, drive_lite.
        backend: a runtime of `mtscene_ros.backends`; 'auto' takes the fastest one that works here.
        threads: CPU threads of the runtime, 0 for one per physical core.

    Raises:
        FileNotFoundError: there is no such file or name.
        BackendError: the runtime cannot load the file.
        SpecError: the file is not a model of mtscene_ros.
    """
    path = str(path_of(model)) if str(model) else ''
    if remark := licence_remark(path):
        logging.getLogger(__name__).warning(remark)
    return SceneModel(open_estimator(path, backend, BackendOptions(threads=threads)))


def warnings_about(outputs: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    """Returns a sentence if an output holds NaN, otherwise nothing.

    Such pixels become unknown and such boxes are left out, but the model needs attention. outputs:
    tensors of one image by name.
    """
    wrong = [n for n, t in outputs.items() if t.dtype.kind == 'f' and np.isnan(t.min())]
    if not wrong:
        return ()
    names = ', '.join(sorted(wrong))
    return (f'The model returned NaN in {names}: it is damaged, or its precision is too low.',)


def _check(tensor: NDArray[Any], shape: tuple[int, ...], dtype: str) -> None:
    if tensor.shape != shape or tensor.dtype.name != dtype:
        raise BackendError(
            f'The runtime returned {tensor.dtype.name} {tensor.shape} instead of {dtype} {shape}.'
        )
