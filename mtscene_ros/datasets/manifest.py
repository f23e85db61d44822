"""A user's own frames: one YAML file that lists them with the labels that each has.

    semantic: [road, grass, person]     # own classes in the order of their ids, or cityscapes_19,
    boxes3d: [car, pedestrian]          # nyud_40, pascal_21, camvid_11; drive_boxes
    maps:                               # dense tasks that the user defines
      wetness: {}                       # a number per pixel
      walkable: {classes: [no, yes]}
    camera: {fx_px: 500, fy_px: 500, cx_px: 319.5, cy_px: 239.5}    # unless a frame has its own
    frames:                             # or the name of a CSV file with these columns
      - {image: a.jpg, split: val, semantic: a.png, depth: a.npy, boxes3d: a.json}

Every entry of a frame but `image` is optional. stamp_ns: stamp of the image in a recording, for
`mtscene evaluate --truth`; without it, the name of the image counts where it is a number. Paths
are relative to the manifest's folder and must stay in it. semantic, human_parts: 8-bit ids, 255
unknown. depth: 16-bit .png in mm, 0 unknown, or .npy in m, NaN or 0 unknown; it may be sparse.
boundary, saliency: every value but zero means yes. normals: RGB images, 2 p / 255 - 1 in the
optical frame. maps: {NAME: file}, .png ids or .npy numbers. boxes3d: JSON [{class, center_m,
size_m, quaternion_xyzw or yaw_rad}] in the optical frame. A CSV file has columns for camera and
maps: fx_px, ..., maps.NAME.
"""

from __future__ import annotations

import csv
import io
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mtscene_ros.datasets.annotations import read_depth, read_map
from mtscene_ros.datasets.classes import (
    CAMVID,
    CITYSCAPES_19,
    DRIVE_BOXES,
    HUMAN_PARTS_7,
    NYUD_40,
    PASCAL_21,
)
from mtscene_ros.datasets.label_files import (
    DataError,
    read_binary,
    read_ids,
    read_normals,
    read_text,
)
from mtscene_ros.models.spec import MALFORMED, brief
from mtscene_ros.tasks import TASKS
from mtscene_ros.types import SemanticClass

CAMERA = ('fx_px', 'fy_px', 'cx_px', 'cy_px')
TOP = ('semantic', 'boxes3d', 'maps', 'camera', 'frames')
LABELS = ('semantic', 'depth', 'normals', 'boundary', 'saliency', 'human_parts', 'boxes3d')
FRAME = ('image', 'split', 'stamp_ns', *LABELS, 'camera', 'maps')
AS_IS = (1.0, 1.0, 1.0)
MAX_NAME_LENGTH = 1000  # of a file, in characters


def coloured(names: list[str]) -> tuple[SemanticClass, ...]:
    """Returns a class table of the given names, with distinct colours."""
    rainbow = [c.color_rgb for c in (*CITYSCAPES_19, *NYUD_40, *PASCAL_21[1:])]
    return tuple(SemanticClass(k, n, rainbow[k % len(rainbow)]) for k, n in enumerate(names))


TABLES: dict[str, tuple[SemanticClass, ...]] = {
    'cityscapes_19': CITYSCAPES_19,
    'nyud_40': NYUD_40,
    'pascal_21': PASCAL_21,
    'camvid_11': CAMVID,
    'drive_boxes': DRIVE_BOXES,
}


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """A manifest as read.

    semantic, boxes: class tables; maps: own tasks by name, () for a number per pixel; camera: the
    values of CAMERA, or empty; frames: as in the file.
    """

    folder: Path
    semantic: tuple[SemanticClass, ...]
    boxes: tuple[SemanticClass, ...]
    maps: Mapping[str, tuple[SemanticClass, ...]]
    camera: Mapping[str, Any]
    frames: tuple[Mapping[str, Any], ...]


@lru_cache(8)
def load(path: Path) -> Manifest:
    """Reads a manifest. Raises DataError, which suggests the nearest key for a misspelt one."""
    try:
        import yaml
    except ImportError as error:
        raise DataError(f'A manifest needs PyYAML ({error}); `pip install PyYAML`.') from error
    if not path.is_file():
        raise DataError(f'{path} does not exist; give the manifest, a YAML file.')
    try:
        found = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, *MALFORMED) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f'{path} is not YAML ({" ".join(brief(error).split())}).') from None
    known(found, TOP, f'{path}')
    frames = found.get('frames')
    if isinstance(frames, str):
        frames = csv_frames(inside(path.parent, frames, path))
    if not isinstance(frames, list) or not frames:
        raise DataError(f'{path} lists no frames.')
    camera = found.get('camera') or {}
    mapping(camera, f'{path}, camera')
    maps = found.get('maps') or {}
    mapping(maps, f'{path}, maps')
    for name, about in maps.items():
        mapping(about or {}, f'{path}, maps, {name}')
        if not re.fullmatch('[a-z][a-z0-9_]*', str(name)) or name in TASKS:
            raise DataError(
                f'{path}: {reprlib.repr(name)} cannot name a task; use lower-case letters, digits '
                f'and _, and none of {", ".join(TASKS)}.'
            )
    check_frames(frames, tuple(maps), path)
    return Manifest(
        path.parent,
        table(found.get('semantic'), path),
        table(found.get('boxes3d'), path),
        {name: table((about or {}).get('classes'), path) for name, about in maps.items()},
        camera,
        tuple(frames),
    )


