"""Measures a model of rooms: on generated rooms, and depth on recordings of an RGB-D camera.

python -m mtscene_ros.evaluate.suites.rooms --model room_lite --rgbd DIR --every 4 --json FILE

Generated rooms give mIoU over those of NYUD's classes that occur, depth and normals; folders as
`mtscene_ros.datasets.rgbd_folder` describes them give depth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mtscene_ros.datasets.classes import NYUD_40
from mtscene_ros.datasets.rgbd_folder import read_rgbd, rgbd_names
from mtscene_ros.estimator import SceneModel, open_model
from mtscene_ros.evaluate.scores.meters import DepthMeter, LabelMeter, SumMeter
from mtscene_ros.evaluate.suites.drives import depth_summary, depth_within
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.nested import plain
from mtscene_ros.types import DepthMap, LabelMap, NormalMap
from mtscene_ros.worlds.frame import WorldFrame
from mtscene_ros.worlds.room import room_frame

SIZE_PX = (640, 480)  # of generated rooms


def rooms(seed: int, count: int) -> Iterator[WorldFrame]:
    for index in range(count):
        yield room_frame(seed, index, *SIZE_PX)


def generated(model: SceneModel, frames: Iterator[WorldFrame]) -> dict[str, Any]:
    """Scores what the model gives of labels (with NYUD's classes), depth and normals."""
    labels, depth, normals = (
        LabelMeter([c.name for c in NYUD_40]),
        DepthMeter(),
        SumMeter('normals'),
    )
    kinds: set[type] = set()
    count = 0
    for truth in frames:
        count += 1
        for result in model.estimate(truth.rgb, intrinsics=truth.intrinsics).results.values():
            kinds.add(type(result))
            if isinstance(result, LabelMap):
                labels.update(result.labels.astype(np.uint8), truth.labels)
            elif isinstance(result, DepthMap):
                depth.update(*depth_within(result.depth_m, truth.depth_m))
            elif isinstance(result, NormalMap) and truth.normals is not None:
                normals.update(result.normals, truth.normals)
    found: dict[str, Any] = {'images': count}
    if LabelMap in kinds:
        found['semantic'] = {name: value / 100 for name, value in labels.scores().items()}
    if DepthMap in kinds:
        found['depth'] = depth_summary(depth)
    if NormalMap in kinds:
        found['normals'] = normals.scores()
    return found


def rgbd(model: SceneModel, folder: Path, every: int) -> dict[str, Any]:
    """Scores depth on each n-th frame of a folder. Raises DataError."""
    depth, names = DepthMeter(), rgbd_names(folder)[::every]
    for name in names:
        frame = read_rgbd(folder, name)
        scene = model.estimate(frame.rgb, intrinsics=frame.intrinsics, tasks=('depth',))
        depth.update(*depth_within(scene.depth_m, frame.depth_m))
    return {'images': len(names), 'depth': depth_summary(depth)}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--model', default='room_lite', help='model file or name')
    parser.add_argument('--seed', type=int, default=900)
    parser.add_argument('--count', type=int, default=60, help='of generated rooms')
    parser.add_argument('--rgbd', type=Path, nargs='*', default=[], help='folders')
    parser.add_argument('--every', type=int, default=1, help='take each n-th frame of a folder')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args(arguments)
    result: dict[str, Any] = {}
    with open_model(options.model, 'onnxruntime', threads=options.threads) as model:
        for folder in options.rgbd:
            result[folder.name] = rgbd(model, folder, options.every)
        if options.count:
            result['generated'] = generated(model, rooms(options.seed, options.count))
    text = json.dumps(plain(result), indent=2)
    print(text)
    if options.json:
        write_text(options.json, text + '\n')
    return result


if __name__ == '__main__':
    main()
