"""The frozen dataclasses that travel between the stages of the line.

Frames: *optical* is the camera's optical frame (x right, y down, z forward, metres); *box* has x
along the heading, y left, z up. Pixel centres lie at integer coordinates, so u = fx_px * X / Z +
cx_px.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

UNLABELED = (
    255  # label id of a pixel that nothing is known about; also the ignore index in training
)

Ids = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Pinhole camera without distortion, for an image of width_px x height_px."""

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float

    @classmethod
    def centered(cls, width_px: int, height_px: int, focal_px: float) -> Intrinsics:
        """A camera that nobody has calibrated: square pixels, the principal point in the middle of
        the image, which is ((width - 1) / 2, (height - 1) / 2)."""
        cx_px, cy_px = (width_px - 1) / 2, (height_px - 1) / 2
        return cls(width_px, height_px, focal_px, focal_px, cx_px, cy_px)

    def resized(self, width_px: int, height_px: int) -> Intrinsics:
        """Of the same image at another size; pixel centres lie at integers."""
        x, y = width_px / self.width_px, height_px / self.height_px
        cx_px, cy_px = (self.cx_px + 0.5) * x - 0.5, (self.cy_px + 0.5) * y - 0.5
        return Intrinsics(width_px, height_px, self.fx_px * x, self.fy_px * y, cx_px, cy_px)


@dataclass(frozen=True, slots=True, eq=False)
class CameraFrame:
    """One image of one camera.

    rgb: (H, W, 3) uint8, may be a read-only view of the message's memory.
    intrinsics: None where the camera is not calibrated; then nothing metric is computed.
    camera: name of the camera among those that the node serves.
    """

    rgb: NDArray[np.uint8]
    intrinsics: Intrinsics | None
    stamp_ns: int
    frame_id: str
    camera: str = ''


@dataclass(frozen=True, slots=True)
class SemanticClass:
    """One entry of a class table; `color_rgb` is what overlays use."""

    id: int
    name: str
    color_rgb: tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """labels: (H, W) class ids, uint8, or uint16 of more than 255 classes; where unknown the
    highest number of the type (UNLABELED, 65535); confidence: (H, W) uint8, round(255 p_max)."""

    labels: Ids
    confidence: NDArray[np.uint8]
    classes: tuple[SemanticClass, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DepthMap:
    """depth_m: (H, W) float32 along optical z; NaN unknown, +inf beyond range, -inf too close
    (REP-117)."""

    depth_m: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class NormalMap:
    """normals: (H, W, 3) float32 unit vectors in the optical frame, out of the surface and towards
    the camera; NaN unknown."""

    normals: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityMap:
    """probability: (H, W) float32 in [0, 1]: of an object boundary, of being salient."""

    probability: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Boxes3D:
    """N boxes in the optical frame, best score first.

    class_ids: (N,) int64 index into classes; scores: (N,) float32 in [0, 1]; centers_m: (N, 3)
    float64 geometric centres; sizes_m: (N, 3) float64 length, width, height; quaternions_xyzw: (N,
    4) float64 unit, optical_from_box; ids: N strings that stay with an object, or none at all.
    """

    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    centers_m: NDArray[np.float64]
    sizes_m: NDArray[np.float64]
    quaternions_xyzw: NDArray[np.float64]
    classes: tuple[SemanticClass, ...]
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.class_ids)

    def select(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Boxes3D:
        """The boxes at the given indices, or where a mask is true."""
        return Boxes3D(
            self.class_ids[index],
            self.scores[index],
            self.centers_m[index],
            self.sizes_m[index],
            self.quaternions_xyzw[index],
            self.classes,
            tuple(np.array(self.ids, object)[index].tolist()) if self.ids else (),
        )


@dataclass(frozen=True, slots=True, eq=False)
class ValueMap:
    """values: (H, W) float32 in the units of a user's own task."""

    values: NDArray[np.float32]


Result = LabelMap | DepthMap | NormalMap | ProbabilityMap | ValueMap | Boxes3D
R = TypeVar('R', LabelMap, DepthMap, Boxes3D)


class MissingResultError(LookupError):
    """A scene lacks the result of a task; one sentence says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything known about one image: results by task name, seconds spent by stage name.

    output_intrinsics: fit the maps among the results, which may be smaller than the image.
    warnings: sentences about what the model returned.
    """

    frame: CameraFrame
    results: Mapping[str, Result]
    stage_s: Mapping[str, float] = field(default_factory=dict)
    output_intrinsics: Intrinsics | None = None
    warnings: tuple[str, ...] = ()

    @property
    def labels(self) -> Ids:
        """(H, W) class ids of the task `semantic`. Raises MissingResultError."""
        return self._result('semantic', LabelMap).labels

    @property
    def classes(self) -> tuple[SemanticClass, ...]:
        """The classes that `labels` refers to. Raises MissingResultError."""
        return self._result('semantic', LabelMap).classes

    @property
    def depth_m(self) -> NDArray[np.float32]:
        """(H, W) metres along optical z, as in DepthMap. Raises MissingResultError."""
        return self._result('depth', DepthMap).depth_m

    @property
    def boxes(self) -> Boxes3D:
        """The boxes of the task `boxes3d`. Raises MissingResultError."""
        return self._result('boxes3d', Boxes3D)

    def _result(self, task: str, kind: type[R]) -> R:
        found = self.results.get(task)
        if isinstance(found, kind):
            return found
        reason = (
            'the model has no such task, or it was not asked for.'
            if self.frame.intrinsics
            else 'it may need the camera: give horizontal_fov_deg or intrinsics.'
        )
        raise MissingResultError(
            f'There is no {task} among the results ({", ".join(self.results) or "none"}): {reason}'
        )
