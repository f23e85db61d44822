"""Writes predictions.mcap: what the node would have published, message by message.

Whoever names topics gets them as the node publishes them. By default the file holds the result of
each task alone, from which everything else can be made, with maps that are small enough for hours
of recordings: at most KEPT_WIDTH_PX wide, as with the node's output_scale, and depth rounded to
12 significant bits, 0.02 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera import messages
from mtscene_ros.camera.mailbox import Counts
from mtscene_ros.camera.messages import Message
from mtscene_ros.camera.outputs import (
    COMPRESSED,
    DEPTH_CAMERA_INFO,
    FRAME_STATS,
    LABEL_INFO,
    Output,
    OutputContext,
    OutputParams,
    confident,
    label_info_topics,
    outputs_of,
)
from mtscene_ros.evaluate.options import ALL_OUTPUTS, RESULTS_ONLY, EvaluateOptions
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.recordings.bag_messages import maker
from mtscene_ros.recordings.bags import BagWriter
from mtscene_ros.types import (
    Boxes3D,
    DepthMap,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Result,
    Scene,
    ValueMap,
)

REPEAT_NS = 10**9  # the period of class maps, as in the node
KEPT_WIDTH_PX = 640  # of small maps; no picture of a page is wider
ROUNDED_BITS = 12  # of the 24 significant ones of float32


class OutputsError(ValueError):
    """The model does not have an output; the message is one sentence."""


class Predictions:
    """A context manager that writes the file. Raises OutputsError."""

    def __init__(self, path: Path, spec: ModelSpec, options: EvaluateOptions) -> None:
        self._spec, self._options = spec, options
        self._outputs = chosen(outputs_of(spec), options.outputs)
        self._writer = BagWriter(path, compressed=True)
        self._new = maker(self._writer.types)
        self._told_ns: int | None = None
        self.bytes_per_image = 0  # of the first image, before compression

    def __enter__(self) -> Predictions:
        self._writer.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.__exit__(*error)  # type: ignore[arg-type]

    def topic(self, name: str) -> str:
        """Resolves a private name as the node does."""
        return f'{self._options.node}/{name}'

    def made(self, scene: Scene) -> list[tuple[Output, Message]]:
        """Returns every output of one image, as the node makes it before publishing."""
        kept = confident(scene, self._options.min_score)
        if self._options.outputs == RESULTS_ONLY:
            kept = small(kept)
        header = messages.header_of(self._new, scene.frame)
        found = OutputContext(kept, header, OutputParams(), self._new)
        made = ((output, output.make(found)) for output in self._outputs)
        return [(output, message) for output, message in made if message is not None]

    def write(
        self,
        made: list[tuple[Output, Message]],
        scene: Scene,
        at_ns: int,
        stage_s: Mapping[str, float],
        counts: Counts,
    ) -> None:
        """Writes the messages of one image; at_ns: when they would have been published."""
        if not self._outputs:
            return
        self._repeat_classes(at_ns)
        found = [(o, self._writer.types.serialize_cdr(message, o.kind)) for o, message in made]
        for output, cdr in found:
            self._writer.write_raw(self.topic(output.topic), output.kind, at_ns, cdr)
        self.bytes_per_image = self.bytes_per_image or sum(len(cdr) for _, cdr in found)
        header = messages.header_of(self._new, scene.frame)
        age_s = (at_ns - scene.frame.stamp_ns) * 1e-9
        stats = messages.frame_stats(self._new, header, scene.frame.camera, age_s, stage_s, counts)
        self._writer.write(self.topic(FRAME_STATS), 'mtscene_msgs/msg/FrameStats', at_ns, stats)

    def _repeat_classes(self, at_ns: int) -> None:
        if self._told_ns is not None and 0 <= at_ns - self._told_ns < REPEAT_NS:
            return
        self._told_ns = at_ns
        header = messages.header(self._new, at_ns, '')
        for task, name in label_info_topics(self._spec).items():
            info = messages.label_info(
                self._new, classes_from_options(self._spec.tasks[task]), header
            )
            self._writer.write(self.topic(name), LABEL_INFO, at_ns, info, latched=True)


def chosen(outputs: tuple[Output, ...], names: tuple[str, ...]) -> tuple[Output, ...]:
    """Returns the outputs of the given names; all are those that are not there in another form.

    Raises OutputsError.
    """
    if names == ALL_OUTPUTS:
        return tuple(output for output in outputs if output.kind != COMPRESSED)
    if names == RESULTS_ONLY:
        return tuple(o for o in outputs if o.result_of or o.topic == DEPTH_CAMERA_INFO)
    known = [output.topic for output in outputs]
    for name in names:
        if name not in known:
            raise OutputsError(f'The model has no output {name!r}; it has {", ".join(known)}.')
    return tuple(output for output in outputs if output.topic in names)


# -- small maps ----------------------------------------------------------------------------------


def small(scene: Scene) -> Scene:
    """Returns the scene with maps of at most KEPT_WIDTH_PX, and the camera that fits them."""
    height_px, width_px = scene.frame.rgb.shape[:2]
    size = (
        min(width_px, KEPT_WIDTH_PX),
        max(1, round(height_px * min(1, KEPT_WIDTH_PX / width_px))),
    )
    camera = scene.frame.intrinsics
    results = {task: small_result(result, size) for task, result in scene.results.items()}
    return replace(scene, results=results, output_intrinsics=camera and camera.resized(*size))


def small_result(result: Result, size: tuple[int, int]) -> Result:
    """Returns a result with maps of (width, height); boxes stay as they are."""
    if isinstance(result, Boxes3D):
        return result
    if isinstance(result, LabelMap):
        labels, confidence = (nearest_of(m, size) for m in (result.labels, result.confidence))
        return LabelMap(labels, confidence, result.classes)
    if isinstance(result, DepthMap):
        return DepthMap(rounded(nearest_of(result.depth_m, size)))
    if isinstance(result, NormalMap):
        return NormalMap(nearest_of(result.normals, size))
    if isinstance(result, ProbabilityMap):
        return ProbabilityMap(nearest_of(result.probability, size))
    return ValueMap(nearest_of(result.values, size))


def nearest_of(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resizes by nearest neighbour, so that no new value appears."""
    if values.shape[:2] == size[::-1]:
        return values
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT))


def rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rounds float32 to ROUNDED_BITS significant bits, which compresses to half the size."""
    drop = 24 - ROUNDED_BITS
    bits = np.ascontiguousarray(values).view(np.uint32)
    kept = (bits + np.uint32(1 << (drop - 1))) & np.uint32(~((1 << drop) - 1) & 0xFFFFFFFF)
    return np.where(np.isfinite(values), kept.view(np.float32), values)
