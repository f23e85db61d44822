"""Renders generated scenes once into a folder, one .npz per frame, and reads them back.

python -m training.data.worlds --seed 1 --count 6000 --out data/drive --jobs 3
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion, yaw_of_box
from mtscene_ros.datasets.class_tables import coloured
from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.models.atomic_file import replacing
from mtscene_ros.models.child_process import spawning
from mtscene_ros.terminal import exit_status, plural
from mtscene_ros.types import Intrinsics
from mtscene_ros.worlds import FRAMES, raycast
from mtscene_ros.worlds.frame import WorldFrame, boundary_of
from training.data.by_name import Tables
from training.data.sample import Sample

DRIVE = Tables(CITYSCAPES_19, DRIVE_BOXES)
FILE_NAME = re.compile(r'\d+_\d{6}\.npz')


def sample_from_world(frame: WorldFrame) -> Sample:
    boxes = frame.boxes
    yaw_rad = yaw_of_box(matrix_from_quaternion(boxes.quaternions_xyzw))
    return Sample(
        frame.rgb,
        frame.labels,
        frame.depth_m,
        frame.intrinsics,
        boxes.class_ids,
        boxes.centers_m,
        boxes.sizes_m,
        yaw_rad,
        frame.visible,
        frame.truncated,
        frame.normals,
        boundary_of(frame.labels, frame.instances),
    )


def write_sample(sample: Sample, path: Path, tables: Tables = DRIVE) -> None:
    """Writes a sample and the names of its classes.

    Depth is stored as float16 (relative step 2^-11); beyond 65504 m it becomes inf.

    Normals are stored in steps of 1/127; normals and boundaries that are None are left out.
    """
    camera = sample.intrinsics
    with np.errstate(over='ignore'):
        depth_m = sample.depth_m.astype(np.float16)
    further: dict[str, Any] = {}
    if sample.normals is not None:
        further['normals_127'] = np.round(sample.normals * 127).astype(np.int8)
    if sample.boundary is not None:
        further['boundary'] = sample.boundary
    with replacing(path) as partial_file, partial_file.open('wb') as file:
        np.savez(
            file,
            rgb=sample.rgb,
            labels=sample.labels,
            depth_m=depth_m,
            intrinsics=np.array(astuple(camera), np.float64),
            class_ids=sample.class_ids,
            centers_m=sample.centers_m,
            sizes_m=sample.sizes_m,
            yaw_rad=sample.yaw_rad,
            visible=sample.visible,
            truncated=sample.truncated,
            class_names=np.array([c.name for c in tables.semantic]),
            box_names=np.array([c.name for c in tables.boxes]),
            **further,
        )


def stored_tables(path: Path) -> Tables:
    """Files of before 0.2 hold drives and no names."""
    with np.load(path, allow_pickle=False) as raw:
        if 'class_names' not in raw:
            return DRIVE
        return Tables(coloured(raw['class_names'].tolist()), coloured(raw['box_names'].tolist()))


def read_sample(path: Path) -> Sample:
    with np.load(path, allow_pickle=False) as raw:
        width_px, height_px, *pixels = raw['intrinsics'].tolist()
        return Sample(
            raw['rgb'],
            raw['labels'],
            raw['depth_m'].astype(np.float32),
            Intrinsics(int(width_px), int(height_px), *pixels),
            raw['class_ids'],
            raw['centers_m'],
            raw['sizes_m'],
            raw['yaw_rad'],
            raw['visible'],
            raw['truncated'],
            unit_normals(raw['normals_127']) if 'normals_127' in raw else None,
            raw.get('boundary'),
        )


def unit_normals(normals_127: NDArray[np.int8]) -> NDArray[np.float32]:
    normals = normals_127.astype(np.float32)
    length = np.linalg.norm(normals, axis=2, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1), np.float32)


def sample_files(folder: Path) -> list[Path]:
    """Lists the frames of a folder. Raises FileNotFoundError if there are none."""
    files = sorted(path for path in folder.glob('*.npz') if FILE_NAME.fullmatch(path.name))
    if not files:
        raise FileNotFoundError(
            f'{folder} holds no frames; render some with `python -m training.data.worlds --seed 1 '
            f'--count 6000 --out {folder} --jobs 3`.'
        )
    return files


def render(
    index: int, seed: int, folder: Path, width_px: int, height_px: int, world: str = 'drive'
) -> None:
    path = folder / f'{seed}_{index:06d}.npz'
    if not path.exists():
        frame = FRAMES[world](seed, index, width_px, height_px)
        write_sample(sample_from_world(frame), path, Tables(frame.classes, frame.boxes.classes))


def use_gl() -> None:
    """Selects OpenGL in a rendering process. Raises RuntimeError, see `open_caster`."""
    from mtscene_ros.worlds.raycast_gl import open_caster

    raycast.set_caster(open_caster())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--world', choices=sorted(FRAMES), default='drive')
    parser.add_argument('--seed', type=int, required=True)
    parser.add_argument('--count', type=int, required=True)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--gl', action='store_true', help='cast rays with OpenGL')
    parser.add_argument('--width', type=int, default=512)
    parser.add_argument('--height', type=int, default=256)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    work = partial(
        render,
        seed=options.seed,
        folder=options.out,
        width_px=options.width,
        height_px=options.height,
        world=options.world,
    )
    begin_s = time.perf_counter()
    prepare = use_gl if options.gl else None
    # Starts fresh processes, because an OpenGL context does not survive a fork.
    with ProcessPoolExecutor(options.jobs, spawning(), prepare) as pool:
        for done, _ in enumerate(pool.map(work, range(options.count), chunksize=8), 1):
            if done % 200 == 0:
                print(
                    f'{plural(done, "frame")}, {time.perf_counter() - begin_s:.0f} s', flush=True
                )


if __name__ == '__main__':
    sys.exit(exit_status(main))
