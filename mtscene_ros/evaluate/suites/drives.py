"""Measures a model on generated scenes it has never seen, with the pipeline of the robot.

python -m mtscene_ros.evaluate.suites.drives --seed 900 --count 200 --json result.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import BackendOptions
from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.evaluate.scores.boxes_meter import CLOSE_RANGE_M, MATCH_M, BoxesMeter
from mtscene_ros.evaluate.scores.meters import DepthMeter
from mtscene_ros.evaluate.scores.metrics import (
    confusion,
    iou_per_class,
    mean_ious,
)
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.nested import plain
from mtscene_ros.terminal import plural, size
from mtscene_ros.types import Boxes3D, CameraFrame, DepthMap, LabelMap, Scene
from mtscene_ros.worlds.drive import drive_frame
from mtscene_ros.worlds.frame import WorldFrame

MAX_M = 60.0  # depth and boxes farther away are not scored
MIN_VISIBLE = 0.25  # less visible and more truncated boxes are not required
MAX_TRUNCATED = 0.5


def near_cars_meter() -> BoxesMeter:
    """Returns a meter for cars, the first class of DRIVE_BOXES and of the boxes of KITTI."""
    return BoxesMeter(['car'], CLOSE_RANGE_M)


def depth_within(
    depth_m: NDArray[np.float32], truth_m: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns prediction and truth as a DepthMeter expects them.

    Truth beyond MAX_M and predictions that are not positive become NaN.
    """
    nan = np.float32(np.nan)
    return np.where(depth_m > 0, depth_m, nan), np.where(truth_m <= MAX_M, truth_m, nan)


def depth_summary(meter: DepthMeter) -> dict[str, float]:
    """Returns the scores that the suites report.

    abs_rel and rmse_m are over predicted pixels, the others over all pixels.
    """
    found = meter.scores()
    names = {'abs_rel': 'abs_rel', 'rmse': 'rmse_m', 'delta1': 'delta1', 'coverage': 'coverage'}
    return {name: found[score] for score, name in names.items()}


@dataclass(slots=True)
class Score:
    """Holds all sums over the scenes scored so far."""

    confusion: np.ndarray[Any, np.dtype[np.int64]] = field(
        default_factory=lambda: np.zeros((len(CITYSCAPES_19), len(CITYSCAPES_19) + 1), np.int64)
    )
    depth: DepthMeter = field(default_factory=DepthMeter)
    boxes: BoxesMeter = field(
        default_factory=lambda: BoxesMeter([c.name for c in DRIVE_BOXES], MAX_M)
    )
    near_cars: BoxesMeter = field(default_factory=near_cars_meter)
    infer_s: list[float] = field(default_factory=list)

    def add(self, scene: Scene, truth: WorldFrame) -> None:
        labels, depth = scene.results.get('semantic'), scene.results.get('depth')
        boxes = scene.results.get('boxes3d')
        if isinstance(labels, LabelMap):
            self.confusion += confusion(labels.labels, truth.labels, len(CITYSCAPES_19))
        if isinstance(depth, DepthMap):
            self.depth.update(*depth_within(depth.depth_m, truth.depth_m))
        if isinstance(boxes, Boxes3D):
            required = (truth.visible >= MIN_VISIBLE) & (truth.truncated <= MAX_TRUNCATED)
            for meter in (self.boxes, self.near_cars):
                meter.update(boxes, truth.boxes, required)
        self.infer_s.append(scene.stage_s['infer'])

    def result(self) -> dict[str, Any]:
        iou = iou_per_class(self.confusion)
        return {
            'semantic': {
                **mean_ious(iou, np.isfinite(iou)),
                'iou': {c.name: float(iou[c.id]) for c in CITYSCAPES_19},
            },
            'depth': depth_summary(self.depth),
            'boxes3d': {
                'map': self.boxes.mean_precision(),
                'car_within_40_m': self.near_cars.found['car'].result(),
                'classes': {name: of.result() for name, of in self.boxes.found.items()},
            },
            'infer_ms_median': float(np.median(self.infer_s) * 1e3),
        }


def scenes(seed: int, count: int, size_px: tuple[int, int] = (512, 256)) -> Iterator[WorldFrame]:
    """Generates `count` scenes; size_px: width and height of the images."""
    for index in range(count):
        yield drive_frame(seed, index, *size_px)


def score(estimator: SceneEstimator, frames: Iterator[WorldFrame]) -> Score:
    total = Score()
    for truth in frames:
        frame = CameraFrame(truth.rgb, truth.intrinsics, truth.stamp_ns, 'camera_optical')
        total.add(estimator.estimate([frame])[0], truth)
    return total


def table(result: dict[str, Any]) -> str:
    """Returns the scores as Markdown."""
    depth, boxes = result['depth'], result['boxes3d']
    lines = [
        f'mIoU over all classes {result["semantic"]["miou"]:.3f}, '
        f'over classes that occur {result["semantic"]["present_miou"]:.3f}',
        f'depth within {MAX_M:.0f} m: AbsRel {depth["abs_rel"]:.3f}, '
        f'RMSE {depth["rmse_m"]:.2f} m, '
        f'delta1 {depth["delta1"]:.3f}, coverage {depth["coverage"]:.3f}',
        f'3D boxes within {MAX_M:.0f} m, centre within {MATCH_M:.0f} m: mAP {boxes["map"]:.3f}',
        f'inference {result["infer_ms_median"]:.0f} ms (median)',
        '',
        '| class | IoU |',
        '|---|---|',
        *(f'| {n} | {v:.3f} |' for n, v in result['semantic']['iou'].items()),
        '',
        '| boxes | truths | AP | recall | yaw error | centre error |',
        '|---|---|---|---|---|---|',
    ]
    rows = boxes['classes'] | {'car within 40 m': boxes['car_within_40_m']}
    for name, of in rows.items():
        lines.append(
            f'| {name} | {of["truths"]} | {of["ap"]:.3f} | {of["recall"]:.3f} | '
            f'{of["yaw_error_deg"]:.1f}° | {of["distance_m"]:.2f} m |'
        )
    return '\n'.join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--model', default='', help='model file or name; default: the bundled model'
    )
    parser.add_argument('--seed', type=int, default=900)
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument(
        '--size', type=size, default=(512, 256), metavar='WxH', help='size of the images'
    )
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args(arguments)
    estimator = open_estimator(options.model, options=BackendOptions(options.threads))
    begin_s = time.perf_counter()
    result = score(estimator, scenes(options.seed, options.count, options.size)).result()
    print(table(result))
    elapsed_s = time.perf_counter() - begin_s
    print(f'\n{plural(options.count, "scene")} with seed {options.seed} in {elapsed_s:.0f} s')
    if options.json:
        write_text(options.json, json.dumps(plain(result), indent=2) + '\n')


if __name__ == '__main__':
    main()
