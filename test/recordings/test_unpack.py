"""What a recording decompresses to is limited before memory is taken."""

from __future__ import annotations

import bz2
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import pytest
from backports import zstd
from rosbags.rosbag1 import Writer as Ros1Writer

from mtscene_ros.models.limits import LimitError
from mtscene_ros.recordings.bags import BagError, open_bag, typestore
from mtscene_ros.recordings.salvage_ros1 import rescue_ros1
from mtscene_ros.recordings.unpack import UNPACKERS, unpack_file

PACKERS = {'zstd': zstd.compress, 'lz4': lz4.frame.compress, 'bz2': bz2.compress}
MB = 1_000_000


@pytest.fixture
def one_mb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MTSCENE_MAX_CHUNK_MB', '1')
    monkeypatch.setenv('MTSCENE_MAX_FILE_MB', '1')


@pytest.mark.usefixtures('one_mb')
@pytest.mark.parametrize('kind', PACKERS)
def test_a_chunk_up_to_the_limit(kind: str) -> None:
    """Of one frame and of several, whole and cut off."""
    pack, unpack = PACKERS[kind], UNPACKERS[kind]
    assert len(unpack(pack(bytes(MB)))) == MB
    assert len(unpack(pack(bytes(MB - 1)) + pack(b'x'))) == MB
    for packed in (pack(bytes(MB + 1)), pack(bytes(MB)) + pack(b'x'), pack(bytes(50 * MB))):
        with pytest.raises(LimitError, match='the 1 MB that MTSCENE_MAX_CHUNK_MB allows'):
            unpack(packed)


def test_many_empty_frames_are_refused() -> None:
    with pytest.raises(ValueError, match='more than 1000 frames'):
        UNPACKERS['zstd'](zstd.compress(b'') * 1001)


@pytest.mark.usefixtures('one_mb')
def test_a_compressed_file_up_to_the_limit(tmp_path: Path) -> None:
    packed, into = tmp_path / 'a.zstd', tmp_path / 'a'
    packed.write_bytes(zstd.compress(bytes(MB)))
    unpack_file(packed, into)
    assert into.read_bytes() == bytes(MB)
    packed.write_bytes(zstd.compress(bytes(MB + 1)))
    with pytest.raises(LimitError, match=r'a\.zstd takes more than the 1 MB that MTSCENE_MAX_FI'):
        unpack_file(packed, into)


def text(value: str) -> bytes:
    return struct.pack('<I', len(value)) + value.encode()


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + struct.pack('<Q', len(body)) + body


def mcap_of_one_chunk(size: int) -> bytes:
    """One image in a chunk of so many bytes, without an index."""
    rule, _ = typestore().generate_msgdef('sensor_msgs/msg/Image')
    schema = struct.pack('<H', 1) + text('sensor_msgs/msg/Image') + text('ros2msg') + text(rule)
    channel = struct.pack('<HH', 1, 1) + text('/camera/image_raw') + text('cdr') + bytes(4)
    message = record(5, struct.pack('<HIQQ', 1, 0, 9, 9) + bytes(size))
    packed = zstd.compress(message)
    chunk = struct.pack('<QQQI', 9, 9, len(message), 0) + text('zstd')
    chunk += struct.pack('<Q', len(packed)) + packed
    body = record(1, text('ros2') + text('x')) + record(3, schema) + record(4, channel)
    return b'\x89MCAP0\r\n' + body + record(6, chunk) + record(15, bytes(4))


@pytest.mark.usefixtures('one_mb')
def test_an_mcap_with_a_chunk_beyond_the_limit(tmp_path: Path) -> None:
    path = tmp_path / 'a.mcap'
    path.write_bytes(mcap_of_one_chunk(2 * MB))
    with pytest.raises(BagError, match='MTSCENE_MAX_CHUNK_MB allows'), open_bag(path) as bag:
        list(bag.messages())


def ros1_bag(path: Path, compression: Any = None) -> Path:
    store, kind = typestore(), 'std_msgs/msg/UInt8MultiArray'
    writer = Ros1Writer(path)
    if compression is not None:
        writer.set_compression(compression)
    with writer:
        to = writer.add_connection('/a', kind, typestore=store)
        layout = store.types['std_msgs/msg/MultiArrayLayout']([], 0)
        message = store.types[kind](layout, np.zeros(2 * MB, np.uint8))
        writer.write(to, 5, store.serialize_ros1(message, kind))
    return path


@pytest.mark.usefixtures('one_mb')
@pytest.mark.parametrize('how', ['BZ2', 'LZ4'])
def test_a_ros1_bag_with_a_chunk_beyond_the_limit(tmp_path: Path, how: str) -> None:
    path = ros1_bag(tmp_path / 'a.bag', Ros1Writer.CompressionFormat[how])
    with pytest.raises(BagError, match='MTSCENE_MAX_CHUNK_MB allows'), open_bag(path) as bag:
        list(bag.messages())
    path.write_bytes(path.read_bytes()[:-20])  # without its index: salvaged
    with pytest.raises(LimitError, match='MTSCENE_MAX_CHUNK_MB allows'):
        rescue_ros1(path, tmp_path / 'b.bag')


def test_limits_are_positive_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ('0', '-1', 'nan', 'inf', 'x'):
        monkeypatch.setenv('MTSCENE_MAX_CHUNK_MB', value)
        with pytest.raises(LimitError, match=f"is '{value}'; it must be a positive number"):
            UNPACKERS['zstd'](zstd.compress(b'x'))


def odd_headers() -> dict[str, Callable[[bytes], bytes]]:
    return {
        'a topic that is no text': lambda bag: bag.replace(b'topic=/a', b'topic=\xe6a'),
        'a connection without a topic': lambda bag: bag.replace(b'topic=/a', b'topix=/a'),
        'a message without a time': lambda bag: bag.replace(b'time=', b'tine='),
        'a type that is no text': lambda bag: bag.replace(b'type=std_msgs', b'type=\xe6td_msgs'),
        'a chunk without compression': lambda bag: bag.replace(b'compression=', b'compressiox='),
        'compression that is no text': lambda bag: bag.replace(b'=none', b'=\xe6one'),
    }


@pytest.mark.parametrize('name', odd_headers())
def test_damaged_records_of_a_ros1_bag_are_left_out(tmp_path: Path, name: str) -> None:
    whole = ros1_bag(tmp_path / 'a.bag').read_bytes()
    changed = odd_headers()[name](whole)
    assert changed != whole
    (tmp_path / 'a.bag').write_bytes(changed)
    assert not rescue_ros1(tmp_path / 'a.bag', tmp_path / 'b.bag')
