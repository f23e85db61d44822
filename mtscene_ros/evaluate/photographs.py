"""Measures a model that knows CITYSCAPES_19 on photographs of streets: CamVid and KITTI tracking.

python -m mtscene_ros.evaluate.photographs --camvid DIR --kitti DIR --json result.json

CamVid (Brostow et al., 2009, in the 11 classes of SegNet's copy: val, valannot): mIoU. KITTI
tracking: depth against the LiDAR's points, cars against the labels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import BackendOptions
from mtscene_ros.classes import CITYSCAPES_19
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.evaluate.drive import MAX_M, NEAR_M, add_boxes
from mtscene_ros.evaluate.lidar import sparse_depth
from mtscene_ros.evaluate.metrics import DepthErrors, Detections, confusion, iou_per_class
from mtscene_ros.geometry import relative
from mtscene_ros.kitti import kitti_moments
from mtscene_ros.recordings import Moment
from mtscene_ros.types import UNLABELED, Boxes3D, CameraFrame, DepthMap, LabelMap

# CamVid's class by its number → the names of CITYSCAPES_19 that it comprises.
CAMVID_11: dict[str, tuple[str, ...]] = {
    'sky': ('sky',),
    'building': ('building', 'wall'),
    'pole': ('pole',),
    'road': ('road',),
    'pavement': ('sidewalk',),
    'tree': ('vegetation', 'terrain'),
    'sign': ('traffic sign', 'traffic light'),
    'fence': ('fence',),
    'car': ('car', 'truck', 'bus', 'train'),
    'pedestrian': ('person',),
    'bicyclist': ('rider', 'bicycle', 'motorcycle'),
}


def camvid_from_cityscapes() -> NDArray[np.uint8]:
    """(256,) look-up table; what CamVid does not have becomes UNLABELED."""
    ids = {c.name: c.id for c in CITYSCAPES_19}
    table = np.full(256, UNLABELED, np.uint8)
    for number, names in enumerate(CAMVID_11.values()):
        table[[ids[name] for name in names]] = number
    return table


def read(path: Path, flags: int) -> NDArray[Any]:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise ValueError(f'{path} is not a readable image.')
    return np.asarray(image)


def camvid(estimator: SceneEstimator, folder: Path, split: str = 'val') -> dict[str, Any]:
    """Raises ValueError where a file is missing."""
    counts = np.zeros((len(CAMVID_11), len(CAMVID_11) + 1), np.int64)
    table = camvid_from_cityscapes()
    images = sorted((folder / split).glob('*.jpg')) + sorted((folder / split).glob('*.png'))
    if not images:
        raise ValueError(f'{folder / split} holds no images; give the folder above it.')
    for path in images:
        rgb = cv2.cvtColor(read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        truth = read(folder / f'{split}annot' / f'{path.stem}.png', cv2.IMREAD_GRAYSCALE)
        frame = CameraFrame(np.asarray(rgb, np.uint8), None, 0, 'camera_optical')
        labels = estimator.estimate([frame], ('semantic',))[0].results['semantic']
        assert isinstance(labels, LabelMap)
        counts += confusion(table[labels.labels], truth, len(CAMVID_11))
    iou = iou_per_class(counts)
    by_class = dict(zip(CAMVID_11, iou.tolist(), strict=True))
    return {'images': len(images), 'miou': float(np.nanmean(iou)), 'iou': by_class}


def lidar_depth(moment: Moment) -> NDArray[np.float32]:
    """(H, W) metres along optical z of the nearest point in each pixel, NaN without one."""
    camera = moment.intrinsics
    depth_m = np.full((camera.height_px, camera.width_px), np.nan, np.float32)
    if moment.points is None or moment.base_from_lidar is None:
        return depth_m
    optical_from_lidar = relative(moment.base_from_optical, moment.base_from_lidar)
    return sparse_depth(moment.points[:, :3], optical_from_lidar, camera)


def kitti(estimator: SceneEstimator, folder: Path, sequence: str) -> dict[str, Any]:
    """Raises KittiError where a file is missing."""
    depth, cars, images = DepthErrors(MAX_M), Detections(), 0
    for moment in kitti_moments(folder, sequence):
        frame = CameraFrame(moment.rgb, moment.intrinsics, moment.stamp_ns, 'camera_optical')
        results = estimator.estimate([frame])[0].results
        images += 1
        found, boxes = results.get('depth'), results.get('boxes3d')
        if isinstance(found, DepthMap):
            depth.add(found.depth_m, lidar_depth(moment))
        if isinstance(boxes, Boxes3D):
            demanded = np.ones(len(moment.boxes), bool)
            add_boxes(cars, boxes, moment.boxes, demanded, 0, NEAR_M)
    return {'images': images, 'depth': depth.result(), 'car_within_40_m': cars.result()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='', help='default: the bundled one')
    parser.add_argument('--camvid', type=Path, help='folder with val/ and valannot/')
    parser.add_argument('--kitti', type=Path, help='folder with image_2/, label_2/, calib/')
    parser.add_argument('--sequence', default='0001')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args(arguments)
    estimator = open_estimator(options.model, options=BackendOptions(options.threads))
    result = {}
    if options.camvid:
        result['camvid'] = camvid(estimator, options.camvid)
    if options.kitti:
        result['kitti'] = kitti(estimator, options.kitti, options.sequence)
    text = json.dumps(result, indent=2)
    print(text)
    if options.json:
        plain = json.loads(text, parse_constant=lambda _: None)  # JSON has no NaN
        options.json.write_text(json.dumps(plain, indent=2) + '\n')


if __name__ == '__main__':
    main()
