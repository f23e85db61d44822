"""Measures a model with the classes CITYSCAPES_19 on photographs: CamVid and KITTI tracking.

python -m mtscene_ros.evaluate.suites.photographs --camvid DIR --kitti DIR --json result.json

On CamVid (Brostow et al., 2009, the copy of SegNet with 11 classes in val and valannot) it
measures mIoU; on KITTI tracking, depth against LiDAR points and cars against the labels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtscene_ros.camera.photograph import read_image_file
from mtscene_ros.datasets.classes import CAMVID_11, camvid_from_cityscapes
from mtscene_ros.datasets.kitti import EPOCH_NS, PERIOD_NS, kitti_moments, read_calibration
from mtscene_ros.datasets.kitti_objects import detections, objects_of_rows, objects_of_sequence
from mtscene_ros.estimator import SceneModel, open_model
from mtscene_ros.evaluate.scores.kitti_ap import average_precisions
from mtscene_ros.evaluate.scores.meters import DepthMeter
from mtscene_ros.evaluate.scores.metrics import confusion, iou_per_class, mean_ious
from mtscene_ros.evaluate.suites.drives import depth_summary, depth_within, near_cars_meter
from mtscene_ros.evaluate.truth.lidar import lidar_depth
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.nested import plain
from mtscene_ros.types import Boxes3D, DepthMap


def camvid(model: SceneModel, folder: Path, split: str = 'val') -> dict[str, Any]:
    """Scores labels on CamVid. Raises ValueError if a file is missing."""
    counts = np.zeros((len(CAMVID_11), len(CAMVID_11) + 1), np.int64)
    table = camvid_from_cityscapes()
    images = sorted((folder / split).glob('*.jpg')) + sorted((folder / split).glob('*.png'))
    if not images:
        raise ValueError(
            f'{folder / split} contains no images; give the folder that contains {split}/.'
        )
    for path in images:
        truth_path = folder / f'{split}annot' / f'{path.stem}.png'
        truth = read_image_file(truth_path, cv2.IMREAD_GRAYSCALE)
        labels = model.estimate(path, tasks=('semantic',)).labels
        counts += confusion(table[labels], truth, len(CAMVID_11))
    iou = iou_per_class(counts)
    by_class = dict(zip(CAMVID_11, iou.tolist(), strict=True))
    return {'images': len(images), **mean_ious(iou, np.isfinite(iou)), 'iou': by_class}


def kitti(model: SceneModel, folder: Path, sequence: str) -> dict[str, Any]:
    """Scores depth and boxes on a KITTI sequence. Raises KittiError if a file is missing.

    `car_within_40_m` is our own score, `ap_r40` that of the object benchmark, in percent.
    """
    depth, cars, images = DepthMeter(), near_cars_meter(), 0
    shift_m = read_calibration(folder / 'calib' / f'{sequence}.txt').optical_from_rectified_m
    objects = objects_of_sequence(folder / 'label_2' / f'{sequence}.txt', shift_m)
    nothing, frames = objects_of_rows([], shift_m), []
    for moment in kitti_moments(folder, sequence):
        results = model.estimate(moment.rgb, intrinsics=moment.intrinsics).results
        images += 1
        found, boxes = results.get('depth'), results.get('boxes3d')
        if isinstance(found, DepthMap):
            depth.update(*depth_within(found.depth_m, lidar_depth(moment)))
        if isinstance(boxes, Boxes3D):
            cars.update(boxes, moment.boxes)
            number = (moment.stamp_ns - EPOCH_NS) // PERIOD_NS
            found_here = detections(boxes, moment.intrinsics)
            frames.append((found_here, objects.get(number, nothing)))
    near_cars = cars.found['car'].result()
    return {
        'images': images,
        'depth': depth_summary(depth),
        'car_within_40_m': near_cars,
        'ap_r40': average_precisions(frames),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--model', default='', help='model file or name; default: the bundled model'
    )
    parser.add_argument('--camvid', type=Path, help='folder with val/ and valannot/')
    parser.add_argument('--kitti', type=Path, help='folder with image_2/, label_2/, calib/')
    parser.add_argument('--sequence', default='0001')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args(arguments)
    result = {}
    with open_model(options.model, 'onnxruntime', threads=options.threads) as model:
        if options.camvid:
            result['camvid'] = camvid(model, options.camvid)
        if options.kitti:
            result['kitti'] = kitti(model, options.kitti, options.sequence)
    text = json.dumps(result, indent=2)
    print(text)
    if options.json:
        write_text(options.json, json.dumps(plain(result), indent=2) + '\n')


if __name__ == '__main__':
    main()
