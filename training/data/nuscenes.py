"""nuScenes (Caesar et al., CVPR 2020): 3D boxes of one camera's key frames.

    ROOT/VERSION/{sample,sample_data,sample_annotation,calibrated_sensor,ego_pose,sensor,instance,
    category,scene}.json   ROOT/samples/CHANNEL/*.jpg

The tables' own conventions: an annotation is in the global frame, `size` is width, length, height,
`rotation` a quaternion with w first, the box's x axis points forward, y to its left, z up, and
`translation` is its centre. A camera is at ego_pose * calibrated_sensor of its own moment, with
the optical axes that we use. Classes are those of the detection benchmark, with `person` for its
pedestrian; other categories are left out and counted, and so are boxes that no point of a sensor
has hit, which the benchmark does not count either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import (
    intrinsics_from_matrix,
    matrix_from_quaternion,
    moved,
    rectangles_in_image,
)
from mtscene_ros.datasets.class_tables import Classes, coloured
from mtscene_ros.datasets.label_files import DataError, read_any_json, read_rgb
from mtscene_ros.datasets.manifest import inside
from mtscene_ros.models.spec import MALFORMED, brief
from mtscene_ros.types import Boxes3D
from training.data.manifest_writer import Account, LabelledFrame

Row = dict[str, Any]
F64 = NDArray[np.float64]
# Beginning of a category → class of the detection benchmark.
CLASS_OF_CATEGORY = {
    'vehicle.car': 'car', 'vehicle.truck': 'truck', 'vehicle.bus': 'bus',
    'vehicle.trailer': 'trailer', 'vehicle.construction': 'construction_vehicle',
    'vehicle.motorcycle': 'motorcycle', 'vehicle.bicycle': 'bicycle',
    'human.pedestrian.adult': 'person', 'human.pedestrian.child': 'person',
    'human.pedestrian.construction_worker': 'person',
    'human.pedestrian.police_officer': 'person',
    'movable_object.trafficcone': 'traffic_cone', 'movable_object.barrier': 'barrier',
}  # fmt: skip
TABLES = (
    'sample', 'sample_data', 'calibrated_sensor', 'ego_pose', 'sensor', 'scene', 'instance',
    'category', 'sample_annotation',
)  # fmt: skip
VAL_SCENES = 5  # every fifth scene is `val`


@dataclass(frozen=True, slots=True, eq=False)
class DevkitTables:
    """Rows by token; annotations: by the token of their sample."""

    folder: Path
    rows: dict[str, dict[str, Row]]
    annotations: dict[str, list[Row]]
    cameras: list[Row]


def nuscenes_frames(
    root: Path, version: str, channel: str, account: Account
) -> Iterator[LabelledFrame]:
    """Yields the key frames of a camera in the order of time. Raises DataError."""
    folder = root / version if (root / version).is_dir() else root
    tables = read_tables(folder, channel)
    classes = classes_in(tables)
    scenes = list(dict.fromkeys(scene_of(tables, camera) for camera in tables.cameras))
    try:
        for camera in tables.cameras:
            scene = scene_of(tables, camera)
            is_val = len(scenes) >= VAL_SCENES and scenes.index(scene) % VAL_SCENES == 4
            split = ('val' if is_val else 'train') if len(scenes) >= VAL_SCENES else ''
            yield frame_of(root, tables, camera, classes, account, split)
    except MALFORMED as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f'{folder} does not hold the tables of nuScenes ({brief(error)}).'
        ) from None


def read_tables(folder: Path, channel: str) -> DevkitTables:
    """Raises DataError."""
    missing = [name for name in TABLES if not (folder / f'{name}.json').is_file()]
    if missing:
        raise DataError(f'{folder} has no {missing[0]}.json; give --version, such as v1.0-mini.')
    found = {name: read_any_json(folder / f'{name}.json') for name in TABLES}
    try:
        rows = {name: {row['token']: row for row in table} for name, table in found.items()}
        annotations: dict[str, list[Row]] = {}
        for row in found['sample_annotation']:
            annotations.setdefault(row['sample_token'], []).append(row)
        sensors = rows['sensor']
        channels = {
            token: sensors[row['sensor_token']]['channel']
            for token, row in rows['calibrated_sensor'].items()
        }
        keys = [row for row in found['sample_data'] if row['is_key_frame']]
        cameras = [r for r in keys if channels[r['calibrated_sensor_token']] == channel]
        cameras.sort(key=lambda row: int(row['timestamp']))
    except MALFORMED as error:
        raise DataError(
            f'{folder} does not hold the tables of nuScenes ({brief(error)}).'
        ) from None
    if not cameras:
        there = ', '.join(sorted({c for c in channels.values() if c.startswith('CAM')}))
        raise DataError(f'{folder} has no key frame of {channel}; --channel takes {there}.')
    return DevkitTables(folder, rows, annotations, cameras)


def broken(folder: Path, error: Exception) -> DataError:
    return DataError(f'{folder} does not hold the tables of nuScenes ({brief(error)}).')


def classes_in(tables: DevkitTables) -> Classes:
    """Returns the classes that any annotation has."""
    names = {category_of(tables, row) for rows in tables.annotations.values() for row in rows}
    found = {class_of(name) for name in names}
    return coloured([name for name in dict.fromkeys(CLASS_OF_CATEGORY.values()) if name in found])


def category_of(tables: DevkitTables, annotation: Row) -> str:
    instance = tables.rows['instance'][annotation['instance_token']]
    return str(tables.rows['category'][instance['category_token']]['name'])


def class_of(category: str) -> str:
    """'vehicle.bus.rigid' → 'bus'; '' for a category that the benchmark leaves out."""
    parts = category.split('.')
    beginnings = ('.'.join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((CLASS_OF_CATEGORY[b] for b in beginnings if b in CLASS_OF_CATEGORY), '')


def scene_of(tables: DevkitTables, camera: Row) -> str:
    sample = tables.rows['sample'][camera['sample_token']]
    return str(tables.rows['scene'][sample['scene_token']]['name'])


def frame_of(
    root: Path, tables: DevkitTables, camera: Row, classes: Classes, account: Account, split: str
) -> LabelledFrame:
    """Raises DataError for an image that is missing, or MALFORMED errors for a broken row."""
    sensor = tables.rows['calibrated_sensor'][camera['calibrated_sensor_token']]
    ego = tables.rows['ego_pose'][camera['ego_pose_token']]
    rgb = read_rgb(inside(root, camera['filename'], tables.folder / 'sample_data.json'))
    matrix = np.array(sensor['camera_intrinsic'], np.float64).reshape(3, 3)
    intrinsics = intrinsics_from_matrix(matrix, rgb.shape[1], rgb.shape[0])
    rows = kept_rows(tables, camera, account)
    optical_from_global = np.asarray(np.linalg.inv(pose(ego) @ pose(sensor)), np.float64)
    boxes = moved(global_boxes(rows, classes), optical_from_global)
    _, is_visible = rectangles_in_image(boxes, intrinsics)
    name = f'{scene_of(tables, camera)}_{camera["timestamp"]}'
    return LabelledFrame(name, rgb, intrinsics, boxes=boxes.select(is_visible), split=split)


def kept_rows(tables: DevkitTables, camera: Row, account: Account) -> list[tuple[str, Row]]:
    """Returns class and row of what is taken; counts the rest."""
    found = []
    for row in tables.annotations.get(camera['sample_token'], ()):
        account.regions += 1
        category = category_of(tables, row)
        if not class_of(category):
            account.left_out[f'box{{es}} of {category}'] += 1
        elif int(row.get('num_lidar_pts', 1)) + int(row.get('num_radar_pts', 0)) == 0:
            account.left_out['box{es} that no point of a sensor has hit'] += 1
        else:
            found.append((class_of(category), row))
    return found


def global_boxes(rows: list[tuple[str, Row]], classes: Classes) -> Boxes3D:
    """Returns the boxes in the global frame, as nuScenes stores them."""
    ids = {c.name: c.id for c in classes}
    width_length_height = np.array([row['size'] for _, row in rows], np.float64).reshape(-1, 3)
    wxyz = np.array([row['rotation'] for _, row in rows], np.float64).reshape(-1, 4)
    return Boxes3D(
        class_ids=np.array([ids[name] for name, _ in rows], np.int64),
        scores=np.ones(len(rows), np.float32),
        centers_m=np.array([r['translation'] for _, r in rows], np.float64).reshape(-1, 3),
        sizes_m=width_length_height[:, [1, 0, 2]],
        quaternions_xyzw=wxyz[:, [1, 2, 3, 0]],
        classes=classes,
    )


def pose(row: Row) -> F64:
    """Returns the (4, 4) transform of a row with translation and rotation."""
    w, x, y, z = (float(v) for v in row['rotation'])
    found = np.eye(4)
    found[:3, :3] = matrix_from_quaternion(np.array([[x, y, z, w]]))[0]
    found[:3, 3] = row['translation']
    return found
