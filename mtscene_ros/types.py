"""The frozen dataclasses that the stages of the pipeline pass on.

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

UNLABELED = 255  # label id of a pixel whose class is unknown; also the ignored index in training

Ids = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole camera without distortion.

    width_px, height_px: size of the image; fx_px, fy_px: focal lengths in pixels; cx_px, cy_px:
    principal point in pixels, where (0, 0) is the centre of the first pixel.
    """

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
        """Returns the intrinsics of the same image resized to width_px x height_px."""
        x, y = width_px / self.width_px, height_px / self.height_px
        cx_px, cy_px = (self.cx_px + 0.5) * x - 0.5, (self.cy_px + 0.5) * y - 0.5
        return Intrinsics(width_px, height_px, self.fx_px * x, self.fy_px * y, cx_px, cy_px)


@dataclass(frozen=True, slots=True, eq=False)
class CameraFrame:
    """One image of one camera.

    rgb: (H, W, 3) uint8, may be a read-only view of the message's memory; intrinsics: None if the
    camera is not calibrated, in which case nothing metric is computed; stamp_ns: of the image, in
    nanoseconds; frame_id: the optical frame; camera: name of the camera in the node's list, '' for
    a single one; unseen: (H, W) bool, pixels that undistortion made of nothing, None for none.
    """

    rgb: NDArray[np.uint8]
    intrinsics: Intrinsics | None
    stamp_ns: int
    frame_id: str
    camera: str = ''
    unseen: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class SemanticClass:
    """One entry of a class table.

    id: the value in label maps; name: unique in the table; color_rgb: 0 to 255, for overlays.
    """

    id: int
    name: str
    color_rgb: tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """The class of every pixel.

    labels: (H, W) class ids, uint8, or uint16 for more than 255 classes; a pixel of unknown class
    has the largest number of the type (UNLABELED or 65535); confidence: (H, W) uint8, round(255
    p_max); classes: the table that the ids refer to.
    """

    labels: Ids
    confidence: NDArray[np.uint8]
    classes: tuple[SemanticClass, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DepthMap:
    """The depth of every pixel.

    depth_m: (H, W) float32, metres along the optical z axis; NaN unknown, +inf beyond range, -inf
    too close (REP-117).
    """

    depth_m: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class NormalMap:
    """The surface normal of every pixel.

    normals: (H, W, 3) float32 unit vectors in the optical frame, out of the surface and towards
    the camera; NaN unknown.
    """

    normals: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityMap:
    """A probability for every pixel, such as that of an object boundary or of being salient.

    probability: (H, W) float32 in [0, 1].
    """

    probability: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Boxes3D:
    """N boxes in the optical frame, best score first.

    class_ids: (N,) int64 index into classes; scores: (N,) float32 in [0, 1]; centers_m: (N, 3)
    float64 geometric centres in metres; sizes_m: (N, 3) float64 length, width, height in metres;
    quaternions_xyzw: (N, 4) float64 unit quaternions, optical_from_box; classes: the table that
    class_ids index; ids: N strings that stay with an object, or empty without tracking.
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
        """Returns the boxes at the given indices, or where an (N,) mask is true."""
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
    """A number for every pixel, from a user's own task.

    values: (H, W) float32 in the unit of that task.
    """

    values: NDArray[np.float32]


Result = LabelMap | DepthMap | NormalMap | ProbabilityMap | ValueMap | Boxes3D
R = TypeVar('R', LabelMap, DepthMap, Boxes3D)


class MissingResultError(LookupError):
    """A scene lacks the result of a task; one sentence says why."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A number that says how far an image can be trusted.

    name: what was measured; value: in the unit that the text names; limit: a larger value means
    trouble; text: the sentence for that case; is_blind: nothing in such an image can be trusted.
    """

    name: str
    value: float
    limit: float
    text: str
    is_blind: bool = False

    @property
    def factor(self) -> float:
        """What remains of confidences, 0 to 1, where the value is beyond the limit."""
        return 0.0 if self.is_blind else min(1.0, self.limit / max(self.value, 1e-9))


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything known about one image.

    frame: the image; results: by task name; stage_s: seconds spent by stage name;
    output_intrinsics: intrinsics that fit the maps among the results, which may be smaller than
    the image, None for an uncalibrated camera; warnings: sentences about what the model returned;
    signals: how far the image can be trusted, empty unless a `Watch` was asked for.
    """

    frame: CameraFrame
    results: Mapping[str, Result]
    stage_s: Mapping[str, float] = field(default_factory=dict)
    output_intrinsics: Intrinsics | None = None
    warnings: tuple[str, ...] = ()
    signals: tuple[Signal, ...] = ()

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
            'the model has no such task, or it was not requested.'
            if self.frame.intrinsics
            else 'it may need the camera: give horizontal_fov_deg or intrinsics.'
        )
        raise MissingResultError(
            f'There is no {task} among the results ({", ".join(self.results) or "none"}): {reason}'
        )
