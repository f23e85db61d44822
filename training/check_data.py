"""Looks over a data set before an hour of training is lost on it.

    python -m training.check_data manifest my_frames.yaml
    python -m training.check_data nyud NYUDv2 --split val

Reads every frame. Exit status 1 where something is wrong: a file that cannot be read, an id that
its table does not have, a box that does not re-project into its image.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from mtscene_ros.camera.geometry import (
    box_corners,
    matrix_from_quaternion,
    optical_from_level_box,
    project,
)
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.models.atomic_file import write_text
from training.data import DATASETS, DataSet
from training.data.sample import UNKNOWN, Sample

DEPTH_BINS_M = np.array([0, 1, 2, 5, 10, 20, 50, 100, np.inf])
MIN_OVERLAP = 0.3  # of a box's projection with its annotated rectangle
NEAREST_M = 0.1


@dataclass(slots=True)
class DataCounts:
    """What was seen. frames: with any label of a task; ids: pixels by id; depth: pixels by bin of
    DEPTH_BINS_M; boxes: by class id; sizes: of images; complaints: one line each."""

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


def look_at(sample: Sample, name: str, account: DataCounts) -> None:
    """Adds one frame."""
    height, width = sample.labels.shape
    account.sizes[f'{width}x{height}'] += 1
    account.pixels += height * width
    maps = {n: v for n in UNKNOWN if (v := getattr(sample, n)) is not None} | dict(sample.maps)
    for task, values in maps.items():
        known = known_pixels(task, values)
        if not known.any():
            continue
        account.frames[task] += 1
        account.known[task] += int(known.sum())
        if values.dtype == np.uint8:
            ids, counts = np.unique(values[known], return_counts=True)
            account.ids[task].update(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
        elif task == 'depth_m':
            look_at_depth(values[known & np.isfinite(values)], name, account)
        elif task != 'normals':
            low, high = account.map_range.get(task, (np.inf, -np.inf))
            here = float(values[known].min()), float(values[known].max())
            account.map_range[task] = min(low, here[0]), max(high, here[1])
    if sample.has_boxes:
        account.frames['boxes3d'] += 1
        account.boxes.update(sample.class_ids.tolist())
        account.complaints += box_complaints(sample, name)


def known_pixels(task: str, values: NDArray[Any]) -> NDArray[np.bool_]:
    """(H, W)."""
    if task == 'normals':
        return np.asarray(np.abs(values).max(2) > 0)
    if values.dtype == np.uint8:
        return np.asarray(values != 255)
    return np.asarray(~np.isnan(values))


def look_at_depth(depth_m: NDArray[np.float32], name: str, account: DataCounts) -> None:
    if not len(depth_m):
        return
    account.depth += np.histogram(depth_m, DEPTH_BINS_M)[0]
    low, high = account.depth_range_m
    here = float(depth_m.min()), float(depth_m.max())
    account.depth_range_m = min(low, here[0]), max(high, here[1])
    if np.median(depth_m) > 500:
        account.complaints.append(
            f'{name}: half of the depth exceeds 500 m; is it in millimetres? .npy is in metres.'
        )


def box_complaints(sample: Sample, name: str) -> list[str]:
    """Boxes behind the camera, beside the image, or elsewhere than their 2D annotation."""
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
            found.append(f'{where} does not project into the image; check camera and centre.')
        elif sample.bbox_px is not None:
            share = covered(sample.bbox_px[k], seen_px)
            if share < MIN_OVERLAP:
                found.append(f'{where} covers {100 * share:.0f} % of its 2D box.')
    return found


def covered(inner_px: NDArray[np.float64], outer_px: NDArray[np.float64]) -> float:
    """Share of the first rectangle inside the second."""
    low, high = np.maximum(inner_px[:2], outer_px[:2]), np.minimum(inner_px[2:], outer_px[2:])
    size = np.maximum(inner_px[2:] - inner_px[:2], 1)
    return float((np.maximum(high - low, 0) / size).prod())


def check(data_set: DataSet, folder: Path, split: str) -> DataCounts:
    """Every frame of a split; unreadable ones become complaints."""
    account = DataCounts()
    for name in track(data_set.names(folder, split), 'reading', transient=True):
        try:
            look_at(data_set.read(folder, name), name, account)
        except DataError as error:
            account.complaints.append(f'{name}: {error}')
    return account


def report(account: DataCounts) -> str:
    lines = [f'images: {", ".join(f"{n} of {s}" for s, n in account.sizes.items())}']
    for task, frames in account.frames.items():
        share = 100 * account.known[task] / max(1, account.pixels)
        lines.append(
            f'{task}: {frames} frames' + (f', {share:.1f} % of all pixels' * (task != 'boxes3d'))
        )
        total = sum(account.ids[task].values())
        for k, count in sorted(account.ids[task].items()):
            lines.append(f'  id {k:3d} {100 * count / total:6.2f} % {bar(count / total)}')
        if task in account.map_range:
            lines.append('  from {:.4g} to {:.4g}'.format(*account.map_range[task]))
    if account.depth.sum():
        lines.append('depth from {:.2f} to {:.2f} m'.format(*account.depth_range_m))
        for low, high, count in zip(DEPTH_BINS_M, DEPTH_BINS_M[1:], account.depth, strict=False):
            share = count / account.depth.sum()
            lines.append(f'  {low:5.0f} to {high:5.0f} m {100 * share:6.2f} % {bar(share)}')
    if account.boxes:
        counts = ', '.join(f'class {k}: {n}' for k, n in sorted(account.boxes.items()))
        lines.append(f'boxes: {counts}')
    lines += [f'! {complaint}' for complaint in account.complaints]
    lines.append(f'{len(account.complaints)} complaints')
    return '\n'.join(lines)


def bar(share: float) -> str:
    return '#' * round(40 * share)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data_set', choices=sorted(DATASETS))
    parser.add_argument('folder', type=Path, help="the data set's root, or the manifest")
    parser.add_argument('--split', default='train')
    parser.add_argument('--json', type=Path, help='complaints and counts')
    options = parser.parse_args(arguments)
    try:
        account = check(DATASETS[options.data_set], options.folder, options.split)
    except DataError as error:
        print(error)
        return 1
    print(report(account))
    if options.json:
        found = {'frames': dict(account.frames), 'complaints': account.complaints}
        write_text(options.json, json.dumps(found, indent=2) + '\n')
    return 1 if account.complaints else 0


if __name__ == '__main__':
    raise SystemExit(main())
