"""Joins manifests into one: classes are matched by name, ids and folders do not matter.

    python -m training.data.merge_manifests street/m.yaml yard/m.yaml -o together

Images and labels stay where they are, behind links; only label images whose ids change are
written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from mtscene_ros.datasets.annotations import MM_PER_M, read_map
from mtscene_ros.datasets.class_match import label_match
from mtscene_ros.datasets.class_tables import Classes, coloured
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.datasets.manifest import LABELS, Manifest, inside, load
from mtscene_ros.terminal import exit_status, plural


def joined(tables: list[Classes]) -> Classes:
    """Returns the classes of all tables, in the order in which they first come."""
    return coloured(list(dict.fromkeys(c.name for table in tables for c in table)))


def merged(paths: list[Path], out: Path) -> Path:
    """Writes the manifest and returns its path. Raises DataError."""
    found = [load(path) for path in paths]
    semantic = joined([m.semantic for m in found])
    kinds = {name: bool(classes) for m in found for name, classes in m.maps.items()}
    for path, manifest in zip(paths, found, strict=True):
        for name, classes in manifest.maps.items():
            if bool(classes) != kinds[name]:
                raise DataError(f'{path}: the map {name} has classes in one manifest only.')
    maps = {name: joined([m.maps.get(name, ()) for m in found]) for name in kinds}
    out.mkdir(parents=True, exist_ok=True)
    frames = []
    for number, (path, manifest) in enumerate(zip(paths, found, strict=True)):
        link = out / f'{number}_{path.parent.resolve().name}'
        if not link.is_symlink():
            link.symlink_to(path.parent.resolve())
        frames += [
            moved_frame(frame, manifest, path, link, semantic, maps) for frame in manifest.frames
        ]
    head: dict[str, Any] = {
        'semantic': [c.name for c in semantic],
        'boxes3d': [c.name for c in joined([m.boxes for m in found])],
        'maps': {n: {'classes': [c.name for c in t]} if t else {} for n, t in maps.items()},
    }
    text = yaml.safe_dump(
        {**{k: v for k, v in head.items() if v}, 'frames': frames}, sort_keys=False
    )
    (out / 'manifest.yaml').write_text(text, 'utf-8')
    return out / 'manifest.yaml'


def moved_frame(
    frame: Mapping[str, Any],
    manifest: Manifest,
    source: Path,
    link: Path,
    semantic: Classes,
    maps: Mapping[str, Classes],
) -> dict[str, Any]:
    """Returns the frame as the joint manifest lists it; writes labels whose ids change."""
    found: dict[str, Any] = {
        k: f'{link.name}/{v}' if k in ('image', *LABELS) else v for k, v in frame.items() if v
    }
    if frame.get('camera') or manifest.camera:
        found['camera'] = dict(frame.get('camera') or manifest.camera)
    if frame.get('depth') and manifest.depth_scale != MM_PER_M:
        found.setdefault('depth_scale', manifest.depth_scale)
    if frame.get('semantic'):
        path = inside(manifest.folder, frame['semantic'], source)
        lookup = label_match(manifest.semantic, semantic).lookup
        is_plain = not manifest.semantic_ids.ids and manifest.semantic_ids.background is None
        if not is_plain or not is_same(lookup, manifest.semantic):
            ids = lookup[manifest.semantic_ids.read(path, len(manifest.semantic))]
            found['semantic'] = written(ids, link, 'semantic', frame['semantic'])
    found.pop('maps', None)
    for name, file in (frame.get('maps') or {}).items():
        lookup, classes = label_match(manifest.maps[name], maps[name]).lookup, manifest.maps[name]
        place = f'{link.name}/{file}'
        if classes and not is_same(lookup, classes):
            ids = lookup[read_map(inside(manifest.folder, file, source), len(classes))]
            place = written(ids, link, name, file)
        found.setdefault('maps', {})[name] = place
    return found


def is_same(lookup: NDArray[np.uint8], classes: Classes) -> bool:
    return all(lookup[c.id] == c.id for c in classes)


def written(ids: NDArray[np.uint8], link: Path, task: str, file: str) -> str:
    """Writes a label image beside the links and returns its name. Raises OSError."""
    name = Path(task) / link.name / Path(file).with_suffix('.png')
    path = link.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), ids):
        raise OSError(f'{path} cannot be written; free space on its disk and run again.')
    return name.as_posix()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('manifests', type=Path, nargs='+')
    parser.add_argument('-o', '--output', type=Path, required=True, help='folder')
    options = parser.parse_args(arguments)
    path = merged(options.manifests, options.output)
    found = load(path)
    count = plural(len(found.frames), 'frame')
    print(f'{path}: {count}, {plural(len(found.semantic), "class", "classes")}')
    return 0


if __name__ == '__main__':
    sys.exit(exit_status(main))
