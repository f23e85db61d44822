"""Images as the node takes them in: undistorted, letterboxed or stretched; cv_bridge agrees."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from mtscene_ros.camera.camera_frames import frame_from_image
from mtscene_ros.camera.images import ENCODINGS
from mtscene_ros.camera.letterbox import PAD_RGB
from mtscene_ros.ros.image_bytes import InputLimits, message_of
from mtscene_ros.types import CameraFrame

from .fleet import Fleet, info_of
from .inside import Inside

InsideOf, FleetOf = Callable[..., Inside], Callable[..., Fleet]
SEC = 10**9
LENSES = {
    'plumb_bob': [-0.3, 0.1, 0.001, -0.002, 0.0],
    'rational_polynomial': [0.4, -0.1, 0.001, 0.0005, 0.02, 0.7, -0.05, 0.04],
    'equidistant': [-0.02, 0.01, -0.003, 0.0005],
}


def undistorted(rgb: np.ndarray, matrix: np.ndarray, d: np.ndarray, model: str) -> np.ndarray:
    """By OpenCV's own functions."""
    if model == 'equidistant':
        return cv2.fisheye.undistortImage(rgb, matrix, d, Knew=matrix)
    return cv2.undistort(rgb, matrix, d)


@pytest.mark.parametrize('model', LENSES)
def test_the_network_sees_a_distorted_camera_undistorted(
    inside_of: InsideOf, fleet_of: FleetOf, model: str
) -> None:
    inside = inside_of(input_is_rectified=False)
    fleet = fleet_of(('',), topics=('semantic/confidence', 'depth/camera_info'))
    info = info_of('', 64, 32, 40.0)
    info.distortion_model, info.d = model, LENSES[model]
    inside.connect(fleet, {'': info})
    rng = np.random.default_rng(0)
    rgb = cv2.resize(rng.integers(0, 250, (8, 16, 3), np.uint8), (64, 32))
    inside.show(fleet, '', rgb, SEC)
    matrix, d = np.array(info.k).reshape(3, 3), np.array(info.d)
    expected = cv2.resize(undistorted(rgb, matrix, d, model), (32, 16))  # the network's size
    assert inside.seen is not None
    assert np.abs(inside.seen[0].astype(int) - expected).max() <= 2
    assert np.abs(inside.seen[0].astype(int) - cv2.resize(rgb, (32, 16))).max() > 20
    fleet.wait(lambda: bool(fleet.got['', 'depth/camera_info']))
    fitting = fleet.got['', 'depth/camera_info'][0]
    assert (list(fitting.k), set(fitting.d)) == (list(info.k), {0.0})


@pytest.mark.parametrize('resize', ['letterbox', 'stretch'])
def test_letterbox_or_stretch(
    inside_of: InsideOf, fleet_of: FleetOf, frame: CameraFrame, resize: str
) -> None:
    """A square image in a network of 32 x 16; labels come back to where they were."""
    inside, fleet = inside_of(resize=resize), fleet_of(('',), topics=('semantic/image',))
    inside.connect(fleet, {'': info_of('', 32, 32, 32.0)})
    rgb = np.repeat(frame.rgb[:, :1], 32, 1)  # label 10 above, 1 below
    inside.show(fleet, '', rgb, SEC)
    assert inside.seen is not None
    bars = (inside.seen[0] == PAD_RGB).all(-1).mean()
    assert bars == (0.5 if resize == 'letterbox' else 0.0)
    fleet.wait(lambda: bool(fleet.got['', 'semantic/image']))
    labels = np.frombuffer(fleet.got['', 'semantic/image'][0].data, np.uint8).reshape(32, 32)
    np.testing.assert_array_equal(labels, np.repeat([10, 1], 16)[:, None].repeat(32, 1))


@pytest.mark.parametrize('encoding', sorted(ENCODINGS))
def test_as_cv_bridge_has_it(encoding: str) -> None:
    """Only where a ROS installation brings it."""
    cv_bridge = pytest.importorskip('cv_bridge', reason='cv_bridge is not installed')
    kind = ENCODINGS[encoding]
    rows, step = 6 * kind.rows[0] // kind.rows[1], 8 * kind.samples * kind.sample_bytes
    data = np.random.default_rng(3).integers(0, 256, rows * step, np.uint8)
    message = Image(encoding=encoding, width=8, height=6, step=step, data=data.tobytes())
    try:
        theirs = cv_bridge.CvBridge().imgmsg_to_cv2(message, 'rgb8')
    except (cv_bridge.CvBridgeError, ValueError, TypeError) as error:
        pytest.skip(f'this cv_bridge does not know {encoding}: {error}')
    ours = frame_from_image(message, None, '').rgb
    # It divides 16 bits by 257 and rounds, we drop the low byte.
    assert np.abs(ours.astype(int) - theirs).max() <= (1 if kind.sample_bytes == 2 else 0)


def test_an_encoding_that_is_not_known_goes_to_cv_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in, as cv_bridge comes with ROS installations only; without it our error names the
    encoding."""
    message = Image(encoding='nv24', width=2, height=1, step=2, data=bytes(6))
    message.header.frame_id = 'cam'
    serialized = serialize_message(message)
    assert message_of(serialized, Image, InputLimits())[0].encoding == 'nv24'
    rgb = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    bridge = SimpleNamespace(imgmsg_to_cv2=lambda message, encoding: rgb)
    monkeypatch.setitem(sys.modules, 'cv_bridge', SimpleNamespace(CvBridge=lambda: bridge))
    found, data = message_of(serialized, Image, InputLimits())
    frame = frame_from_image(found, None, '', data)
    assert frame.rgb.tolist() == rgb.tolist()
