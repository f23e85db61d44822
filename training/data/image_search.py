"""Finds the images that annotations refer to by paths and URLs of other machines."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.label_files import DataError, read_image, read_rgb, stays_inside

UPLOADED = re.compile(r'[0-9a-f]{4,}-')  # Label Studio's prefix of uploaded files
MAX_NAME_LENGTH = 255  # maximum length of a file name
SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.ppm')


class ImageSearch:
    """The images of a folder. Two names of the annotations never lead to one file."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder, self.source = folder, source
        self._names: dict[Path, str] = {}

    def find(self, name: str) -> Path | None:
        """Returns the image's path, None where it is missing.

        The longest end of the name that exists counts, also with %20 for a space, without Label
        Studio's prefix, or in any folder below. Raises DataError where it is ambiguous.
        """
        found = self._direct(name) or self._below(name)
        if found is None:
            return None
        before = self._names.setdefault(found, name)
        if before != name:
            raise DataError(
                f'{self.source} refers to {before[:80]!r} and {name[:80]!r}, which both lead to '
                f'{found}; keep the folders of the images as they were.'
            )
        return found

    def _direct(self, name: str) -> Path | None:
        for wanted in spellings(name):
            parts = [p for p in PurePosixPath(wanted).parts if p not in ('/', '.')]
            for first in range(len(parts)):
                end = '/'.join(parts[first:])
                if stays_inside(end) and is_file(self.folder / end):
                    return self.folder / end
        return None

    def _below(self, name: str) -> Path | None:
        for wanted in spellings(name):
            found = self._by_name.get(PurePosixPath(wanted).name, [])
            if len(found) > 1:
                raise DataError(
                    f'{self.source} refers to {name[:80]!r}, which may be {found[0]} or '
                    f'{found[1]}; give --images the folder to which the names are relative.'
                )
            if found:
                return found[0]
        return None

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.folder.rglob('*')):
            if path.suffix.lower() in SUFFIXES:
                found[path.name].append(path)
        return found

    def name_of(self, path: Path) -> str:
        """Returns a name for the frame, front/1.png → front_1."""
        inner = path.relative_to(self.folder).with_suffix('')
        return '_'.join(inner.parts)


def spellings(name: str) -> list[str]:
    """Returns the name as it is, decoded, and without an upload's prefix; of a URL the path."""
    bare = name.replace('\\', '/')
    if '://' in bare or bare.startswith('/data/'):
        query = bare.partition('?d=')[2]
        bare = query or bare.partition('?')[0].partition('://')[2] or bare.partition('?')[0]
    found = [bare, unquote(bare)]
    for each in tuple(found):
        head, _, last = each.rpartition('/')
        prefix = UPLOADED.match(last)
        if prefix:
            found.append(f'{head}/{last[prefix.end() :]}'.lstrip('/'))
    return list(dict.fromkeys(found))


def is_file(path: Path) -> bool:
    return len(path.name) < MAX_NAME_LENGTH and path.is_file()


def rgb_as_annotated(path: Path, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Reads (H, W, 3) RGB as the annotator saw it.

    That is upright, as the EXIF tag says, unless only the image as stored has the annotated size;
    size: height and width, None where the annotation does not say. Raises DataError.
    """
    rgb = read_rgb(path)
    if size is None or rgb.shape[:2] == size:
        return rgb
    stored = read_image(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if stored.shape[:2] == size:
        return np.asarray(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), np.uint8)
    raise DataError(
        f'{path} has {rgb.shape[1]}x{rgb.shape[0]} px, but was annotated with '
        f'{size[1]}x{size[0]} px; give the images that were annotated.'
    )
