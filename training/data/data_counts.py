"""What a data set holds, counted frame by frame, and what is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import (
    box_corners,
    matrix_from_quaternion,
    optical_from_level_box,
    project,
)
from mtscene_ros.datasets.class_tables import Classes, lonely_class
from mtscene_ros.datasets.classes import HUMAN_PARTS_7
from mtscene_ros.terminal import listed, plural
from training.data.by_name import Tables
from training.data.sample import UNKNOWN, Sample

DEPTH_BINS_M = np.array([0, 1, 2, 5, 10, 20, 50, 100, np.inf])
MIN_OVERLAP = 0.3  # minimum fraction of a box's projection inside its annotated rectangle
NEAREST_M = 0.1


@dataclass(slots=True)
class DataCounts:
    """Counts over the frames read so far.

    frames: number with labels, by task; ids: pixels by id; depth: pixels by bin of DEPTH_BINS_M;
    boxes: number by class id; sizes: number of images by size; complaints: one line per problem.
    """

    frames: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    pixels: int = 0
    ids: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    depth: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(DEPTH_BINS_M) - 1, np.int64)
    )
    depth_range_m: tuple[float, float] = (np.inf, -np.inf)
    map_range: dict[str, tuple[float, float]] = field(default_factory=dict)
    boxes: Counter[int] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)


def count_frame(sample: Sample, name: str, data_counts: DataCounts) -> None:
    """Adds one frame to the counts."""
    height, width = sample.labels.shape
    data_counts.sizes[f'{width}x{height}'] += 1
    data_counts.pixels += height * width
    maps = {n: v for n in UNKNOWN if (v := getattr(sample, n)) is not None} | dict(sample.maps)
    for task, values in maps.items():
        known = known_pixels(task, values)
        if not known.any():
            continue
        data_counts.frames[task] += 1
        data_counts.known[task] += int(known.sum())
        if values.dtype == np.uint8:
            ids, pixels = np.unique(values[known], return_counts=True)
            data_counts.ids[task].update(dict(zip(ids.tolist(), pixels.tolist(), strict=True)))
        elif task == 'depth_m':
            count_depth(values[known & np.isfinite(values)], name, data_counts)
        elif task != 'normals':
            low, high = data_counts.map_range.get(task, (np.inf, -np.inf))
            here = float(values[known].min()), float(values[known].max())
            data_counts.map_range[task] = min(low, here[0]), max(high, here[1])
    if sample.has_boxes:
        data_counts.frames['boxes3d'] += 1
        data_counts.boxes.update(sample.class_ids.tolist())
        data_counts.complaints += box_complaints(sample, name)


def known_pixels(task: str, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Returns (H, W): true where the value is known."""
    if task == 'normals':
        return np.asarray(np.abs(values).max(2) > 0)
    if values.dtype == np.uint8:
        return np.asarray(values != 255)
    return np.asarray(~np.isnan(values))


def count_depth(depth_m: NDArray[np.float32], name: str, data_counts: DataCounts) -> None:
    if not len(depth_m):
        return
    data_counts.depth += np.histogram(depth_m, DEPTH_BINS_M)[0]
    low, high = data_counts.depth_range_m
    here = float(depth_m.min()), float(depth_m.max())
    data_counts.depth_range_m = min(low, here[0]), max(high, here[1])
    if np.median(depth_m) > 500:
        data_counts.complaints.append(
            f'{name}: half of the depth exceeds 500 m; is it in millimetres? .npy is in metres.'
        )


def box_complaints(sample: Sample, name: str) -> list[str]:
    """Describes boxes that lie behind the camera, outside the image, or off their 2D
    annotation."""
    if not len(sample.class_ids):
        return []
    turned = (
        optical_from_level_box(sample.yaw_rad)
        if sample.quaternions_xyzw is None
        else matrix_from_quaternion(sample.quaternions_xyzw)
    )
    corners_m = box_corners(sample.centers_m, sample.sizes_m, turned)
    camera = sample.intrinsics
    bounds_px = np.array([camera.width_px, camera.height_px] * 2) - 1
    found = []
    for k, corners in enumerate(corners_m):
        where = f'{name}: box {k} at {np.round(sample.centers_m[k], 2).tolist()} m'
        if corners[:, 2].max() < NEAREST_M:
            found.append(f'{where} lies behind the camera; centres are in the optical frame.')
            continue
        corners[:, 2] = np.maximum(corners[:, 2], NEAREST_M)
        points_px = project(corners, camera)
        around_px = np.concatenate([points_px.min(0), points_px.max(0)])
        seen_px = np.clip(around_px, 0, bounds_px)
        if (seen_px[2:] <= seen_px[:2]).any():
            found.append(
                f'{where} does not project into the image; check the camera and the box centre.'
            )
        elif sample.bbox_px is not None:
            share = overlap_share(sample.bbox_px[k], seen_px)
            if share < MIN_OVERLAP:
                found.append(f'{where} covers {100 * share:.0f} % of its 2D box.')
    return found


