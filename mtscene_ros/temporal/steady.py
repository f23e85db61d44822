"""Results that do not flicker: the last outputs, moved along the optical flow, are blended with
the new ones where image, flow and depth agree, before anything is decoded.

What does not agree, such as a new object or what an old one had hidden, is as new as it comes.
Labels are voted on at the size of the network's input, because their borders move by parts of a
pixel of a smaller map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.network_input import NetworkInput
from mtscene_ros.temporal.blends import (
    Ballot,
    blended_depth,
    blended_normals,
    blended_probability,
    elect,
    own_motion_m,
    vote,
)
from mtscene_ros.temporal.flow import Motion, grown, motion
from mtscene_ros.types import CameraFrame, Intrinsics

Map = NDArray[Any]
U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MAX_GAP_NS = 1_000_000_000  # later images have nothing in common with the last
LEAST_AGREEMENT = 0.5  # of the image; less is a cut
LEAST_PX = 16, 32  # of the shorter and the longer side; flow needs as much
PROBABILITIES = ('boundary', 'saliency')


@dataclass(frozen=True, slots=True, eq=False)
class Steadied:
    """What is kept of an image: its grey picture, the outputs as they went out, and the ballot for
    each label map."""

    grey: U8
    outputs: Mapping[str, Map]
    ballots: Mapping[str, Ballot]
    stamp_ns: int
    view: tuple[Intrinsics | None, object]


@dataclass(slots=True, eq=False)
class Steady:
    """The steadying of one camera's outputs; is_metric: the output `depth` holds metres."""

    is_metric: bool = True
    last: Steadied | None = None

    def update(
        self, frame: CameraFrame, network_input: NetworkInput, outputs: Mapping[str, Map]
    ) -> dict[str, Map]:
        """Returns the outputs of one image, blended with those before.

        outputs: tensors by name, without the batch axis; label maps come back at the size of the
        network's input. A cut, a jump in time and another lens or size forget what was.
        """
        grey = np.asarray(cv2.cvtColor(network_input.rgb, cv2.COLOR_RGB2GRAY), np.uint8)
        view = frame.intrinsics, network_input.letterbox
        last = self._usable(frame.stamp_ns, view)
        way = motion(last.grey, grey) if last is not None else None
        if way is not None and way.agrees.mean() < LEAST_AGREEMENT:
            last = way = None
        found, agrees = dict(outputs), way.agrees if way is not None else None
        if last is not None and way is not None:
            found, agrees = self._blended(outputs, last, way)
        ballots = {}
        for name in label_outputs(outputs):
            before = last.ballots.get(name) if last is not None else None
            ballots[name] = self._ballot(name, outputs, grey, before, way, agrees)
            found[name], found[confidence_of(name)] = (
                ballots[name].labels,
                ballots[name].confidence,
            )
        self.last = Steadied(grey, found, ballots, frame.stamp_ns, view)
        return found

    def _usable(self, stamp_ns: int, view: object) -> Steadied | None:
        last = self.last
        if last is None or last.view != view or tuple(sorted(last.grey.shape)) < LEAST_PX:
            return None
        return last if 0 < stamp_ns - last.stamp_ns <= MAX_GAP_NS else None

    def _blended(
        self, outputs: Mapping[str, Map], last: Steadied, way: Motion
    ) -> tuple[dict[str, Map], Mask]:
        """Returns all outputs with the dense ones blended, and where they agree: not where
        the depth is another object's."""
        found, agrees = dict(outputs), way.agrees
        named = ('depth', 'normals', *PROBABILITIES)
        for name in (n for n in named if n in outputs and n in last.outputs):
            new = outputs[name]
            small = Motion(way.columns, way.rows, agrees).resized(*new.shape[-2:])
            before = moved(last.outputs[name], small)
            if name == 'depth':
                if self.is_metric:
                    before = before + own_motion_m(new, before, small.agrees)
                found[name], same = blended_depth(new, before, small.agrees)
                is_other = grown(small.agrees & ~same, agrees.shape)
                agrees = agrees & ~is_other
            elif name == 'normals':
                found[name] = blended_normals(new, before, small.agrees)
            else:
                found[name] = blended_probability(new, before, small.agrees)
        return found, agrees

    @staticmethod
    def _ballot(
        name: str,
        outputs: Mapping[str, Map],
        grey: U8,
        before: Ballot | None,
        way: Motion | None,
        agrees: Mask | None,
    ) -> Ballot:
        labels = grown(outputs[name], grey.shape)
        confidence = grown(outputs[confidence_of(name)], grey.shape)
        if before is None or way is None or agrees is None:
            return Ballot(labels, confidence, vote(confidence))
        carried = Ballot(
            way.moved(plain(before.labels), smooth=False).astype(labels.dtype),
            way.moved(before.confidence, smooth=False),
            way.moved(before.votes, smooth=False),
        )
        return elect(labels, confidence, carried, agrees)


def confidence_of(labels: str) -> str:
    return labels.removesuffix('_labels') + '_confidence'


def label_outputs(outputs: Mapping[str, Map]) -> list[str]:
    """Returns the names of label maps that have a confidence."""
    return [n for n in outputs if n.endswith('_labels') and confidence_of(n) in outputs]


def moved(last: Map, way: Motion) -> Map:
    """Returns an (h, w) or (c, h, w) map of the last image as it lies in the present one."""
    if last.ndim == 2:
        return way.moved(last, smooth=True)
    return np.stack([way.moved(plane, smooth=True) for plane in last])


def plain(labels: Map) -> Map:
    """Returns labels in a type that OpenCV moves."""
    return labels.astype(np.float32) if labels.dtype == np.int32 else labels
