"""What fuzzing has found, each as the smallest input: now refused in one sentence."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import tiny_model

pytest.importorskip('rclpy', reason='ROS 2 is not installed')
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from .fuzz_bags import mcap
from .fuzz_messages import GOOD, compressed, image, info
from .fuzz_models import npz_seeds, onnx_seeds
from .fuzz_targets import target_of
from .fuzz_training import CALIBRATION, FULL, LABELS, checkpoint_seeds, coco, label_studio, npy

PNG = cv2.imencode('.png', np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes) -> bytes:
    """8-bit RGB of the size that the header claims."""
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    body = chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(pixels)) + chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + body


def jpeg(width: int, height: int, scans: int) -> bytes:
    """A progressive one with empty scans."""
    one = np.zeros((64, 64, 3), np.uint8)
    good = cv2.imencode('.jpg', one, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    at = good.index(b'\xff\xc2')
    sized = good[: at + 5] + struct.pack('>HH', height, width) + good[at + 9 : -2]
    scan = b'\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00' + bytes(2000)
    return sized + scan * scans + b'\xff\xd9'


def changed(full: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({**full, **fields}).encode()


def spec(**fields: Any) -> bytes:
    return changed(json.loads(target_of('spec').seeds()[0]), **fields)


def with_batch(count: int) -> bytes:
    model = tiny_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = count
    return bytes(model.SerializeToString())


def coco_with(part: str, **fields: Any) -> bytes:
    """The first of the part's entries changed."""
    full = coco()
    full[part][0] |= fields
    return json.dumps(full).encode()


def drawn(**value: Any) -> bytes:
    full = label_studio()
    full[0]['annotations'][0]['result'][0]['value'] = value
    return json.dumps(full).encode()


def at_end(data: bytes, old: bytes, new: bytes) -> bytes:
    """The last occurrence exchanged."""
    where = data.rindex(old)
    return data[:where] + new + data[where + len(old) :]


def several_disks() -> bytes:
    data = checkpoint_seeds()[0]
    at = data.rindex(b'PK\x06\x07') + 16
    return data[:at] + struct.pack('<I', 2) + data[at + 4 :]


