"""The files of a recording, opened one by one: what is damaged is salvaged, the rest is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag1.reader import decompressors
from rosbags.rosbag2 import Reader as Ros2Reader

from mtscene_ros.models.array_file import first_line
from mtscene_ros.recordings.mcap_file import McapFile
from mtscene_ros.recordings.salvage import rescued
from mtscene_ros.recordings.type_definitions import Rule, full_name
from mtscene_ros.recordings.unpack import unpack_bz2, unpack_file, unpack_lz4
from mtscene_ros.terminal import plural

# Reader = McapFile, or rosbags' reader of a database or of a ROS 1 bag.
READERS: dict[str, Callable[[Path], Any]] = {
    '.mcap': McapFile,
    '.db3': Ros2Reader,
    '.bag': Ros1Reader,
}
decompressors.update(bz2=unpack_bz2, lz4=unpack_lz4)  # rosbags' own have no limit
PACKED = ('.zstd', '.zst')


class PartError(ValueError):
    """No file can be read; the message says why, without a full stop."""


@dataclass(slots=True)
class Parts:
    """The opened files; is_damaged: whether something of them is missing; unread: file → why."""

    readers: list[Any] = field(default_factory=list)
    is_damaged: bool = False
    unread: dict[str, str] = field(default_factory=dict)


def open_parts(path: Path, stack: ExitStack, scratch: Callable[[], Path]) -> Parts:
    """Opens the files of a recording.

    path: a file or a folder; stack: closes them; scratch: returns a folder for copies of what is
    compressed or damaged. Raises PartError where none can be read, OSError.
    """
    files, missing = files_of(path)
    found = Parts(is_damaged=bool(missing), unread=dict.fromkeys(missing, 'it is missing'))
    for file in files:
        try:
            whole = unpacked_file(file, scratch)
            found.readers.append(opened(whole, stack))
            found.is_damaged |= getattr(found.readers[-1], 'is_cut', False)
        except Exception as error:  # of several libraries
            found.is_damaged = True
            copy = rescued(whole, scratch()) if READERS.get(whole.suffix) else None
            if copy is None:
                found.unread[file.name] = first_line(error).rstrip('.')
            else:
                found.readers.append(opened(copy, stack))
    # A folder that lost its list of files is one whose recorder died.
    found.is_damaged |= path.is_dir() and not (path / 'metadata.yaml').exists()
    if not found.readers:
        why = next(iter(found.unread.values()), 'there are no files of a recording in it')
        raise PartError(why)
    return found


def opened(file: Path, stack: ExitStack) -> Any:
    """Opens one file."""
    if file.suffix not in READERS:
        raise PartError(f'files of type {file.suffix or file.name!r} are not known here')
    reader = READERS[file.suffix](file)
    reader.open()
    stack.callback(reader.close)
    return reader


def unpacked_file(file: Path, scratch: Callable[[], Path]) -> Path:
    """Returns the file, or a decompressed copy of one that ends in .zstd."""
    if file.suffix not in PACKED:
        return file
    copy = scratch() / file.stem
    unpack_file(file, copy)
    return copy


def files_of(path: Path) -> tuple[list[Path], list[str]]:
    """Returns the files of a recording, and the names of those that its metadata.yaml lists but
    that are not there."""
    if not path.is_dir():
        return [path], []
    names = listed_files(path / 'metadata.yaml')
    there = [path / name for name in names if (path / name).is_file()]
    if there:
        return there, [name for name in names if not (path / name).is_file()]
    found = [f for f in sorted(path.iterdir()) if f.is_file() and kind_of_file(f) in READERS]
    return found, []


def kind_of_file(file: Path) -> str:
    """Returns '.mcap' for x.mcap and x.mcap.zstd."""
    return PurePath(file.stem).suffix if file.suffix in PACKED else file.suffix


def listed_files(metadata: Path) -> list[str]:
    """Returns the names of files in metadata.yaml, none where that cannot be read."""
    from ruamel.yaml import YAML  # comes with rosbags
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ='safe').load(metadata.read_text(errors='replace'))
        paths = content['rosbag2_bagfile_information']['relative_file_paths']
        return [PurePath(str(path)).name for path in paths]
    except (OSError, YAMLError, LookupError, RecursionError, TypeError, ValueError):
        return []


def named(connection: Connection) -> Connection:
    """Returns the connection with the full name of its type."""
    return connection._replace(msgtype=full_name(connection.msgtype))


def rule_of(connection: Connection) -> Rule:
    """Returns type and definition."""
    return connection.msgtype, connection.msgdef


def owner_of(reader: Any) -> Any:
    """Returns what rosbags calls the owner of a reader's connections."""
    return getattr(reader, 'storage', reader)


def stored(reader: Any, named: Mapping[tuple[int, int], Connection]) -> list[Connection]:
    """Returns a reader's own connections for those that are wanted."""
    owner = id(owner_of(reader))
    return [c for c in reader.connections if (owner, c.id) in named]


def foreign(reader: Any) -> Iterable[tuple[str, str]]:
    """Yields topic and encoding of channels that are not in CDR."""
    return getattr(reader, 'foreign', {}).items()


def one_type_each(connections: list[Connection], left_out: dict[str, str]) -> list[Connection]:
    """Returns the connections without those of another type than most messages of their topic."""
    counts: Counter[tuple[str, str]] = Counter()
    for c in connections:
        counts[c.topic, c.msgtype] += max(1, c.msgcount)
    best = {topic: kind for (topic, kind), _ in reversed(counts.most_common())}
    left_out |= {
        f'{c.topic} of type {c.msgtype}': 'most of its messages are of another type'
        for c in connections
        if c.msgtype != best[c.topic]
    }
    return [c for c in connections if c.msgtype == best[c.topic]]


def notes_on(path: Path, parts: Parts, left_out: Mapping[str, str]) -> Iterator[str]:
    """Yields a sentence on what is damaged, on files and on topics that are not read."""
    if parts.is_damaged:
        yield f'{path.name} is damaged or was cut off; the part that can be read is used.'
    for name, why in parts.unread.items():
        yield f'The file {name} of {path.name} is not read: {why}.'
    if left_out:
        listed = '; '.join(f'{topic} ({why})' for topic, why in sorted(left_out.items()))
        verb = 'is' if len(left_out) == 1 else 'are'
        yield f'{plural(len(left_out), "topic")} of {path.name} {verb} left out: {listed}.'
