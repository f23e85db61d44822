"""The pictures on which camera health and novelty are measured, by the group they belong to.

DATA is the folder shared/data; groups whose folder is absent are left out, which is said.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.worlds import drive_frame, room_frame

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
# Photographs by night, seen by eye; all others of the streets were taken by day.
NIGHTS = ('tln_caec69a1-75429ccd', 'yolop_3c0e7240-96e390d2', 'yolop_9aa94005-ff1d4c9a')
HELD_OUT_SEED, ROOM_SEED = 4100, 77  # no model and no limit was fitted on these


def photographs(folder: Path, step: int, *, nights: bool = False) -> Iterator[Picture]:
    """Yields every step-th photograph; nights: those by night alone, otherwise those by day."""
    for path in sorted(folder.glob('*.jpg'))[::step]:
        if (path.stem in NIGHTS) == nights:
            yield np.asarray(cv2.imread(str(path))[:, :, ::-1])


def streets(count: int) -> Iterator[Picture]:
    for index in range(count):
        yield drive_frame(HELD_OUT_SEED, index).rgb


def rooms(count: int) -> Iterator[Picture]:
    for index in range(count):
        yield room_frame(ROOM_SEED, index, 640, 480).rgb


def upside_down(pictures: Iterable[Picture]) -> Iterator[Picture]:
    for rgb in pictures:
        yield rgb[::-1, ::-1]


def noise(count: int) -> Iterator[Picture]:
    """Yields random pixels of three sizes, with hard and with soft edges."""
    rng = np.random.default_rng(0)
    for index in range(count):
        shape = [(256, 512, 3), (32, 64, 3), (8, 16, 3)][index % 3]
        how = cv2.INTER_NEAREST if index % 2 else cv2.INTER_LINEAR
        picture = cv2.resize(rng.integers(0, 256, shape, np.uint8), (960, 540), interpolation=how)
        yield np.asarray(picture, np.uint8)


def covers(count: int) -> Iterator[Picture]:
    """Yields what a lens sees through a hand or a cap: dark, smooth, with the sensor's noise."""
    rng = np.random.default_rng(1)
    for _ in range(count):
        tone = rng.uniform(2, 55) * rng.uniform(0.6, 1.2, 3)
        across = np.linspace(*rng.uniform(0.5, 1.2, 2), 960)[None, :, None]
        down = np.linspace(*rng.uniform(0.5, 1.0, 2), 540)[:, None, None]
        shot = rng.normal(0, rng.uniform(0.5, 4), (540, 960, 3))
        yield (tone * across * down + shot).clip(0, 255).astype(np.uint8)


def darkened(pictures: Iterable[Picture]) -> Iterator[Picture]:
    """Yields pictures by day with 2 to 8 % of their light, bluish, some lamps left: a night that
    is made up, because only three photographs by night are at hand."""
    rng = np.random.default_rng(2)
    for rgb in pictures:
        light = (rgb / 255.0) ** 2.2 * rng.uniform(0.02, 0.08) * np.array([0.9, 0.95, 1.1])
        light += (rgb.min(2, keepdims=True) > 225) * 0.5 * rng.random()
        light += rng.normal(0, 0.003, light.shape)
        yield (255 * light.clip(0, 1) ** (1 / 2.2)).astype(np.uint8)


def groups(data: Path) -> dict[str, Callable[[], Iterator[Picture]]]:
    """Returns group → its pictures; names begin with `day`, `night`, `room` or what was done."""
    found: dict[str, Callable[[], Iterator[Picture]]] = {
        'generated streets': partial(streets, 300),
        'room: generated': partial(rooms, 50),
        'noise': partial(noise, 40),
        'covered': partial(covers, 40),
        'upside down: generated streets': lambda: upside_down(streets(50)),
    }
    unlabelled = data / 'unlabelled_streets'
    for folder in sorted(p for p in unlabelled.glob('*') if p.is_dir()):
        found[f'day: {folder.name}'] = partial(photographs, folder, 2)
    for name, step in (('camvid/train', 6), ('camvid/val', 2)):
        found[f'day: {name}'] = partial(photographs, data / name, step)
    for name in ('kitchen_7scenes', 'office_hololens'):
        found[f'room: {name}'] = partial(photographs, data / 'rgbd_rooms' / name / 'rgb', 6)
    stills, boston = unlabelled / 'bdd_stills', unlabelled / 'boston_nuscenes'
    found['night: bdd_stills'] = partial(photographs, stills, 1, nights=True)
    found['night, made up: boston'] = lambda: darkened(photographs(boston, 8))
    found['night, made up: camvid/val'] = lambda: darkened(photographs(data / 'camvid/val', 4))
    found['upside down: boston'] = lambda: upside_down(photographs(boston, 8))
    found['upside down: camvid/val'] = lambda: upside_down(photographs(data / 'camvid/val', 4))
    present = {name: make for name, make in found.items() if next(make(), None) is not None}
    for name in found.keys() - present.keys():
        print(f'{data} has no pictures for "{name}": left out.', file=sys.stderr)
    return present
