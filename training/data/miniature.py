"""Writes small generated scenes in the layouts of the published data sets.

    python -m training.data.miniature nyud data/nyud --train 4 --val 2

With them every loader, recipe and metric runs on a machine that has none of the originals.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.io
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import (
    box_corners,
    matrix_from_quaternion,
    project,
    quaternion_from_matrix,
)
from mtscene_ros.datasets.classes import HUMAN_PARTS_7, PASCAL_21, camvid_from_cityscapes
from mtscene_ros.datasets.label_files import stored_normals
from mtscene_ros.tasks.fcos3d import OPTICAL_FROM_UPRIGHT
from mtscene_ros.terminal import exit_status
from mtscene_ros.types import UNLABELED, Boxes3D, Intrinsics
from mtscene_ros.worlds import FRAMES
from mtscene_ros.worlds.frame import WorldFrame, boundary_of
from training.data.cityscapes3d import DISPARITY_STEP, LABEL_IDS
from training.data.nyud import NORMAL_SIGNS
from training.data.pascal_context import PERSON, thinned

F64 = NDArray[np.float64]
BASELINE_M = 0.209313
# sensor_T_ISO_8855 of the synthetic car: turned by 2 degrees, 1.7 m ahead of the axle, 1.2 m up.
COS, SIN = np.cos(np.radians(2)), np.sin(np.radians(2))
SENSOR_FROM_VEHICLE = np.array([[COS, 0, -SIN, -1.7], [0, 1, 0, -0.1], [SIN, 0, COS, -1.2]])
PART_NAMES = ('', 'head', 'torso', 'luarm', 'rhand', 'luleg', 'rfoot')


def save_image(path: Path, image: NDArray[Any]) -> None:
    """Writes (H, W) or RGB images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


