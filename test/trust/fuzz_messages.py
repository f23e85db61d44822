"""Serialized sensor_msgs, as the node gets them from the middleware."""

from __future__ import annotations

import array
import math
import struct
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from conftest import tiny_spec
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtscene_ros.backends import constant
from mtscene_ros.camera.camera_frames import frame_from_image, intrinsics_from_camera_info
from mtscene_ros.camera.images import ENCODINGS, ImageError, rgb_from_compressed
from mtscene_ros.camera.mailbox import Mailbox, Policy
from mtscene_ros.camera.messages import camera_info_message, depth_image, header_of, label_image
from mtscene_ros.camera.rectify import Distortion, DistortionError, Rectifier
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.ros.camera_input import InputLimits, message_of, stamp_ns_of
from mtscene_ros.ros.message_types import new
from mtscene_ros.types import CameraFrame

from .fuzz_target import Target, scratch

U8, U32 = st.integers(0, 255), st.one_of(st.integers(0, 70), st.integers(0, 2**32 - 1))
SMALL = st.integers(0, 20)
DOUBLES = st.one_of(st.floats(width=64), st.sampled_from([0.0, 1e308, -1e308, 1e-308, 64.0]))


def image(encoding: str, width: int, height: int, step: int, size: int, big: int = 0) -> bytes:
    """A serialized Image whose data are 0, 1, 2, ..."""
    message = Image(encoding=encoding, width=width, height=height, step=step, is_bigendian=big)
    message.header.frame_id = 'camera_optical_frame'
    message.data = array.array('B', bytes(k % 251 for k in range(size)))
    return bytes(serialize_message(message))


def image_seeds() -> list[bytes]:
    """One of 8x4 pixels in every encoding."""
    made = []
    for name, e in ENCODINGS.items():
        step, rows = 8 * e.samples * e.sample_bytes, 4 * e.rows[0] // e.rows[1]
        made.append(image(name, 8, 4, step, step * rows))
    return made


def images() -> st.SearchStrategy[bytes]:
    """Sizes and steps near each other, so that the limits are met from both sides."""
    encoding = st.one_of(st.sampled_from(sorted(ENCODINGS)), st.text(max_size=20))
    near = st.one_of(SMALL, U32)
    data = st.one_of(st.integers(0, 400), st.integers(0, 20000))
    return st.builds(image, encoding, near, near, st.one_of(st.integers(0, 80), U32), data, U8)


def frame_of(data: bytes, kind: type, camera: str, limits: InputLimits) -> CameraFrame:
    """As the node makes it of a serialized message."""
    message, view = message_of(data, kind, limits)
    return frame_from_image(message, None, camera, view, limits.max_pixels)


def run_image(data: bytes) -> None:
    frame = frame_of(data, Image, 'front', InputLimits())
    assert frame.rgb.shape[2] == 3
    assert frame.rgb.dtype == np.uint8
    int(frame.rgb.sum())  # every byte is ours to read
    header_of(new, frame)


@lru_cache(1)
def estimator() -> SceneEstimator:
    """Stored outputs of the tiny model: everything of the line but the network."""
    path = scratch('.estimator.npz')
    spec = tiny_spec()
    outputs = {t.name: np.full((1, *t.shape[1:]), 1, t.dtype) for t in spec.outputs}
    constant.write(path, spec, outputs)
    return open_estimator(str(path), 'constant')


def scene_seeds() -> list[bytes]:
    """Images with four numbers of a camera behind them."""
    return [struct.pack('<4d', *GOOD) + data for data in image_seeds()[:6]]


def scenes() -> st.SearchStrategy[bytes]:
    camera = st.one_of(st.just(GOOD), st.lists(DOUBLES, min_size=4, max_size=4))
    side = st.one_of(SMALL, st.integers(1, 3000))
    mono = st.builds(lambda w, h: image('mono8', w, h, w, min(w * h, 20000)), side, side)
    return st.builds(lambda k, data: struct.pack('<4d', *k) + data, camera, mono)


def run_scene(data: bytes) -> None:
    """The whole line, and the messages of its results, for images of at most 20000 pixels."""
    frame = frame_of(data[32:], Image, '', InputLimits(max_pixels=20000))
    height_px, width_px = frame.rgb.shape[:2]
    fx, fy, cx, cy = struct.unpack_from('<4d', data)
    k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    camera_info = CameraInfo(width=width_px, height=height_px, k=k)
    camera, _ = intrinsics_from_camera_info(camera_info, width_px, height_px, False)
    [scene] = estimator().estimate([replace(frame, intrinsics=camera)])
    labels, header = scene.results['semantic'], header_of(new, frame)
    assert labels.labels.shape == (height_px, width_px)
    label_image(new, labels, header)
    if 'boxes3d' in scene.results:
        assert np.isfinite(scene.results['boxes3d'].centers_m).all()
    for encoding in ('16UC1', '32FC1') if 'depth' in scene.results else ():
        depth_image(new, scene.results['depth'], encoding, header)


