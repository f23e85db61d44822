"""3D boxes of nuScenes and KITTI against the corners that their own devkits compute."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from mtscene_ros.camera.geometry import box_corners, matrix_from_quaternion
from mtscene_ros.datasets import kitti
from training.data import manifest_samples, to_manifest
from training.data.manifest_writer import Account
from training.data.nuscenes import nuscenes_frames

RNG = np.random.default_rng(5)


def turned(q: Any, v: Any) -> Any:
    """q v q*, with q = w, x, y, z: Rodrigues' form, not a matrix."""
    w, u = q[0], np.array(q[1:])
    return v + 2 * np.cross(u, np.cross(u, v) + w * np.array(v))


def unit() -> Any:
    q = RNG.normal(size=4)
    return (q / np.linalg.norm(q)).tolist()


def nuscenes_corners(row: Any, sensor: Any, ego: Any) -> Any:
    """As the devkit defines them: length along x, width along y, height along z; undone are first
    the pose of the vehicle, then that of the sensor."""
    width, length, height = row['size']
    signs = [(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    found = np.array([[a * length, b * width, c * height] for a, b, c in signs])
    found = turned(row['rotation'], found / 2) + row['translation']
    for frame in (ego, sensor):
        w, *xyz = frame['rotation']
        found = turned([w, *(-np.array(xyz))], found - frame['translation'])
    return found


@pytest.fixture(scope='module')
def nuscenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two key frames; half of the boxes lie before the camera."""
    root = tmp_path_factory.mktemp('nuscenes')
    tables: dict[str, list[Any]] = {
        'scene': [{'token': 's', 'name': 'scene-0061'}],
        'sensor': [{'token': 'c', 'channel': 'CAM_BACK'}, {'token': 'l', 'channel': 'LIDAR_TOP'}],
        'category': [
            {'token': 'bus', 'name': 'vehicle.bus.rigid'},
            {'token': 'man', 'name': 'human.pedestrian.adult'},
            {'token': 'dog', 'name': 'animal'},
        ],
        'instance': [{'token': t, 'category_token': t} for t in ('bus', 'man', 'dog')],
    }
    k = [[40.0, 0, 50], [0, 40, 40], [0, 0, 1]]
    for name in ('sample', 'sample_data', 'ego_pose', 'calibrated_sensor', 'sample_annotation'):
        tables[name] = []
    for number in range(2):
        at, file = {'token': str(number)}, f'samples/{number}.jpg'
        for name in ('ego_pose', 'calibrated_sensor'):
            place = {'translation': RNG.normal(size=3).tolist(), 'rotation': unit()}
            tables[name].append({**at, **place, 'sensor_token': 'c', 'camera_intrinsic': k})
        tables['sample'].append({**at, 'scene_token': 's'})
        data = {'sample_token': str(number), 'is_key_frame': True, 'timestamp': 7 - number}
        same = {'ego_pose_token': str(number), 'calibrated_sensor_token': str(number)}
        tables['sample_data'].append({**at, **data, **same, 'filename': file})
        for box in range(40):
            row = {'token': f'{number} {box}', 'sample_token': str(number), 'num_lidar_pts': box}
            row |= {'instance_token': ('bus', 'man', 'dog')[box % 3], 'rotation': unit()}
            row |= {'translation': (RNG.normal(size=3) * 12).tolist()}
            tables['sample_annotation'].append(row | {'size': RNG.uniform(1, 4, 3).tolist()})
        (root / 'samples').mkdir(exist_ok=True)
        cv2.imwrite(str(root / file), np.full((80, 100, 3), 90 * number, np.uint8))
    (root / 'v1.0-mini').mkdir()
    for name, rows in tables.items():
        (root / f'v1.0-mini/{name}.json').write_text(json.dumps(rows))
    return root


def test_nuscenes(nuscenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ['--version', 'v1.0-mini', '--channel', 'CAM_BACK']
    assert to_manifest.main(['nuscenes', str(nuscenes), str(tmp_path), *where]) == 0
    said = capsys.readouterr().out
    assert '28 of 80 regions left out: 26 boxes of animal, 2 boxes that no point' in said
    tables = {p.stem: json.loads(p.read_text()) for p in (nuscenes / 'v1.0-mini').glob('*')}
    path = tmp_path / 'manifest.yaml'
    assert [c.name for c in manifest_samples.tables(path).boxes] == ['bus', 'person']
    for frame, number in ((0, 1), (1, 0)):  # in the order of their stamps
        sample = manifest_samples.read(path, str(frame))
        assert sample.rgb.mean() == pytest.approx(90 * number, abs=1)
        sensor, ego = tables['calibrated_sensor'][number], tables['ego_pose'][number]
        rows = [r for r in tables['sample_annotation'] if r['sample_token'] == str(number)]
        want = [nuscenes_corners(r, sensor, ego) for r in rows]
        assert sample.quaternions_xyzw is not None
        turns = matrix_from_quaternion(sample.quaternions_xyzw)
        got = box_corners(sample.centers_m, sample.sizes_m, turns)
        apart = [min(far(g, w) for w in want) for g in got]
        assert max(apart) < 1e-9
        assert 2 < len(got) == sum(is_seen(w) for r, w in zip(rows, want, strict=True) if kept(r))


def far(got: Any, want: Any) -> float:
    """Largest distance from a corner to the nearest true one."""
    return float(np.linalg.norm(got[:, None] - want[None], axis=2).min(1).max())


def kept(row: Any) -> bool:
    return bool(row['instance_token'] != 'dog' and row['num_lidar_pts'] > 0)


def is_seen(corners: Any) -> bool:
    """Whether any point of a fine grid inside the box falls into the image."""
    steps = np.stack(np.meshgrid(*[np.linspace(0, 1, 20)] * 3), -1).reshape(-1, 3)
    grid = corners[0] + steps @ (corners[[4, 2, 1]] - corners[0])
    front = grid[grid[:, 2] > 0.1]
    uv = front[:, :2] / front[:, 2:] * 40 + [50, 40]
    return bool(((uv > [0, 0]) & (uv < [100, 80])).all(1).any())


def test_an_unknown_camera_and_a_missing_table(nuscenes: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='no key frame of CAM_FRONT; --channel takes CAM_BACK'):
        list(nuscenes_frames(nuscenes, 'v1.0-mini', 'CAM_FRONT', Account()))
    assert to_manifest.main(['nuscenes', str(tmp_path), str(tmp_path / 'o')]) == 2


def test_kitti(tmp_path: Path) -> None:
    """computeBox3D of the devkit: height, width, length; the origin is the centre of the bottom;
    x' = cos(ry) x + sin(ry) z, z' = cos(ry) z - sin(ry) x."""
    values = RNG.uniform(1, 5, (30, 3)).round(3)
    places, yaw = RNG.normal(size=(30, 3)).round(3) * 20, RNG.uniform(-4, 4, 30).round(3)
    rows = zip(values, places, yaw, strict=True)
    lines = [
        f'0 {k} Car 0 0 0 1 2 3 4 {" ".join(map(str, [*s, *t, y]))}'
        for k, (s, t, y) in enumerate(rows)
    ]
    (tmp_path / 'l.txt').write_text('\n'.join(lines))
    camera = kitti.KittiCalibration(np.eye(3), np.zeros(3), np.eye(4))
    boxes, _ = kitti.read_labels(tmp_path / 'l.txt', camera)[0]
    turns = matrix_from_quaternion(boxes.quaternions_xyzw)
    got = box_corners(boxes.centers_m, boxes.sizes_m, turns)
    x, y, z = (np.array(v) for v in ([1, 1, -1, -1] * 2, [0] * 4 + [-1] * 4, [1, -1, -1, 1] * 2))
    for (height, width, length), place, ry, box in zip(values, places, yaw, got, strict=True):
        cos, sin = np.cos(ry), np.sin(ry)
        a, c = x * length / 2, z * width / 2
        want = np.stack([cos * a + sin * c, y * height, cos * c - sin * a], 1) + place
        assert far(box, want) < 1e-9
