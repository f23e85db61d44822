"""Writes the folder of a manifest, and keeps account of what does not get there."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from mtscene_ros.datasets.annotations import write_boxes, write_depth, write_image
from mtscene_ros.datasets.class_tables import coloured, lonely_class
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.terminal import plural
from mtscene_ros.types import UNLABELED, Boxes3D, Intrinsics

VAL_SHARE = 5  # every fifth frame belongs to `val`, in blocks
BLOCK = 50  # frames, of which the last fifth is one block of `val`


@dataclass(slots=True, eq=False)
class LabelledFrame:
    """One frame with everything that is known about it; split: '' to let the writer choose."""

    name: str
    rgb: NDArray[np.uint8]
    intrinsics: Intrinsics | None = None
    labels: NDArray[np.uint8] | None = None
    depth_m: NDArray[np.float32] | None = None
    boxes: Boxes3D | None = None
    split: str = ''


@dataclass(slots=True)
class Account:
    """regions: how many the source holds; left_out: why some are not taken → number, the ending of
    a plural in braces as in 'key point{s}'; remarks: further sentences."""

    regions: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        found = list(self.remarks)
        if self.left_out:
            parts = ', '.join(counted_reason(n, r) for r, n in self.left_out.most_common())
            out = sum(self.left_out.values())
            found.insert(0, f'{out} of {plural(self.regions, "region")} left out: {parts}.')
        return found

    def remark(self, sentence: str) -> None:
        """Adds a sentence once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)


def counted_reason(number: int, reason: str) -> str:
    """(2, 'box{es} without a mask') → '2 boxes without a mask'."""
    ending = r'\1' if number != 1 else ''
    return f'{number} {re.sub("{(.*?)}", ending, reason)}'


@dataclass(slots=True)
class Writer:
    """Writes the files of a manifest's folder; `finish` writes the manifest itself.

    background: class of the pixels that nobody has drawn; it is added to `semantic`.
    """

    folder: Path
    semantic: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    background: str | None = None
    unlabelled: int = 0
    taken: set[str] = field(default_factory=set)

    def add(self, found: LabelledFrame) -> None:
        name = self.free_name(found.name)
        frame: dict[str, Any] = {'image': f'images/{name}.png'}
        if found.split:
            frame['split'] = found.split
        self.image(frame['image'], found.rgb[:, :, ::-1])
        if found.intrinsics is not None:
            camera = found.intrinsics
            values = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
            names = ('fx_px', 'fy_px', 'cx_px', 'cy_px')
            frame['camera'] = {n: float(v) for n, v in zip(names, values, strict=True)}
        if found.labels is not None:
            frame['semantic'] = f'semantic/{name}.png'
            self.image(frame['semantic'], self.filled(found.labels))
        if found.depth_m is not None:
            frame['depth'] = f'depth/{name}.npy'
            write_depth(found.depth_m, self.path(frame['depth']))
        if found.boxes is not None:
            frame['boxes3d'] = f'boxes3d/{name}.json'
            write_boxes(found.boxes, self.path(frame['boxes3d']))
            names_of_boxes = [c.name for c in found.boxes.classes]
            self.boxes += [n for n in names_of_boxes if n not in self.boxes]
        self.frames.append(frame)

    def free_name(self, name: str) -> str:
        """Returns the name, numbered where another frame has it."""
        found, number = name, 1
        while found.lower() in self.taken:
            number += 1
            found = f'{name}_{number}'
        self.taken.add(found.lower())
        return found

    def filled(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Returns the labels with the background, if there is one."""
        self.unlabelled += bool((labels == UNLABELED).all())
        if self.background is None:
            return labels
        if self.background not in self.semantic:
            self.semantic.append(self.background)
        return np.where(
            labels == UNLABELED, np.uint8(self.semantic.index(self.background)), labels
        )

    def path(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def image(self, name: str, values: NDArray[Any]) -> None:
        write_image(self.path(name), values)

    def finish(self) -> Path:
        """Writes the manifest and returns its path. Raises DataError if there are no frames."""
        if not self.frames:
            raise DataError('Found no frame to convert; check topics and paths.')
        for number, frame in enumerate(self.frames):
            frame.setdefault('split', split_of(number, len(self.frames)))
        found = {'semantic': self.semantic, 'boxes3d': self.boxes, 'frames': self.frames}
        path = self.folder / 'manifest.yaml'
        kept = {k: v for k, v in found.items() if v}
        write_text(path, yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))
        return path

    def sentences(self) -> list[str]:
        """Returns what a user should know about the folder."""
        found = []
        labelled = sum('semantic' in frame for frame in self.frames)
        if labelled:
            found += lonely_class('semantic', coloured(self.semantic))
        if self.unlabelled:
            found.append(f'{self.unlabelled} of {plural(labelled, "label image")} have no label.')
        if all(frame['split'] == 'train' for frame in self.frames):
            found.append('There is no val split; give some frames "split: val".')
        return found


def split_of(number: int, count: int) -> str:
    """Assigns blocks of consecutive frames to `val`, because neighbours are almost the same: the
    last fifth of every BLOCK frames, or of all where there are fewer."""
    blocks = max(1, round(count / BLOCK))
    size = -(-count // blocks)
    here = min(size, count - number // size * size)
    return 'val' if number % size >= here - here // VAL_SHARE else 'train'