BRUSH = [255, 255, 255, 255, 56, 0, 0, 128]
FINDINGS: dict[str, tuple[str, Any]] = {
    'image: no message at all': ('image', lambda: b'\x00\x01\x00\x00' + b'\xff' * 60),
    'image: 1 MB of encoding': ('image', lambda: image('x' * 10**6, 4, 2, 12, 24)),
    'png: 64 megapixels in 100 bytes': ('png_or_jpeg', lambda: png(8000, 8000, bytes(10))),
    'png: a chunk of 2 GB': ('png_or_jpeg', lambda: at_end(PNG, PNG[33:37], b'\x7f\xff\xff\xff')),
    'png: beyond every limit': (
        'compressed_image', lambda: compressed('', png(10**6, 10**6, b''))
    ),
    'jpeg: 100 scans of 25 megapixels': ('png_or_jpeg', lambda: jpeg(5000, 5000, 100)),
    'camera_info: distortion of NaN': (
        'camera_info',
        lambda: info((64, 32), GOOD, GOOD, 'plumb_bob', [float('nan')] * 5, (0, 0), (0,) * 4),
    ),
    'spec: depth': ('spec', lambda: b'[' * 3000),
    'spec: infinite version': ('spec', lambda: spec(format_version=float('inf'))),
    'spec: tasks in a list': ('spec', lambda: spec(tasks=[])),
    'spec: 10^12 pixels': (
        'spec',
        lambda: spec(input={'name': 'x', 'shape': [-1, 10**6, 10**6, 3], 'dtype': 'uint8'}),
    ),
    'outputs: cut off': ('stored_outputs', lambda: npz_seeds()[0][:-30]),
    'outputs: another compression': (
        'stored_outputs',
        lambda: npz_seeds()[0].replace(b'PK\x01\x02-\x03-' + bytes(4), b'PK\x01\x02-\x03-\0\0\0c'),
    ),
    'outputs: damaged stream': (
        'stored_outputs', lambda: npz_seeds()[1].replace(b'mtscene_spec.npy', b'mtscene_spec.npx')
    ),
    'onnx: metadata are no text': (
        'onnxruntime', lambda: onnx_seeds()[0].replace(b'"version": "1"', b'"version": "\xff"')
    ),
    'onnx: the name of an input is no text': (
        'onnxruntime', lambda: onnx_seeds()[0].replace(b'image', b'\x80mage')
    ),
    'onnx: a batch of 0, by which OpenVINO divided': ('openvino', lambda: with_batch(0)),
    'onnx: an operator of another kind, of which OpenVINO died': (
        'openvino', lambda: onnx_seeds()[0].replace(b'Cast', b'Conv')
    ),
    'npy: brackets': ('npy', lambda: npy(np.ones(2)).replace(b"'shape': (2,)", b"'shape': (2, ")),
    'npy: 10^12 values': ('npy', lambda: npy(np.ones(10)).replace(b'(10,), }   ', b'(10**9,), }')),
    'npy: an archive': ('npy', lambda: npz_seeds()[1]),
    'manifest: names for one another': (
        'manifest', lambda: b'x: &a [1,1]\nsemantic: [*a]\nframes: [{image: a.png}]'
    ),
    'manifest: a date': ('manifest', lambda: b'frames: 2001-99-99'),
    'manifest: depth': ('manifest', lambda: b'[' * 3000),
    'manifest: a path with a zero': (
        'manifest', lambda: changed(FULL, frames=[{'image': 'a\0b'}])
    ),
    'manifest: a list for the camera': ('manifest', lambda: changed(FULL, camera=[1])),
    'csv: no text': ('manifest_csv', lambda: b'image\n\xff\n'),
    'boxes: depth': ('boxes', lambda: b'[' * 3000),
    'lists: another folder': ('json_and_lists', lambda: b'../../etc/passwd\n'),
    'coco: no text': ('coco', lambda: b'\x80'),
    'coco: no images': ('coco', lambda: b'{"categories": [], "annotations": []}'),
    'coco: an image without a name': (
        'coco', lambda: b'{"images": [{"id": 1}], "categories": []}'
    ),
    'coco: 10^12 pixels': ('coco', lambda: coco_with('images', width=10**6, height=10**6)),
    'coco: a corner at infinity': (
        'coco', lambda: coco_with('annotations', segmentation=[[0, 0, 1e300, 0, 4, 3]])
    ),
    'coco: run lengths of another image': (
        'coco', lambda: coco_with('annotations', segmentation={'counts': [9**9], 'size': [4, 6]})
    ),
    'coco: run lengths that are none': (
        'coco', lambda: coco_with('annotations', segmentation={'counts': '04h0', 'size': [4, 6]})
    ),
    'label studio: a brush of 4 GB': (
        'label_studio', lambda: drawn(rle=BRUSH, brushlabels=['car'])
    ),
    'label studio: a corner at infinity': (
        'label_studio', lambda: drawn(points=[[0, 0], [1e300, 0], [0, 9]], polygonlabels=['x'])
    ),
    'kitti: calibration is no text': ('kitti', lambda: b'P2: \xff'),
    'kitti: labels are no text': ('kitti', lambda: CALIBRATION + b'\n---\n\xff'),
    'kitti: half a point': ('kitti', lambda: b'\n---\n'.join([CALIBRATION, LABELS, bytes(20)])),
    'kitti: no camera': ('kitti', lambda: CALIBRATION.replace(b'700', b'0')),
    'checkpoint: several disks': ('checkpoint', several_disks),
    'checkpoint: cut off': ('checkpoint', lambda: checkpoint_seeds()[1][:300]),
    'bag: cut off before its topics': ('bag_mcap', lambda: mcap()[:40]),
    'bag: a field renamed': (
        'bag_mcap', lambda: mcap().replace(b'string encoding', b'string encodinh')
    ),
    'parameters: a name of another alphabet': (
        'parameters', lambda: "/**: {ros__parameters: {cameras: ['ä']}}".encode()
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', FINDINGS)
def test_finding_is_refused(name: str) -> None:
    target, made = FINDINGS[name]
    found = target_of(target)
    with pytest.raises(found.refusals) as caught:
        found.run(made())
    assert 10 < len(str(caught.value)) < 1000


def test_what_was_found_and_is_accepted_now() -> None:
    """A rate of next to nothing; focal lengths at which coordinates overflowed; sidecars; half of
    a recording, which is read."""
    target_of('bag_mcap').run(mcap()[: len(mcap()) // 2])
    target_of('parameters').run(b'/**: {ros__parameters: {max_rate_hz: 1.0e-300}}')
    pixels = bytes(serialize_message(Image(encoding='mono8', width=4, height=2, step=4)))
    for fx in (1e308, 1e-308):
        with pytest.raises(target_of('scene').refusals):
            target_of('scene').run(struct.pack('<4d', fx, fx, 0, 0) + pixels)
        target_of('scene').run(struct.pack('<4d', fx, fx, 0, 0) + image('mono8', 4, 2, 4, 8))
    target_of('engine_sidecar').run(b'[' * 3000)
