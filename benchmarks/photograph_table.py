"""Scores every bundled model on photographs and prints one table, for docs/bundled-model.md.

python -m benchmarks.photograph_table --data ../shared/data --json build/photographs.json

DATA holds camvid/ and kitti_tracking_0001/. Models with other classes than CITYSCAPES_19 are named
and left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from mtscene_ros.datasets.classes import CITYSCAPES_19
from mtscene_ros.estimator import open_model
from mtscene_ros.evaluate.suites.photographs import camvid, kitti
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.catalogue import BUNDLED_MODEL, found
from mtscene_ros.models.nested import plain
from mtscene_ros.models.spec import ModelSpec, classes_from_options

HEAD = """| model | CamVid mIoU | KITTI AbsRel | delta1 | cars within 40 m AP | heading error |
|---|---|---|---|---|---|"""


def sees_streets(spec: ModelSpec) -> bool:
    options = spec.tasks.get('semantic', {})
    return 'classes' in options and classes_from_options(options) == CITYSCAPES_19


def scores_of_model(path: Path, data: Path, threads: int) -> dict[str, Any]:
    with open_model(path, 'onnxruntime', threads=threads) as model:
        return {
            'camvid': camvid(model, data / 'camvid'),
            'kitti': kitti(model, data / 'kitti_tracking_0001', '0001'),
        }


def row(name: str, scores: dict[str, Any]) -> str:
    depth, cars = scores['kitti']['depth'], scores['kitti']['car_within_40_m']
    return (
        f'| {name} | {scores["camvid"]["miou"]:.3f} | {depth["abs_rel"]:.3f} | '
        f'{depth["delta1"]:.3f} | {cars["ap"]:.3f} | {cars["yaw_error_deg"]:.1f}° |'
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
    print(HEAD)
    for model in models:
        name = f'{model.spec.name} {model.spec.version}'
        if not sees_streets(model.spec):
            print(f'{name} has other classes and is left out.', file=sys.stderr)
            continue
        results[name] = scores_of_model(model.path, options.data, options.threads)
        print(row(name, results[name]), flush=True)
    print(f'{time.monotonic() - begin_s:.0f} s', file=sys.stderr)
    if options.json:
        write_text(options.json, json.dumps(plain(results), indent=2) + '\n')
    return results


if __name__ == '__main__':
    main()