def check_frames(frames: list[Any], maps: tuple[str, ...], path: Path) -> None:
    for number, frame in enumerate(frames):
        known(frame, FRAME, f'{path}, frame {number}')
        mapping(frame.get('maps') or {}, f'{path}, frame {number}, maps')
        for name in unknown(frame.get('maps') or {}, maps):
            raise DataError(
                f'{path}, frame {number} has the map {reprlib.repr(name)}, but the manifest '
                f'defines no such map; {hint(name, maps, "list it under maps at its top.")}'
            )
        mapping(frame.get('camera') or {}, f'{path}, frame {number}, camera')
        if 'image' not in frame:
            raise DataError(f'{path}, frame {number} has no image.')


def mapping(found: Any, where: str) -> None:
    if not isinstance(found, dict):
        raise DataError(f'{where} is a {type(found).__name__}, but must be a mapping.')


def known(found: Any, keys: tuple[str, ...], where: str) -> None:
    mapping(found, where)
    for key in unknown(found, keys):
        fix = hint(key, keys, f'the keys are {", ".join(keys)}.')
        raise DataError(f'{where}: a manifest has no key {reprlib.repr(key)}; {fix}')


def unknown(found: Mapping[Any, Any], keys: tuple[str, ...]) -> list[Any]:
    """Returns the keys that are not among the known ones, in the order of the file."""
    return [key for key in found if key not in keys]


def hint(word: Any, keys: tuple[str, ...], otherwise: str) -> str:
    """Returns the end of an error: the most similar key, or `otherwise`."""
    near = get_close_matches(str(word)[:80], keys, 1)
    return f'did you mean {near[0]}?' if near else otherwise


def table(found: Any, path: Path) -> tuple[SemanticClass, ...]:
    """Returns a named table, a table of own names, or none. Raises DataError."""
    if found is None:
        return ()
    if isinstance(found, str) and found in TABLES:
        return TABLES[found]
    # Only words and numbers: nested YAML aliases can become longer than the memory as text.
    if (
        isinstance(found, list)
        and 0 < len(found) < 255
        and all(isinstance(name, str | int | float) for name in found)
    ):
        return coloured([str(name) for name in found])
    raise DataError(
        f'{path}: {reprlib.repr(found)} is not a list of classes; give names or one of '
        f'{", ".join(TABLES)}.'
    )


def csv_frames(path: Path) -> list[dict[str, Any]]:
    """Reads frames from a CSV file, gathers fx_px, ... and maps.NAME, and skips empty cells.

    Raises DataError.
    """
    if not path.is_file():
        raise DataError(f'{path} does not exist, but the manifest names it.')
    frames = []
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path))))
    except csv.Error as error:
        raise DataError(f'{path} is not a table ({error}).') from None
    for row in rows:
        filled = {key: value for key, value in row.items() if key and value}
        frame = {k: v for k, v in filled.items() if k not in CAMERA and k[:5] != 'maps.'}
        if camera := {k: v for k, v in filled.items() if k in CAMERA}:
            frame['camera'] = camera
        if maps := {k[5:]: v for k, v in filled.items() if k[:5] == 'maps.'}:
            frame['maps'] = maps
        frames.append(frame)
    return frames


def inside(folder: Path, name: Any, source: Path) -> Path:
    """Returns the path of a file. Raises DataError if it leaves the manifest's folder."""
    if not isinstance(name, str) or '\0' in name or len(name) > MAX_NAME_LENGTH:
        raise DataError(f'{source}: {reprlib.repr(name)} is not a file name.')
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataError(f'{source}: {name} lies outside the folder of the manifest.')
    return path


# How to read the files of each kind of label; read_map reads own maps.
READERS: dict[str, Callable[[Manifest, Path], NDArray[Any]]] = {
    'semantic': lambda manifest, path: read_ids(path, len(manifest.semantic)),
    'depth': lambda _, path: read_depth(path),
    'normals': lambda _, path: read_normals(path, AS_IS),
    'boundary': lambda _, path: read_binary(path),
    'saliency': lambda _, path: read_binary(path),
    'human_parts': lambda _, path: read_ids(path, len(HUMAN_PARTS_7)),
}


def labels_of(manifest: Manifest, frame: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """Returns kind of label, or name of an own map → path of its file and its content.

    source: the path of the manifest. Raises DataError.
    """
    found: dict[str, Any] = {}
    for key, reader in READERS.items():
        if frame.get(key):
            path = inside(manifest.folder, frame[key], source)
            found[key] = path, reader(manifest, path)
    for key, value in (frame.get('maps') or {}).items():
        path = inside(manifest.folder, value, source)
        found[key] = path, read_map(path, len(manifest.maps[key]))
    return found
