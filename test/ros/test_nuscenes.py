"""Six real cameras of nuScenes with their own intrinsics through the bundled model, one batch."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo

from mtscene_ros.models.catalogue import BUNDLED_MODEL

from .fleet import Fleet

WIDTH, HEIGHT = 1600, 900
TOPICS = {
    'semantic/image': ('mono8', 1),
    'semantic/confidence': ('mono8', 1),
    'depth/image': ('32FC1', 4),
}
OTHERS = ('depth/camera_info', 'points', 'detections_3d', 'detections_2d', 'debug/frame_stats')


@pytest.fixture(scope='module')
def sample(shared: Path) -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    """Camera → RGB, (3, 3) intrinsics, stamp in ns."""
    folder = shared / 'data' / 'mmdet3d_demo' / 'demo' / 'data' / 'nuscenes'
    files = sorted(folder.glob('*.pkl'))
    if not files:
        pytest.skip('no nuScenes sample in the recordings')
    found = {}
    annotations = pickle.loads(files[0].read_bytes())  # noqa: S301 - of our own recordings
    for name, image in annotations['data_list'][0]['images'].items():
        bgr = cv2.imread(str(folder / image['img_path']))
        stamp_ns = round(image['timestamp'] * 1e6) * 1000
        found[name.lower()] = bgr[..., ::-1], np.array(image['cam2img']), stamp_ns
    return found


def info_of(name: str, matrix: np.ndarray) -> CameraInfo:
    info = CameraInfo(width=WIDTH, height=HEIGHT, k=matrix.ravel().tolist())
    info.p = np.hstack([matrix, np.zeros((3, 1))]).ravel().tolist()
    info.header.frame_id = f'{name}_optical'
    return info


def test_six_real_cameras(
    start_node: Callable[..., subprocess.Popen[str]],
    fleet_of: Callable[..., Fleet],
    sample: dict[str, tuple[np.ndarray, np.ndarray, int]],
) -> None:
    names = ', '.join(f"'{name}'" for name in sample)
    start_node(model=BUNDLED_MODEL, threads=2, cameras=f'[{names}]', backend='onnxruntime')
    fleet = fleet_of(tuple(sample), topics=(*TOPICS, *OTHERS))
    fleet.connect({name: info_of(name, matrix) for name, (_, matrix, _) in sample.items()})
    for name, (rgb, _, stamp_ns) in sample.items():
        fleet.show(name, rgb, stamp_ns)
        fleet.wait(lambda n=name: all(fleet.got[n, topic] for topic in (*TOPICS, *OTHERS)))
    for name, (_, matrix, stamp_ns) in sample.items():
        for topic in (*TOPICS, *OTHERS):
            header = fleet.got[name, topic][-1].header
            assert header.stamp.sec * 10**9 + header.stamp.nanosec == stamp_ns, (name, topic)
            assert header.frame_id == f'{name}_optical'
        check_camera(fleet, name, matrix)


def check_camera(fleet: Fleet, name: str, matrix: np.ndarray) -> None:
    """Sizes, intrinsics, and depth and cloud that agree with them."""
    for topic, (encoding, size) in TOPICS.items():
        image = fleet.got[name, topic][-1]
        seen = (image.encoding, image.width, image.height, image.step)
        assert seen == (encoding, WIDTH, HEIGHT, size * WIDTH), topic
    info, cloud = fleet.got[name, 'depth/camera_info'][-1], fleet.got[name, 'points'][-1]
    np.testing.assert_allclose(np.reshape(info.k, (3, 3)), matrix)
    depth = np.frombuffer(fleet.got[name, 'depth/image'][-1].data, '<f4').reshape(HEIGHT, WIDTH)
    points = np.frombuffer(cloud.data, np.uint8).reshape(HEIGHT, WIDTH, cloud.point_step)
    x, y, z = np.moveaxis(points[..., :12].copy().view('<f4'), -1, 0)
    known = np.isfinite(depth)
    assert known.mean() > 0.3
    v, u = known.nonzero()
    seen = matrix @ np.stack([x[known], y[known], z[known]])
    np.testing.assert_allclose(seen[:2] / seen[2], [u, v], atol=2e-2)
    labels = np.frombuffer(fleet.got[name, 'semantic/image'][-1].data, np.uint8)
    assert len(np.unique(labels)) > 3  # a street
