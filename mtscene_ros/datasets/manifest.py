"""A user's own frames: one YAML file that lists them with the labels that each has.

    semantic: [road, grass, person]     # own classes in the order of their ids, or cityscapes_19,
    boxes3d: [car, pedestrian]          # nyud_40, pascal_21, camvid_11; drive_boxes
    semantic_ids: {7: road, 11: unknown}    # where the files have other ids; several may be one
    background: other                   # class of the pixels that nobody has drawn
    class_map: {tree: [vegetation, terrain], lamp: unknown}    # onto the classes of a model
    depth_scale: 256                    # PNG values per metre: KITTI 256, TUM 5000; default 1000
    maps:                               # dense tasks that the user defines
      wetness: {}                       # a number per pixel
      walkable: {classes: [no, yes]}
    camera: {fx_px: 500, fy_px: 500, cx_px: 319.5, cy_px: 239.5}    # unless a frame has its own
    frames:                             # or the name of a CSV file with these columns
      - {image: a.jpg, split: val, semantic: a.png, depth: a.npy, boxes3d: a.json}

Class names are text as written: `[no, yes]` needs no quotes. Every entry of a frame but `image` is
optional. split: train (the default), val, test or a name of your own. stamp_ns: stamp of the image
in a recording, for `mtscene evaluate --truth`; without it, the name of the image counts where it
is a number. Paths are relative to the manifest's folder, without `..`; links may lead elsewhere.
semantic, human_parts: ids, 255 unknown; a palette PNG holds its indices. semantic_ids: as soon as
one id has a name, every id must be listed; with `unknown` alone the others stay. depth: 16-bit
.png, 0 unknown, or .npy in m, NaN or 0 unknown; it may be sparse. boundary, saliency: every value
but zero means yes. normals: RGB images, 2 p / 255 - 1 in the optical frame. maps: {NAME: file},
.png ids or .npy numbers. boxes3d: JSON [{class, center_m, size_m, quaternion_xyzw or yaw_rad}] in
the optical frame. A CSV file has columns for camera and maps: fx_px, ..., maps.NAME; commas,
semicolons or tabs divide them.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mtscene_ros.datasets.annotations import MM_PER_M, read_depth, read_map
from mtscene_ros.datasets.class_match import ClassMap, class_map_of
from mtscene_ros.datasets.class_tables import Classes, IdMap, class_table, semantic_table
from mtscene_ros.datasets.classes import HUMAN_PARTS_7
from mtscene_ros.datasets.frame_tables import csv_frames
from mtscene_ros.datasets.label_files import (
    DataError,
    read_binary,
    read_ids,
    read_normals,
    read_text,
    stays_inside,
)
from mtscene_ros.models.spec import MALFORMED, brief
from mtscene_ros.tasks import TASKS
from mtscene_ros.terminal import did_you_mean

TOP = (
    'semantic', 'semantic_ids', 'background', 'class_map', 'boxes3d', 'maps', 'depth_scale',
    'camera', 'frames',
)  # fmt: skip
LABELS = ('semantic', 'depth', 'normals', 'boundary', 'saliency', 'human_parts', 'boxes3d')
FRAME = ('image', 'split', 'stamp_ns', *LABELS, 'depth_scale', 'camera', 'maps')
AS_IS = (1.0, 1.0, 1.0)
MAX_NAME_LENGTH = 1000  # of a file, in characters


SPLITS = {
    **dict.fromkeys(('train', 'training'), 'train'),
    **dict.fromkeys(('val', 'valid', 'validation', 'eval', 'dev'), 'val'),
    **dict.fromkeys(('test', 'testing'), 'test'),
}


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """A manifest as read.

    semantic, boxes: class tables; semantic_ids: how the files of `semantic` store them; class_map:
    name of a class → names of a model's classes, where they differ; maps: own tasks by name, ()
    for a number per pixel; depth_scale: values of a depth image per metre; camera: the values of
    CAMERA, or empty; frames: as in the file.
    """

    folder: Path
    semantic: Classes
    semantic_ids: IdMap
    class_map: ClassMap
    boxes: Classes
    maps: Mapping[str, Classes]
    depth_scale: float
    camera: Mapping[str, Any]
    frames: tuple[Mapping[str, Any], ...]


@lru_cache(8)
def load(path: Path) -> Manifest:
    """Reads a manifest. Raises DataError, which suggests the nearest key for a misspelt one."""
    found = read_yaml(path)
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
    semantic, ids = semantic_table(found, path)
    boxes = class_table(found.get('boxes3d'), path)
    return Manifest(
        path.parent,
        semantic,
        ids,
        class_map_of(found.get('class_map'), [c.name for c in (*semantic, *boxes)], path),
        boxes,
        {name: class_table((about or {}).get('classes'), path) for name, about in maps.items()},
        scale_of(found.get('depth_scale', MM_PER_M), path),
        camera,
        tuple(frames),
    )


def read_yaml(path: Path) -> Any:
    """Reads a YAML file whose names and numbers stay text. Raises DataError."""
    try:
        import yaml
    except ImportError as error:
        raise DataError(
            f'A manifest needs PyYAML ({error}); `pip install mtscene_ros[evaluate]`.'
        ) from error
    if not path.is_file():
        what = 'is a folder' if path.is_dir() else 'does not exist'
        raise DataError(f'{path} {what}; give the manifest, a YAML file.')
    try:
        return text_loader(yaml.SafeLoader)(read_text(path)).get_single_data()
    except (yaml.YAMLError, *MALFORMED) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f'{path} is not YAML ({" ".join(brief(error).split())}).') from None


def text_loader(safe: Any) -> Any:
    """Returns PyYAML's SafeLoader without its guesses: `no`, `on` and 007 stay text, because they
    are names of classes and files more often than anything else."""
    kept = ('tag:yaml.org,2002:null', 'tag:yaml.org,2002:merge')
    resolvers = {
        first: [(tag, pattern) for tag, pattern in rules if tag in kept]
        for first, rules in safe.yaml_implicit_resolvers.items()
    }
    return type('TextLoader', (safe,), {'yaml_implicit_resolvers': resolvers})


def scale_of(value: Any, path: Path) -> float:
    """Returns the values of a depth image per metre. Raises DataError."""
    try:
        scale = float(value)
    except (TypeError, ValueError):
        scale = 0.0
    if not 0 < scale < float('inf'):
        raise DataError(
            f'{path}: depth_scale {reprlib.repr(value)} is not a number of values per metre; '
            'millimetres are 1000, KITTI has 256, TUM 5000.'
        )
    return scale


def split_of(value: Any, where: str) -> str:
    """Returns the split, `val` for `valid` and the like. Raises DataError for one that is almost
    the name of another."""
    if value is None:
        return 'train'
    if not isinstance(value, str):
        raise DataError(f'{where}: {reprlib.repr(value)} is not the name of a split.')
    name = value.strip().lower()
    near = get_close_matches(name, SPLITS, 1, cutoff=0.75)
    if name not in SPLITS and near:
        raise DataError(
            f'{where} has the split {reprlib.repr(value)}; did you mean {SPLITS[near[0]]}?'
        )
    return SPLITS.get(name, value)


def check_frames(frames: list[Any], maps: tuple[str, ...], path: Path) -> None:
    for number, frame in enumerate(frames):
        known(frame, FRAME, f'{path}, frame {number}')
        mapping(frame.get('maps') or {}, f'{path}, frame {number}, maps')
        for name in unknown(frame.get('maps') or {}, maps):
            fix = did_you_mean(str(name)[:80], maps, 'list it under maps at its top.')
            raise DataError(
                f'{path}, frame {number} has the map {reprlib.repr(name)}, but the manifest '
                f'defines no such map; {fix}'
            )
        mapping(frame.get('camera') or {}, f'{path}, frame {number}, camera')
        if 'image' not in frame:
            raise DataError(f'{path}, frame {number} has no image.')
        frame['split'] = split_of(frame.get('split'), f'{path}, frame {number}')


def mapping(found: Any, where: str) -> None:
    if not isinstance(found, dict):
        raise DataError(f'{where} is a {type(found).__name__}, but must be a mapping.')


def known(found: Any, keys: tuple[str, ...], where: str) -> None:
    mapping(found, where)
    for key in unknown(found, keys):
        fix = did_you_mean(str(key)[:80], keys, f'the keys are {", ".join(keys)}.')
        raise DataError(f'{where}: a manifest has no key {reprlib.repr(key)}; {fix}')


def unknown(found: Mapping[Any, Any], keys: tuple[str, ...]) -> list[Any]:
    """Returns the keys that are not among the known ones, in the order of the file."""
    return [key for key in found if key not in keys]


def inside(folder: Path, name: Any, source: Path) -> Path:
    """Returns the path of a file. Raises DataError for a name that leads out of the manifest's
    folder; where a link leads is the user's own doing."""
    if not isinstance(name, str) or '\0' in name or len(name) > MAX_NAME_LENGTH:
        raise DataError(f'{source}: {reprlib.repr(name)} is not a file name.')
    if not stays_inside(name):
        raise DataError(
            f'{source}: {name} lies outside the folder of the manifest; make a link to it there.'
        )
    return folder / name


# How to read the files of each kind of label; read_map reads own maps.
READERS: dict[str, Callable[[Manifest, Path], NDArray[Any]]] = {
    'semantic': lambda manifest, path: manifest.semantic_ids.read(path, len(manifest.semantic)),
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
    if frame.get('depth'):
        path = inside(manifest.folder, frame['depth'], source)
        scale = scale_of(frame.get('depth_scale') or manifest.depth_scale, source)
        found['depth'] = path, read_depth(path, scale)
    for key, reader in READERS.items():
        if frame.get(key):
            path = inside(manifest.folder, frame[key], source)
            found[key] = path, reader(manifest, path)
    for key, value in (frame.get('maps') or {}).items():
        path = inside(manifest.folder, value, source)
        found[key] = path, read_map(path, len(manifest.maps[key]))
    return found
