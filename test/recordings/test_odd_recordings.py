"""One odd topic costs that topic, not the recording; what was written before a crash is read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mtscene_ros.recordings.bag_messages import Messages
from mtscene_ros.recordings.bags import BagError, CheckedReader, open_bag, typestore
from mtscene_ros.recordings.unpack import zstd_stream

from .mcap_bytes import Mcap

TYPES = typestore()
STRING = 'std_msgs/msg/String'
RULE = TYPES.generate_msgdef(STRING)[0]
HELLO = bytes(TYPES.serialize_cdr(TYPES.types[STRING]('hello'), STRING))
SERVICE = '=' * 80 + '\nSRV: example_interfaces/srv/AddTwoInts\nint64 a\nint64 b\n---\nint64 sum\n'


def good(profile: str = 'ros2', kind: str = STRING, rule: str = RULE) -> Mcap:
    """Three messages of /good, 1 s apart."""
    made = Mcap(profile)
    channel = made.channel('/good', kind, rule)
    for second in range(3):
        made.message(channel, second * 10**9, HELLO)
    return made


def read(bag: CheckedReader, topic: str = '/good') -> list[str]:
    connections = [c for c in bag.connections if c.topic == topic]
    return [bag.deserialize(raw, c.msgtype).data for c, _, raw in bag.messages(connections)]


ODD: dict[str, tuple[Callable[[Mcap], int], str]] = {
    'json': (lambda m: m.channel('/odd', 'x', '{}', 'json', 'jsonschema'), 'json messages'),
    'protobuf': (
        lambda m: m.channel('/odd', 'x.Y', b'\n\xff\x00\x80', 'protobuf', 'protobuf'),
        'protobuf messages',
    ),
    'service event': (
        lambda m: m.channel('/odd', 'example_interfaces/srv/AddTwoInts_Event', SERVICE),
        'its definition cannot be parsed',
    ),
    'nonsense': (
        lambda m: m.channel('/odd', 'a/msg/B', '?!\n'),
        'its definition cannot be parsed',
    ),
    'no definition': (
        lambda m: m.channel('/odd', 'a/msg/B', ''),
        'its type a/msg/B is unknown here and the recording lacks it',
    ),
    'a part is missing': (
        lambda m: m.channel('/odd', 'a/msg/B', 'c/D part\n'),
        'its type c/msg/D is unknown here and the recording lacks it',
    ),
    'two definitions': (
        lambda m: m.channel('/odd', STRING, 'int32 data\n'),
        f'the recording has two definitions of {STRING}',
    ),
}


@pytest.mark.parametrize('name', ODD)
@pytest.mark.parametrize('chunked', [False, True])
def test_an_odd_channel_is_left_out_and_named(tmp_path: Path, name: str, chunked: bool) -> None:
    add, why = ODD[name]
    made = good()
    made.message(add(made), 0, b'\0\1\0\0odd')
    with open_bag(made.write(tmp_path / 'a.mcap', chunked=chunked)) as bag:
        assert read(bag) == ['hello'] * 3
        assert set(bag.topics) == {'/good'}
        assert bag.notes == (f'1 topic of a.mcap is left out: /odd ({why}).',)


@pytest.mark.parametrize('profile', ['', 'ros2', 'anything'])
def test_the_profile_does_not_matter(tmp_path: Path, profile: str) -> None:
    with open_bag(good(profile).write(tmp_path / 'a.mcap')) as bag:
        assert (read(bag), bag.notes, bag.message_count) == (['hello'] * 3, (), 3)
        assert (bag.start_time, bag.end_time) == (0, 2 * 10**9 + 1)


@pytest.mark.parametrize(
    ('kind', 'rule'), [('std_msgs/String', RULE), (STRING, ''), ('std_msgs/String', '')]
)
def test_short_names_and_empty_definitions(tmp_path: Path, kind: str, rule: str) -> None:
    with open_bag(good(kind=kind, rule=rule).write(tmp_path / 'a.mcap')) as bag:
        assert read(bag) == ['hello'] * 3
        assert bag.topics['/good'].msgtype == STRING


def test_char_is_a_type_like_others(tmp_path: Path) -> None:
    made = Mcap()
    made.message(made.channel('/c', 'a/msg/C', 'char letter\nuint8 number\n'), 0, b'\0\1\0\0A\7')
    with open_bag(made.write(tmp_path / 'a.mcap')) as bag:
        [(connection, _, raw)] = bag.messages()
        found = bag.deserialize(raw, connection.msgtype)
    assert (found.letter, found.number) == (65, 7)


def test_whole_messages_of_a_cut_chunk(tmp_path: Path) -> None:
    """The last message of three is cut."""
    with open_bag(good().write(tmp_path / 'a.mcap', chunked=True, share=0.97)) as bag:
        assert read(bag) == ['hello'] * 2
        assert bag.notes == (
            'a.mcap is damaged or was cut off; the part that can be read is used.',
        )


def test_a_folder_whose_recorder_died(tmp_path: Path) -> None:
    """No metadata.yaml, one file compressed by zstd, one that is no recording."""
    folder = tmp_path / 'run'
    folder.mkdir()
    good().write(folder / 'run_0.mcap')
    (folder / 'run_1.mcap').write_bytes(b'nothing')
    plain = good().write(tmp_path / 'run_2.mcap').read_bytes()
    zstd = pytest.importorskip('backports.zstd')
    (folder / 'run_2.mcap.zstd').write_bytes(zstd.compress(plain))
    with open_bag(folder) as bag:
        assert read(bag) == ['hello'] * 6
        assert bag.notes[0].startswith('run is damaged or was cut off')
        assert bag.notes[1] == (
            'The file run_1.mcap of run is not read: it does not begin as an MCAP file does.'
        )


def test_messages_compressed_one_by_one_without_metadata(tmp_path: Path) -> None:
    zstd = pytest.importorskip('backports.zstd')
    made = Mcap()
    made.message(made.channel('/good', STRING, RULE), 0, zstd.compress(HELLO))
    with open_bag(made.write(tmp_path / 'a.mcap')) as bag:
        assert read(bag) == ['hello']
    assert zstd_stream().decompress(zstd.compress(HELLO)) == HELLO


def test_messages_of_overlapping_channels_come_by_time(tmp_path: Path) -> None:
    made = good()
    late = made.channel('/late', STRING, RULE)
    made.message(late, 5 * 10**8, HELLO)
    with open_bag(made.write(tmp_path / 'a.mcap')) as bag:
        assert [c.topic for c, *_ in bag.messages()] == ['/good', '/late', '/good', '/good']
        ranged = bag.messages(start=5 * 10**8, stop=2 * 10**9)
        assert [at_ns for _, at_ns, _ in ranged] == [5 * 10**8, 10**9]


def test_the_reason_is_never_empty(tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    for path in (tmp_path / 'empty', tmp_path / 'a.txt'):
        path.suffix and path.write_text('x')
        with pytest.raises(BagError, match=r'cannot be read \(.{10,}\)'), open_bag(path):
            pass
    assert Messages(TYPES).new(STRING).data == ''


def test_damaged_messages_are_left_out_and_counted(tmp_path: Path) -> None:
    made = good()
    made.message(1, 9 * 10**9, HELLO[:9])
    with open_bag(made.write(tmp_path / 'a.mcap')) as bag:
        assert [message.data for _, _, message in bag.decoded(bag.connections)] == ['hello'] * 3
        assert bag.damage == ['Damaged messages of a.mcap are left out: 1 of /good.']
        assert list(bag.decoded([])) == []