def overlap_share(inner_px: NDArray[np.float64], outer_px: NDArray[np.float64]) -> float:
    """Returns the fraction of the first rectangle that lies inside the second."""
    low, high = np.maximum(inner_px[:2], outer_px[:2]), np.minimum(inner_px[2:], outer_px[2:])
    size = np.maximum(inner_px[2:] - inner_px[:2], 1)
    return float((np.maximum(high - low, 0) / size).prod())


def classes_of(task: str, tables: Tables) -> Classes:
    """task: as in DataCounts.ids."""
    known = {'labels': tables.semantic, 'human_parts': HUMAN_PARTS_7}
    return known.get(task) or tables.maps.get(task, ())


def name_in(classes: Classes, number: int) -> str:
    return next((c.name for c in classes if c.id == number), '')


def without_labels(data_counts: DataCounts, tables: Tables) -> list[str]:
    """Returns a sentence for every table that no frame uses, or for frames without any label."""
    images = sum(data_counts.sizes.values())
    named = {'labels': tables.semantic, 'boxes3d': tables.boxes} | dict(tables.maps)
    none = f'0 of {plural(images, "image")} {"has" if images == 1 else "have"} labels'
    if not data_counts.frames:
        return [f'{none}.']
    return [
        f'{none} of {task.replace("labels", "semantic")}, whose classes the data set names.'
        for task, classes in named.items()
        if classes and not data_counts.frames[task]
    ]


def warnings_of(data_counts: DataCounts, tables: Tables) -> list[str]:
    """Returns sentences about classes that cannot be learned."""
    found = []
    for task, ids in data_counts.ids.items():
        classes = classes_of(task, tables)
        found += lonely_class(task.replace('labels', 'semantic'), classes)
        never = [c.name for c in classes if not ids[c.id]]
        if never and task != 'human_parts':
            found.append(f'No pixel is {listed(never)}.')
        if len(classes) > 1 and len(ids) == 1:
            found.append(f'Every labelled pixel is {name_in(classes, next(iter(ids)))}.')
    never = [c.name for c in tables.boxes if not data_counts.boxes[c.id]]
    if data_counts.boxes and never:
        found.append(f'No box is {listed(never)}.')
    return found


def report(data_counts: DataCounts, tables: Tables) -> str:
    lines = [f'images: {", ".join(f"{n} of {s} px" for s, n in data_counts.sizes.items())}']
    for task, frames in data_counts.frames.items():
        share = 100 * data_counts.known[task] / max(1, data_counts.pixels)
        lines.append(
            f'{task}: {plural(frames, "frame")}'
            + (f', {share:.1f} % of all pixels' * (task != 'boxes3d'))
        )
        total = sum(data_counts.ids[task].values())
        classes = classes_of(task, tables)
        for k, count in sorted(data_counts.ids[task].items()):
            drawn = f'{100 * count / total:6.2f} % {bar(count / total):40s}'
            lines.append(f'  id {k:3d} {drawn} {name_in(classes, k)}'.rstrip())
        if task in data_counts.map_range:
            lines.append('  from {:.4g} to {:.4g}'.format(*data_counts.map_range[task]))
    if data_counts.depth.sum():
        lines.append('depth from {:.2f} to {:.2f} m'.format(*data_counts.depth_range_m))
        for low, high, count in zip(
            DEPTH_BINS_M, DEPTH_BINS_M[1:], data_counts.depth, strict=False
        ):
            share = count / data_counts.depth.sum()
            lines.append(f'  {low:5.0f} to {high:5.0f} m {100 * share:6.2f} % {bar(share)}')
    if data_counts.boxes:
        named = sorted(data_counts.boxes.items())
        by_class = ', '.join(f'{name_in(tables.boxes, k) or k}: {n}' for k, n in named)
        lines.append(f'boxes: {by_class}')
    lines += [f'warning: {sentence}' for sentence in warnings_of(data_counts, tables)]
    lines += [f'! {complaint}' for complaint in data_counts.complaints]
    lines.append(plural(len(data_counts.complaints), 'complaint'))
    return '\n'.join(lines)


def bar(share: float) -> str:
    return '#' * round(40 * share)
