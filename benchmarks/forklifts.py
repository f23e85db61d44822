"""Adapts the demo model to boxes of forklifts and loaded pallets, which it does not know.

    python -m benchmarks.forklifts /tmp/forklifts [--steps 300] [--threads 2]

Both are drawn into generated drives, with occlusion and boxes in 3D; nothing else is labelled.
Writes benchmarks/results/forklifts.json: the scores by class on 12 other frames, before and after,
within 40 m, and what the network calls the objects.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtscene_ros.backends.machine import machine
from mtscene_ros.camera.geometry import quaternion_from_matrix
from mtscene_ros.datasets.class_tables import coloured
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.nested import plain
from mtscene_ros.types import Boxes3D, Intrinsics
from mtscene_ros.worlds import FRAMES
from training import adapt
from training.data import manifest_samples
from training.data.manifest_writer import LabelledFrame, Writer
from training.scores.comparisons import frame_of, torch_estimator
from training.weights.weight_files import graph_from_checkpoint

RESULTS = Path(__file__).parent / 'results' / 'forklifts.json'
CLASSES = coloured(['forklift', 'pallet'])
SIZES_M = ((2.4, 1.2, 2.1), (1.2, 0.8, 1.0))  # length, width, height
TRAIN, VAL, OBJECTS = 24, 12, 4
LEAST_SEEN = 0.3  # of an object's pixels, for it to count as a label
NEAR_M = 2.0  # from a true centre: what is found there is a name for the object
YELLOW, BLACK, STEEL = (225, 170, 20), (25, 25, 28), (110, 112, 118)
WOOD, CARTON, FILM = (150, 105, 60), (178, 135, 88), (205, 210, 214)
# Parts of each object: lowest and highest corner in its own frame (x forward, z up from the
# ground), in metres, and colour.
Part = tuple[tuple[float, float, float], tuple[float, float, float], tuple[int, int, int]]
PARTS: tuple[tuple[Part, ...], ...] = (
    (
        ((-1.2, -0.6, 0.25), (0.3, 0.6, 1.05), YELLOW),
        ((-0.8, -0.55, 2.0), (0.4, 0.55, 2.1), BLACK),
        ((-0.8, -0.55, 1.05), (-0.7, -0.45, 2.0), BLACK),
        ((-0.8, 0.45, 1.05), (-0.7, 0.55, 2.0), BLACK),
        ((0.2, -0.55, 1.05), (0.3, -0.45, 2.0), BLACK),
        ((0.2, 0.45, 1.05), (0.3, 0.55, 2.0), BLACK),
        ((0.35, -0.4, 0.05), (0.5, -0.25, 2.1), STEEL),
        ((0.35, 0.25, 0.05), (0.5, 0.4, 2.1), STEEL),
        ((0.5, -0.35, 0.05), (1.2, -0.2, 0.12), STEEL),
        ((0.5, 0.2, 0.05), (1.2, 0.35, 0.12), STEEL),
        ((-1.05, -0.6, 0.0), (-0.65, 0.6, 0.4), BLACK),
        ((-0.1, -0.6, 0.0), (0.3, 0.6, 0.4), BLACK),
    ),
    (
        ((-0.6, -0.4, 0.1), (0.6, 0.4, 0.144), WOOD),
        ((-0.6, -0.4, 0.0), (0.6, -0.3, 0.1), WOOD),
        ((-0.6, 0.3, 0.0), (0.6, 0.4, 0.1), WOOD),
        ((-0.58, -0.38, 0.144), (-0.01, 0.38, 0.55), CARTON),
        ((0.01, -0.38, 0.144), (0.58, 0.38, 0.55), CARTON),
        ((-0.58, -0.38, 0.57), (0.58, 0.38, 1.0), FILM),
    ),
)
F64 = NDArray[np.float64]


def drawn_part(
    part: Part, box_from_optical: F64, rays: F64, depth_m: F64, rgb: F64
) -> NDArray[np.bool_]:
    """Draws one part where it is nearer than what is there; returns those pixels. rays: (H, W, 3)
    at depth 1, so that a distance along them is a depth (Kay and Kajiya, SIGGRAPH 1986)."""
    low, high, color = part
    origin, turned = box_from_optical[:3, 3], rays @ box_from_optical[:3, :3].T
    safe = np.where(np.abs(turned) < 1e-9, 1e-9, turned)
    first, second = (np.array(low) - origin) / safe, (np.array(high) - origin) / safe
    enters, leaves = np.minimum(first, second), np.maximum(first, second)
    near_m = enters.max(-1)
    hit = (near_m < leaves.min(-1)) & (near_m > 0.3) & (near_m < depth_m)
    axis = enters.argmax(-1)
    light = np.array([0.75, 0.6, 1.0])[axis] - 0.12 * (np.take_along_axis(
        turned, axis[..., None], -1)[..., 0] > 0)  # fmt: skip
    rgb[hit] = (np.array(color) * light[..., None])[hit]
    depth_m[hit] = near_m[hit]
    return np.asarray(hit)


def optical_from_box(world_from_optical: F64, rng: np.random.Generator, size_m: Any) -> F64:
    """Returns the pose of an object on the ground in front of the camera; its origin is on the
    ground."""
    ahead_m, aside = rng.uniform(5, 22), rng.uniform(-0.45, 0.45)
    forward = world_from_optical[:2, 2] / np.linalg.norm(world_from_optical[:2, 2])
    left = np.array([-forward[1], forward[0]])
    yaw = rng.uniform(-np.pi, np.pi)
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:2, 3] = world_from_optical[:2, 3] + ahead_m * (forward + aside * left)
    return np.asarray(np.linalg.solve(world_from_optical, pose), np.float64)


def frame_with_objects(index: int) -> LabelledFrame:
    world = FRAMES['drive'](4200, index, 512, 256)
    rng = np.random.default_rng(index)
    rgb, depth_m = world.rgb.astype(np.float64), world.depth_m.astype(np.float64)
    camera, owner = world.intrinsics, np.zeros(world.labels.shape, np.int64)
    rays = rays_of(camera)
    found, whole = [], []
    for number in range(1, OBJECTS + 1):
        kind = int(rng.integers(2))
        pose = optical_from_box(world.world_from_optical, rng, SIZES_M[kind])
        box_from_optical = np.asarray(np.linalg.inv(pose), np.float64)
        alone = np.full_like(depth_m, np.inf)
        paint = np.zeros_like(rgb)
        for part in PARTS[kind]:
            drawn_part(part, box_from_optical, rays, alone, paint)
        seen = alone < depth_m
        rgb[seen], depth_m[seen], owner[seen] = paint[seen], alone[seen], number
        found.append((kind, pose))
        whole.append(int(np.isfinite(alone).sum()))
    rgb += rng.normal(0, 3, rgb.shape) * (owner > 0)[..., None]
    kept = [
        k for k, pixels in enumerate(whole)
        if pixels > 40 and (owner == k + 1).sum() >= LEAST_SEEN * pixels
    ]  # fmt: skip
    boxes = boxes_of([found[k] for k in kept])
    return LabelledFrame(str(index), rgb.clip(0, 255).astype(np.uint8), camera, boxes=boxes)


def rays_of(camera: Intrinsics) -> F64:
    v, u = np.mgrid[: camera.height_px, : camera.width_px]
    x, y = (u - camera.cx_px) / camera.fx_px, (v - camera.cy_px) / camera.fy_px
    return np.stack([x, y, np.ones_like(x)], -1)


def boxes_of(found: list[tuple[int, F64]]) -> Boxes3D:
    ids = np.array([kind for kind, _ in found], np.int64)
    sizes_m = np.array([SIZES_M[kind] for kind, _ in found]).reshape(-1, 3)
    poses = np.array([pose for _, pose in found]).reshape(-1, 4, 4)
    centers_m = poses[:, :3, 3] + poses[:, :3, 2] * sizes_m[:, 2:] / 2
    turns = quaternion_from_matrix(poses[:, :3, :3])
    return Boxes3D(ids, np.ones(len(ids), np.float32), centers_m, sizes_m, turns, CLASSES)


def written(folder: Path) -> Path:
    writer = Writer(folder)
    for index in range(TRAIN + VAL):
        writer.add(frame_with_objects(index))
        writer.frames[-1]['split'] = 'train' if index < TRAIN else 'val'
    return writer.finish()


def names_given(checkpoint: Path, manifest: Path) -> dict[str, dict[str, int]]:
    """Returns for each true class how often the nearest box has which name, '' where there is
    none within NEAR_M."""
    estimator = torch_estimator(graph_from_checkpoint(checkpoint), torch.device('cpu'))
    found = {c.name: Counter[str]() for c in CLASSES}
    for name in manifest_samples.names(manifest, 'val'):
        sample = manifest_samples.read(manifest, name)
        boxes: Any = estimator.estimate([frame_of(sample)], ('boxes3d',))[0].results['boxes3d']
        for kind, center_m in zip(sample.class_ids, sample.centers_m, strict=True):
            apart_m = np.linalg.norm(boxes.centers_m - center_m, axis=1)
            near = apart_m.size and apart_m.min() < NEAR_M
            given = boxes.classes[boxes.class_ids[apart_m.argmin()]].name if near else ''
            found[CLASSES[kind].name][given] += 1
    return {name: dict(counts) for name, counts in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path)
    parser.add_argument('--steps', type=int, default=300)
    parser.add_argument('--threads', type=int, default=2)
    options = parser.parse_args()
    path = options.out / 'frames' / 'manifest.yaml'
    if not path.is_file():
        written(path.parent)
    run = options.out / 'run'
    how = ['--steps', str(options.steps), '--threads', str(options.threads)]
    found = adapt.main([str(path), '--out', str(run), *how])
    about = {'machine': machine(), 'threads': options.threads, **found}
    about['names'] = names_given(run / 'last.pt', path)
    write_text(RESULTS, json.dumps(plain(about), indent=1) + '\n')


if __name__ == '__main__':
    main()
