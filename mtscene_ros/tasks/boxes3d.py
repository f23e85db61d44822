"""3D boxes: a heat map of projected centres and a code per cell → boxes in the optical frame.

The representation is CenterNet's (Zhou et al., Objects as Points, 2019, section 4) with the 3D
code of SMOKE (Liu et al., 2020, section 3.2): offset of the projected centre, its depth,
dimensions, observation angle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import optical_from_level_box, quaternion_from_matrix, unproject
from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import Options, classes_from_options
from mtscene_ros.tasks import fcos3d
from mtscene_ros.tasks.depth import camera_scale
from mtscene_ros.types import Boxes3D, CameraFrame, SemanticClass

OUTPUTS = ('boxes3d_scores', 'boxes3d_code')
NEEDS_INTRINSICS = True

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CenterOptions:
    """Options of the decoder.

    Cells that score less than min_score, boxes after the best max_boxes, and boxes beyond max_m
    (canonical metres) are left out.
    """

    classes: tuple[SemanticClass, ...]
    stride_px: int
    focal_px: float
    min_score: float
    max_boxes: int
    max_m: float


def decoder(
    options: Options,
) -> Callable[[Mapping[str, NDArray[Any]], Letterbox, CameraFrame], Boxes3D]:
    """Returns the function that decodes one image.

    options: {code: 'center_alpha', classes, stride_px, focal_px, min_score, max_boxes, max_m}, or
    those of fcos3d.decoder. Raises ValueError for another code.
    """
    if options['code'] == 'fcos3d':
        return fcos3d.decoder(options)
    if options['code'] != 'center_alpha':
        raise ValueError(f'box code {options["code"]!r} is not "center_alpha" or "fcos3d"')
    center_options = CenterOptions(
        classes_from_options(options),
        int(options['stride_px']),
        float(options['focal_px']),
        float(options['min_score']),
        int(options['max_boxes']),
        float(options['max_m']),
    )

    def decode(
        outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox, frame: CameraFrame
    ) -> Boxes3D:
        scores, code = (outputs[name] for name in OUTPUTS)
        return decode_centers(scores, code, center_options, letterbox, frame)

    return decode


def decode_centers(
    score_map: NDArray[np.float32],
    code_map: NDArray[np.float32],
    options: CenterOptions,
    letterbox: Letterbox,
    frame: CameraFrame,
) -> Boxes3D:
    """Decodes the maps of one image into boxes, best first.

    score_map: (C, h, w), zero off the peaks; code_map: (8, h, w) with du and dv in network pixels,
    canonical depth in m, length, width and height in m, cosine and sine of the observation angle.
    """
    assert frame.intrinsics is not None, 'the estimator skips uncalibrated cameras'
    class_ids, rows, columns = best_cells(score_map, options.min_score, options.max_boxes)
    scores = score_map[class_ids, rows, columns]
    code = code_map[:, rows, columns].T.astype(np.float64)  # (N, 8)
    usable = np.isfinite(code).all(1) & (code[:, 2] > 0) & (code[:, 2] <= options.max_m)
    code = np.where(usable[:, None], code, 1.0)  # placeholders, removed at the end
    cell_px = (np.stack([columns, rows], 1) + 0.5) * options.stride_px - 0.5
    uv_px = letterbox.points_to_camera(cell_px + code[:, :2])
    depth_m = code[:, 2] * camera_scale(frame, letterbox, options.focal_px)
    centers_m = unproject(uv_px, depth_m, frame.intrinsics)
    yaw_rad = np.arctan2(code[:, 7], code[:, 6]) + np.arctan2(centers_m[:, 0], centers_m[:, 2])
    sizes_m = np.maximum(code[:, 3:6], 0.0)
    quaternions = quaternion_from_matrix(optical_from_level_box(yaw_rad))
    boxes = Boxes3D(class_ids, scores, centers_m, sizes_m, quaternions, options.classes)
    boxes = boxes.select(usable)
    return boxes.select(suppress_duplicates(boxes.centers_m, boxes.sizes_m))


def best_cells(
    score_map: NDArray[np.float32], min_score: float, max_boxes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns class, row and column of the cells of a (C, h, w) map that reach min_score.

    The best come first, equal ones in the order of their index.
    """
    flat = score_map.ravel()
    candidates = np.flatnonzero(flat >= max(min_score, 1e-6))
    order = np.argsort(-flat[candidates], kind='stable')[:max_boxes]
    class_ids, rows, columns = np.unravel_index(candidates[order], score_map.shape)
    return class_ids, rows, columns


def suppress_duplicates(centers_m: F64, sizes_m: F64) -> NDArray[np.int64]:
    """Returns the indices, best first, of boxes that do not stand inside a better box.

    A box is a duplicate if its ground position lies within half the width of a better one: two
    objects cannot stand in one place, whatever their classes. Boxes of a crowd stay, because their
    centres are at least half a width apart.
    """
    kept: list[int] = []
    for i, center in enumerate(centers_m):
        gaps = np.hypot(*(centers_m[kept][:, [0, 2]] - center[[0, 2]]).T)
        if not (gaps < np.maximum(sizes_m[kept][:, 1], sizes_m[i, 1]) / 2).any():
            kept.append(i)
    return np.array(kept, np.int64)
