"""Scores every bundled model on photographs and prints a table for streets and one for rooms.

python -m benchmarks.photograph_table --data ../shared/data --json build/photographs.json

DATA holds camvid/, kitti_tracking_0001/ and rgbd_rooms/. Models of streets have CITYSCAPES_19,
those of rooms NYUD_40; others are named and left out. docs/bundled-model.md has the tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtscene_ros.datasets.classes import CITYSCAPES_19, NYUD_40
from mtscene_ros.estimator import open_model
from mtscene_ros.evaluate.suites.photographs import camvid, kitti
from mtscene_ros.evaluate.suites.rooms import generated, rgbd, rooms
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.catalogue import BUNDLED_MODEL, found
from mtscene_ros.models.nested import plain
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.types import SemanticClass

ScoresOf = Callable[[Path, Path, int], dict[str, Any]]

STREETS_HEAD = """\
| model | CamVid mIoU | KITTI AbsRel | delta1 | cars within 40 m AP | heading error |
|---|---|---|---|---|---|"""
ROOMS_HEAD = """\
| model | images | depth AbsRel | delta1 | mIoU | normals |
|---|---|---|---|---|---|"""
EVERY = 4  # n-th image of an RGB-D folder
ROOMS = 40  # generated ones


def has_classes(spec: ModelSpec, table: tuple[SemanticClass, ...]) -> bool:
    options = spec.tasks.get('semantic', {})
    return 'classes' in options and classes_from_options(options) == table


def scores_in_streets(path: Path, data: Path, threads: int) -> dict[str, Any]:
    with open_model(path, 'onnxruntime', threads=threads) as model:
        return {
            'camvid': camvid(model, data / 'camvid'),
            'kitti': kitti(model, data / 'kitti_tracking_0001', '0001'),
        }


def scores_in_rooms(path: Path, data: Path, threads: int) -> dict[str, Any]:
    folders = sorted(p for p in (data / 'rgbd_rooms').glob('*') if p.is_dir())
    with open_model(path, 'onnxruntime', threads=threads) as model:
        found = {folder.name: rgbd(model, folder, EVERY) for folder in folders}
        return {**found, 'generated rooms': generated(model, rooms(900, ROOMS))}


def rows_of_rooms(name: str, scores: dict[str, Any]) -> str:
    lines = []
    for where, of in scores.items():
        depth, labels, normals = (of.get(k, {}) for k in ('depth', 'semantic', 'normals'))
        further = (
            f'{labels["present_miou"]:.3f}' if labels else '',
            f'{normals["mean_deg"]:.1f}°' if normals else '',
        )
        lines.append(
            f'| {name} | {where} ({of["images"]}) | {depth["abs_rel"]:.3f} | '
            f'{depth["delta1"]:.3f} | {" | ".join(further)} |'
        )
    return '\n'.join(lines)


def row(name: str, scores: dict[str, Any]) -> str:
    depth, cars = scores['kitti']['depth'], scores['kitti']['car_within_40_m']
    return (
        f'| {name} | {scores["camvid"]["miou"]:.3f} | {depth["abs_rel"]:.3f} | '
        f'{depth["delta1"]:.3f} | {cars["ap"]:.3f} | {cars["yaw_error_deg"]:.1f}° |'
    )


KINDS: tuple[tuple[str, tuple[SemanticClass, ...], ScoresOf, Callable[..., str]], ...] = (
    (STREETS_HEAD, CITYSCAPES_19, scores_in_streets, row),
    (ROOMS_HEAD, NYUD_40, scores_in_rooms, rows_of_rooms),
)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, default=Path('../shared/data'))
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args(arguments)
    if not (options.data / 'camvid').is_dir():
        print(f'{options.data} holds no camvid/; name the folder by --data.', file=sys.stderr)
        raise SystemExit(2)
    models, _ = found([Path(BUNDLED_MODEL).parent])
    begin_s, results = time.monotonic(), {}
    named = {f'{model.spec.name} {model.spec.version}': model for model in models}
    for head, classes, scores_of, lines_of in KINDS:
        print(head)
        for name, model in named.items():
            if has_classes(model.spec, classes):
                results[name] = scores_of(model.path, options.data, options.threads)
                print(lines_of(name, results[name]), flush=True)
    for name in named.keys() - results.keys():
        print(f'{name} has other classes and is left out.', file=sys.stderr)
    print(f'{time.monotonic() - begin_s:.0f} s', file=sys.stderr)
    if options.json:
        write_text(options.json, json.dumps(plain(results), indent=2) + '\n')
    return results


if __name__ == '__main__':
    main()