def encoded_seeds() -> list[bytes]:
    """8x8 pixels as JPEG, progressive JPEG, grey JPEG and PNGs of several kinds."""
    bgr = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    ways = [
        ('.jpg', bgr, []),
        ('.jpg', bgr, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        ('.jpg', bgr[..., 0], [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]),
        ('.png', bgr, []),
        ('.png', bgr[..., 0], []),
        ('.png', bgr.astype(np.uint16) * 257, []),
        ('.png', (bgr[..., 0] > 90).astype(np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1]),
        ('.png', np.dstack([bgr, bgr[..., 0]]), []),
    ]
    return [cv2.imencode(kind, values, how)[1].tobytes() for kind, values, how in ways]


def compressed(format_: str, data: bytes) -> bytes:
    message = CompressedImage(format=format_, data=array.array('B', data))
    return bytes(serialize_message(message))


def compressed_images() -> st.SearchStrategy[bytes]:
    """Good files with a few bytes changed, cut or inserted."""
    files = st.sampled_from(encoded_seeds())

    @st.composite
    def damaged(draw: st.DrawFn) -> bytes:
        data = bytearray(draw(files))
        for _ in range(draw(st.integers(0, 6))):
            data[draw(st.integers(0, len(data) - 1))] = draw(U8)
        cut = draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))
        return compressed(draw(st.text(max_size=8)), bytes(data[:cut]))

    return damaged()


def run_compressed(data: bytes) -> None:
    int(frame_of(data, CompressedImage, '', InputLimits()).rgb.sum())


def run_encoded(data: bytes) -> None:
    int(rgb_from_compressed('', np.frombuffer(data, np.uint8)).sum())


def info(
    size: tuple[int, int], k: list[float], p: list[float], model: str, d: list[float],
    binning: tuple[int, int], roi: tuple[int, int, int, int],
) -> bytes:  # fmt: skip
    """A serialized CameraInfo; k and p: fx, fy, cx, cy."""
    message = CameraInfo(width=size[0], height=size[1], distortion_model=model, d=d)
    message.k = [k[0], 0.0, k[2], 0.0, k[1], k[3], 0.0, 0.0, 1.0]
    message.p = [p[0], 0.0, p[2], 0.0, 0.0, p[1], p[3], 0.0, 0.0, 0.0, 1.0, 0.0]
    message.binning_x, message.binning_y = binning
    r = message.roi
    r.width, r.height, r.x_offset, r.y_offset = roi
    return bytes(serialize_message(message))


GOOD = [64.0, 64.0, 31.5, 15.5]


def info_seeds() -> list[bytes]:
    nothing = (0, 0, 0, 0)
    return [
        info((64, 32), GOOD, GOOD, 'plumb_bob', [], (0, 0), nothing),
        info((64, 32), GOOD, [0.0] * 4, 'plumb_bob', [-0.2, 0.1, 0.0, 0.0, 0.0], (1, 1), nothing),
        info((64, 32), GOOD, GOOD, 'equidistant', [0.1, 0.01, 0.0, 0.0], (1, 1), nothing),
        info((64, 32), GOOD, GOOD, 'rational_polynomial', [0.1] * 8, (0, 0), nothing),
        info((128, 64), GOOD, GOOD, 'plumb_bob', [], (2, 2), (128, 64, 4, 4)),
    ]


def infos() -> st.SearchStrategy[bytes]:
    size = st.one_of(st.just((64, 32)), st.tuples(U32, U32))
    four = st.one_of(st.just(GOOD), st.lists(DOUBLES, min_size=4, max_size=4))
    model = st.sampled_from(['plumb_bob', 'rational_polynomial', 'equidistant', '', 'x'])
    few = st.one_of(st.just((0, 0)), st.tuples(U32, U32))
    roi = st.one_of(st.just((0, 0, 0, 0)), st.tuples(U32, U32, U32, U32))
    return st.builds(info, size, four, four, model, st.lists(DOUBLES, max_size=9), few, roi)


def run_camera_info(data: bytes) -> None:
    """All that the node does with it for an image of 64x32 pixels, both ways."""
    try:
        message = deserialize_message(data, CameraInfo)
    except RuntimeError:
        return  # the middleware drops it, the callback does not hear of it
    for is_rectified in (True, False):
        camera, why_not = intrinsics_from_camera_info(message, 64, 32, is_rectified)
        assert (camera is None) == bool(why_not)
        if camera is None:
            continue
        assert all(map(math.isfinite, (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)))
        camera_info_message(new, camera.resized(32, 16), message.header)
        distortion = Distortion(message.distortion_model, tuple(message.d))
        if not is_rectified and not distortion.is_none:
            Rectifier(camera, distortion)(np.zeros((32, 64, 3), np.uint8))


def run_stamp(data: bytes) -> None:
    """Into a mailbox and out of it: nothing is lost whatever the stamps are."""
    box: Mailbox[bytes] = Mailbox(('a', 'b'), Policy(20_000_000, 0.0, 10_000_000))
    for at in range(0, len(data), 12):
        camera = 'ab'[data[at] & 1]
        box.put(camera, b'', stamp_ns_of(data[at : at + 12]))
        if data[at] & 2:
            for taken in box.take(0.0):
                box.account(taken, 'published')
    box.close()
    each = [box.counts(camera) for camera in 'ab']
    assert sum(c.received for c in each) == sum(c.published + c.dropped for c in each)


TARGETS: dict[str, Target] = {
    'image': Target(image_seeds, run_image, (ImageError,), images, 1024, 2.0),
    'compressed_image': Target(
        lambda: [compressed('jpeg', data) for data in encoded_seeds()],
        run_compressed, (ImageError,), compressed_images, 2048, 1.0,
    ),
    'png_or_jpeg': Target(encoded_seeds, run_encoded, (ImageError,), None, 2048, 1.0),
    'camera_info': Target(
        info_seeds, run_camera_info, (DistortionError,), infos, 1024, 0.8
    ),
    'scene': Target(scene_seeds, run_scene, (ImageError,), scenes, 1024, 0.3),
    'header_stamp': Target(lambda: image_seeds()[:4], run_stamp, (), None, 480, 2.0),
}  # fmt: skip
