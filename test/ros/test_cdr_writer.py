"""Messages that we serialize ourselves are those of rclpy, byte by byte, padding left aside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
from hypothesis import given
from hypothesis import strategies as st
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from mtscene_ros.camera import messages
from mtscene_ros.camera.messages import Octets
from mtscene_ros.camera.outputs import OUTPUTS, OutputContext, OutputParams
from mtscene_ros.datasets.classes import CITYSCAPES_19
from mtscene_ros.ros import cdr_writer, message_types
from mtscene_ros.ros.cdr_writer import IMAGE, POINT_CLOUD, WRITERS, differs
from mtscene_ros.types import (
    CameraFrame,
    DepthMap,
    Intrinsics,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Scene,
)

from .fleet import Fleet, info_of
from .inside import Inside

CODES = ('u1', '<u2', '<f4')
HEADER = messages.header(message_types.new, 5_000_000_007, 'left_optical')


def fields_of(kind: str, found: OutputContext, make: Any) -> dict[str, Any]:
    """What the output gives `new` for its message."""
    given_fields: list[dict[str, Any]] = []

    def new(kind_: str, /, **fields: Any) -> Any:
        if kind_ == kind:
            given_fields.append(fields)
        return message_types.new(kind_, **fields)

    make(OutputContext(found.scene, found.header, found.params, new))
    [fields] = given_fields
    return fields


def scene(dtype: type) -> Scene:
    """5x3 px, depth as a part of a larger array, one unknown point."""
    rng = np.random.default_rng(0)
    camera = Intrinsics.centered(5, 3, 4.0)
    frame = CameraFrame(rng.integers(0, 256, (3, 5, 3), np.uint8), camera, 5, 'left_optical')
    depth_m = rng.uniform(1, 9, (4, 8)).astype(np.float32)[:3, :5]
    depth_m[0, 0] = np.nan
    labels = LabelMap(np.full((3, 5), 3, dtype), frame.rgb[..., 0].copy(), CITYSCAPES_19)
    results = {
        'semantic': labels,
        'human_parts': labels,
        'depth': DepthMap(depth_m),
        'normals': NormalMap(rng.uniform(-1, 1, (3, 5, 3)).astype(np.float32)),
        'boundary': ProbabilityMap(rng.uniform(0, 1, (3, 5)).astype(np.float32)),
        'saliency': ProbabilityMap(rng.uniform(0, 1, (3, 5)).astype(np.float32)),
    }
    return Scene(frame, results, output_intrinsics=camera)


@pytest.mark.parametrize('topic', [o.topic for o in OUTPUTS if o.kind in WRITERS])
@pytest.mark.parametrize(
    ('dtype', 'depth', 'probability'),
    [(np.uint8, '32FC1', 'mono8'), (np.uint16, '16UC1', '32FC1')],
)
def test_every_output(topic: str, dtype: type, depth: str, probability: str) -> None:
    [output] = [o for o in OUTPUTS if o.topic == topic]
    params = OutputParams(depth_encoding=depth, probability_encoding=probability)
    found = OutputContext(scene(dtype), HEADER, params, message_types.new)
    plain = output.make(found)
    fields = fields_of(output.kind, found, output.make)
    assert not differs(serialize_message(plain), output.kind, fields)
    direct = output.make(OutputContext(found.scene, HEADER, params, cdr_writer.new))
    assert direct == WRITERS[output.kind](fields, 0)
    assert deserialize_message(direct, type(plain)) == plain


def test_a_small_image_by_hand() -> None:
    header = messages.header(message_types.new, 1_000_000_002, 'a')
    pixels = np.array([[5], [6]], np.uint8)
    made = messages.image_message(cdr_writer.new, pixels, 'mono8', header)
    body = '01000000 02000000 02000000 6100 0000 02000000 01000000 06000000 6d6f6e6f3800 00'
    assert made == bytes.fromhex('00010000' + body + '00 01000000 02000000 0506')


@given(
    frame_id=st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs'])),
    encoding=st.text(st.characters(codec='ascii', exclude_characters='\0'), max_size=9),
    stamp_ns=st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    code=st.sampled_from(CODES),
)
def test_any_image(
    frame_id: str, encoding: str, stamp_ns: int, shape: tuple[int, int], code: str
) -> None:
    header = messages.header(message_types.new, stamp_ns, frame_id)
    pixels = np.arange(shape[0] * shape[1], dtype=code).reshape(shape)
    fields = {'header': header, 'height': shape[0], 'width': shape[1], 'encoding': encoding,
              'is_bigendian': 0, 'step': pixels.nbytes // shape[0],
              'data': Octets(pixels)}  # fmt: skip
    assert not differs(serialize_message(message_types.new(IMAGE, **fields)), IMAGE, fields)
    assert not differs(cdr_writer.image(fields, 7), IMAGE, fields)


@given(
    names=st.lists(st.text(st.characters(codec='ascii', exclude_characters='\0'), max_size=9)),
    width=st.integers(0, 4),
    step=st.integers(1, 21),
    is_dense=st.booleans(),
)
def test_any_point_cloud(names: list[str], width: int, step: int, is_dense: bool) -> None:
    kind = 'sensor_msgs/msg/PointField'
    rows = [
        message_types.new(kind, name=n, offset=k, datatype=7, count=k) for k, n in enumerate(names)
    ]
    data = np.arange(width * step, dtype=np.uint8)
    fields = {'header': HEADER, 'height': 1, 'width': width, 'fields': rows, 'is_bigendian': False,
              'point_step': step, 'row_step': width * step, 'data': Octets(data),
              'is_dense': is_dense}  # fmt: skip
    plain = serialize_message(message_types.new(POINT_CLOUD, **fields))
    assert not differs(plain, POINT_CLOUD, fields)


def test_where_the_middleware_differs_the_plain_way_remains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cdr_writer.is_usual.cache_clear()
    assert cdr_writer.is_usual()
    for wrong in (lambda b: b + b'\0', lambda b: b[:4] + bytes([b[4] ^ 1]) + b[5:]):
        cdr_writer.is_usual.cache_clear()
        monkeypatch.setattr(
            cdr_writer, 'serialize_message', lambda m, w=wrong: w(serialize_message(m))
        )
        assert not cdr_writer.is_usual()
    cdr_writer.is_usual.cache_clear()


@pytest.fixture
def node() -> Iterator[Node]:
    made = rclpy.create_node('writer')
    yield made
    made.destroy_node()


def test_subscribers_get_what_they_got_before(node: Node) -> None:
    """In this process: bytes and objects are received alike, by those who want either."""
    raw: list[bytes] = []
    objects: list[Image] = []
    node.create_subscription(Image, '~/image', raw.append, 5, raw=True)
    node.create_subscription(Image, '~/image', objects.append, 5)
    publisher = node.create_publisher(Image, '~/image', 5)
    pixels = np.arange(6, dtype=np.float32).reshape(2, 3)
    plain = messages.image_message(message_types.new, pixels, '32FC1', HEADER)
    direct = messages.image_message(cdr_writer.new, pixels, '32FC1', HEADER)
    for message in (plain, direct):
        publisher.publish(message)
    until_s = time.monotonic() + 20
    while (len(raw), len(objects)) != (2, 2) and time.monotonic() < until_s:
        rclpy.spin_once(node, timeout_sec=0.1)
    assert objects == [plain, plain]
    assert len(raw[0]) == len(raw[1]) == len(direct)
    assert [deserialize_message(content, Image) for content in raw] == [plain, plain]


def test_the_node_publishes_the_same_either_way(
    inside_of: Callable[..., Inside],
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One image with serialized messages, and again with objects: labels, depth, points, scene."""
    topics = ('semantic/image', 'depth/image', 'points', 'scene')
    inside, fleet = inside_of(cameras=['front']), fleet_of(('front',), topics=topics)
    inside.connect(fleet, {'front': info_of('', 64, 32, 64.0)})
    calls: list[str] = []
    monkeypatch.setitem(WRITERS, IMAGE, lambda f, p: calls.append(IMAGE) or cdr_writer.image(f, p))
    for is_usual, serialized in ((True, 2), (False, 0)):
        monkeypatch.setattr(cdr_writer, 'is_usual', lambda value=is_usual: value)
        calls.clear()
        before = {topic: len(fleet.got['front', topic]) for topic in topics}
        inside.show(fleet, 'front', frame.rgb, 10**9)
        fleet.wait(lambda b=before: all(len(fleet.got['front', t]) > b[t] for t in topics))
        assert len(calls) == serialized
    for topic in topics:
        direct, plain = fleet.got['front', topic][-2:]
        assert direct == plain or topic == 'scene'  # where NaN differs from itself
        assert bytes(getattr(direct, 'data', b'')) == bytes(getattr(plain, 'data', b''))