def save_json(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def append_line(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        file.write(line + '\n')


def write_nyud(folder: Path, split: str, name: str, frame: WorldFrame) -> None:
    unknown = frame.labels == UNLABELED
    save_image(folder / 'images' / f'{name}.png', frame.rgb)
    classes = np.where(unknown, 0, frame.labels + 1).astype(np.uint8)
    save_image(folder / 'segmentation' / f'{name}.png', classes)
    (folder / 'depth').mkdir(exist_ok=True)
    np.save(folder / 'depth' / f'{name}.npy', frame.depth_m)
    save_image(folder / 'normals' / f'{name}.png', stored_normals(frame.normals, NORMAL_SIGNS))
    edge = 255 * thinned(boundary_of(frame.labels, frame.instances) > 0)
    save_image(folder / 'edge' / f'{name}.png', edge)
    append_line(folder / 'gt_sets' / f'{split}.txt', name)


def write_pascal_context(folder: Path, split: str, name: str, frame: WorldFrame) -> None:
    assert frame.human_parts is not None
    assert frame.saliency is not None
    save_image(folder / 'JPEGImages' / f'{name}.jpg', frame.rgb)
    source = ('VOC12', 'pascal-context')[int(name.split('_')[-1]) % 2]
    save_image(folder / 'semseg' / source / f'{name}.png', frame.labels)
    save_image(
        folder / 'normals_distill' / f'{name}.png', stored_normals(frame.normals, NORMAL_SIGNS)
    )
    save_image(folder / 'sal_distill' / f'{name}.png', 255 * frame.saliency)
    context = folder / 'pascal-context'
    (context / 'trainval').mkdir(parents=True, exist_ok=True)
    # The figure world uses PASCAL's 21 classes, a subset of the 459 context labels.
    label_map = {
        'LabelMap': np.where(frame.labels == UNLABELED, 0, frame.labels).astype(np.uint16) + 1
    }
    scipy.io.savemat(context / 'trainval' / f'{name}.mat', label_map, do_compression=True)
    lines = [f'{c.id + 1}: {c.name.replace(" ", "")}' for c in PASCAL_21]
    (context / 'labels.txt').write_text('\n'.join(lines) + '\n')
    save_parts(folder / 'human_parts' / f'{name}.mat', frame)
    append_line(folder / 'ImageSets/Context' / f'{split}.txt', name)


def save_parts(path: Path, frame: WorldFrame) -> None:
    """Writes PASCAL's annotation: objects have class_ind, mask, parts; parts have part_name,
    mask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = []
    for instance in range(1, len(frame.boxes) + 1):
        mask = frame.instances == instance
        parts = [
            {
                'part_name': PART_NAMES[c.id],
                'mask': (mask & (frame.human_parts == c.id)) * np.uint8(1),
            }
            for c in HUMAN_PARTS_7[1:]
            if (mask & (frame.human_parts == c.id)).any()
        ]
        entry = {'class_ind': PERSON, 'mask': mask * np.uint8(1), 'parts': struct_array(parts)}
        objects.append({'class': 'person', **entry})
    annotation = {'anno': {'imname': path.stem, 'objects': struct_array(objects)}}
    scipy.io.savemat(path, annotation, do_compression=True)


def struct_array(rows: list[dict[str, Any]]) -> NDArray[Any]:
    """Creates a MATLAB struct array from rows with equal fields."""
    kinds = [(key, object) for key in rows[0]] if rows else [('mask', object)]
    return np.array([tuple(row.values()) for row in rows], dtype=kinds)


def write_cityscapes3d(folder: Path, split: str, name: str, frame: WorldFrame) -> None:
    stem, camera = f'{split}/town/{name}', frame.intrinsics
    save_image(folder / 'leftImg8bit' / f'{stem}_leftImg8bit.png', frame.rgb)
    ids = np.zeros(256, np.uint8)
    ids[: len(LABEL_IDS)] = LABEL_IDS
    save_image(folder / 'gtFine' / f'{stem}_gtFine_labelIds.png', ids[frame.labels])
    disparity_px = BASELINE_M * camera.fx_px / frame.depth_m
    stored = np.round(DISPARITY_STEP * disparity_px + 1).clip(1, 65535).astype(np.uint16)
    save_image(folder / 'disparity' / f'{stem}_disparity.png', stored)
    inner = {'fx': camera.fx_px, 'fy': camera.fy_px, 'u0': camera.cx_px, 'v0': camera.cy_px}
    calibration = {'extrinsic': {'baseline': BASELINE_M}, 'intrinsic': inner}
    save_json(folder / 'camera' / f'{stem}_camera.json', calibration)
    sensor = {**inner, 'sensor_T_ISO_8855': SENSOR_FROM_VEHICLE.tolist(), 'baseline': BASELINE_M}
    boxes = {
        'imgWidth': camera.width_px,
        'imgHeight': camera.height_px,
        'sensor': sensor,
        'objects': vehicle_objects(frame),
        'ignore': [],
    }
    save_json(folder / 'gtBbox3d' / f'{stem}_gtBbox3d.json', boxes)


def vehicle_objects(frame: WorldFrame) -> list[dict[str, Any]]:
    """Returns the vehicles in the vehicle frame, in the annotation format of Cityscapes-3D."""
    boxes = frame.boxes
    optical_from_box = matrix_from_quaternion(boxes.quaternions_xyzw)
    rotation, shift = SENSOR_FROM_VEHICLE[:, :3], SENSOR_FROM_VEHICLE[:, 3]
    vehicle_from_optical = rotation.T @ OPTICAL_FROM_UPRIGHT.T
    centers_m = boxes.centers_m @ vehicle_from_optical.T - rotation.T @ shift
    turns = quaternion_from_matrix(vehicle_from_optical @ optical_from_box)[:, [3, 0, 1, 2]]
    whole = amodal_boxes(boxes, frame.intrinsics)
    return [
        {
            '2d': {'modal': visible_box(frame.instances == k + 1), 'amodal': whole[k].tolist()},
            '3d': {
                'center': centers_m[k].tolist(),
                'dimensions': boxes.sizes_m[k].tolist(),
                'rotation': turns[k].tolist(),
                'type': 'generated',
                'format': 'CRS_ISO8855',
            },
            'occlusion': round(1 - float(frame.visible[k]), 3),
            'truncation': round(float(frame.truncated[k]), 3),
            'instanceId': k,
            'label': boxes.classes[class_id].name,
            'score': 1.0,
        }
        for k, class_id in enumerate(boxes.class_ids.tolist())
        if class_id < 6
    ]


def visible_box(mask: NDArray[np.bool_]) -> list[float]:
    """Returns x, y, width, height around the visible pixels of an object."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = float(columns[0]), float(rows[0])
    return [x, y, float(columns[-1]) - x, float(rows[-1]) - y]


def amodal_boxes(boxes: Boxes3D, camera: Intrinsics) -> F64:
    """Returns (N, 4) x, y, width, height of the projected corners, clipped to the image."""
    rotation = matrix_from_quaternion(boxes.quaternions_xyzw)
    corners_m = box_corners(boxes.centers_m, boxes.sizes_m, rotation)
    corners_m[..., 2] = np.maximum(corners_m[..., 2], 0.1)
    corners_px = project(corners_m, camera)
    last_px = np.array([camera.width_px - 1, camera.height_px - 1])
    low, high = (np.clip(f(1), 0, last_px) for f in (corners_px.min, corners_px.max))
    return np.concatenate([low, high - low], 1)


def write_camvid(folder: Path, split: str, name: str, frame: WorldFrame) -> None:
    save_image(folder / split / f'{name}.png', frame.rgb)
    labels = camvid_from_cityscapes()[frame.labels]
    save_image(folder / f'{split}annot' / f'{name}.png', np.where(labels == UNLABELED, 11, labels))


Writer = Callable[[Path, str, str, WorldFrame], None]
# Layout → generated world, frame width and height, writer.
LAYOUTS: dict[str, tuple[str, tuple[int, int], Writer]] = {
    'nyud': ('room', (560, 425), write_nyud),
    'pascal_context': ('figure', (500, 375), write_pascal_context),
    'cityscapes3d': ('drive', (2048, 1024), write_cityscapes3d),
    'camvid': ('drive', (480, 360), write_camvid),
}


def write_miniature(
    layout: str, folder: Path, counts: dict[str, int], size_px: tuple[int, int] | None = None
) -> None:
    """Writes a miniature data set. counts: frames by split; size_px: width and height, by default
    those of the original."""
    world, usual_px, write = LAYOUTS[layout]
    for number, (split, count) in enumerate(counts.items()):
        for index in range(count):
            frame = FRAMES[world](70 + number, index, *(size_px or usual_px))
            write(folder, split, f'{split}_{index:06d}', frame)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('layout', choices=LAYOUTS)
    parser.add_argument('out', type=Path)
    parser.add_argument('--train', type=int, default=4)
    parser.add_argument('--val', type=int, default=2)
    options = parser.parse_args(arguments)
    write_miniature(options.layout, options.out, {'train': options.train, 'val': options.val})


if __name__ == '__main__':
    sys.exit(exit_status(main))
