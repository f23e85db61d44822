"""Reads and writes ROS bags without ROS, with our message types in rosbags' typestore."""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Generator, Iterator
from contextlib import ExitStack, contextmanager
from heapq import merge
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
    TopicInfo,
)
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from mtscene_ros.models.array_file import first_line
from mtscene_ros.models.atomic_file import move_into_place, scratch_folder
from mtscene_ros.models.limits import LimitError
from mtscene_ros.recordings.bag_parts import (
    Parts,
    foreign,
    named,
    notes_on,
    one_type_each,
    open_parts,
    owner_of,
    rule_of,
    stored,
)
from mtscene_ros.recordings.own_types import BagError as BagError
from mtscene_ros.recordings.own_types import typestore as typestore
from mtscene_ros.recordings.type_definitions import typestore_of
from mtscene_ros.recordings.unpack import ZSTD_MAGIC, unpack_zstd

# The errors that a message of an unexpected form causes.
UNEXPECTED_FORM = (
    AttributeError, IndexError, KeyError, MemoryError, OverflowError, TypeError, ValueError,
    struct.error,
)  # fmt: skip


def latched_qos() -> Qos:
    """Returns reliable and transient local, for /tf_static and class maps."""
    forever = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL,
        forever, forever, QosLiveliness.AUTOMATIC, forever, False,
    )  # fmt: skip


class BagWriter:
    """Writes one MCAP recording: a single file where `path` ends in .mcap, a rosbag2 folder
    otherwise.

    What exists at `path` stays until the new recording is complete and is then replaced.
    compressed: chunks in zstd, which every reader of MCAP supports; begin: how the folder of an
    unfinished recording begins. Those of killed processes are removed.
    """

    def __init__(self, path: Path, *, compressed: bool = False, begin: str = '.writing-') -> None:
        self.path, self.types, self._is_compressed = path, typestore(), compressed
        self._prefix, self._stack = begin, contextlib.ExitStack()
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = self._stack.enter_context(scratch_folder(self.path.parent, self._prefix))
        self._writer = Writer(
            self._scratch / self.path.stem, version=9, storage_plugin=StoragePlugin.MCAP
        )
        if self._is_compressed:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self._close()
                self._move_into_place()
            else:
                with contextlib.suppress(BagError):
                    self._close()

    def _close(self) -> None:
        """Completes the file. Raises BagError where the disk has no room for the rest."""
        storage: Any = self._writer.storage
        try:
            self._writer.close()
        except OSError as error:
            with contextlib.suppress(OSError):
                storage.bio.close()  # rosbags leaves it open when it fails
            raise BagError(
                f'Recording {str(self.path)!r} cannot be completed ({error}); the earlier '
                'one stays. Free some space on its disk.'
            ) from error

    def write(
        self, topic: str, kind: str, stamp_ns: int, message: Any, *, latched: bool = False
    ) -> None:
        """Writes a message of rosbags' class for `kind`, such as 'sensor_msgs/msg/Image'."""
        cdr = self.types.serialize_cdr(message, kind)
        self.write_raw(topic, kind, stamp_ns, cdr, latched=latched)

    def write_raw(
        self,
        topic: str,
        kind: str,
        stamp_ns: int,
        cdr: bytes | memoryview,
        *,
        latched: bool = False,
    ) -> None:
        """Writes a serialized message. Raises BagError where the disk is full."""
        if topic not in self._connections:
            profiles = [latched_qos()] if latched else []
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self.types, offered_qos_profiles=profiles
            )
        try:
            self._writer.write(self._connections[topic], stamp_ns, cdr)
        except OSError as error:
            raise BagError(
                f'Recording {str(self.path)!r} cannot be continued ({error}).'
            ) from error

    def _move_into_place(self) -> None:
        folder = self._scratch / self.path.stem
        if self.path.suffix != '.mcap':
            if self.path.exists():
                os.replace(self.path, self._scratch / 'old')
            move_into_place(folder, self.path)
            return
        [file] = folder.glob('*.mcap')
        move_into_place(file, self.path)


class CheckedReader(AnyReader):
    """Reads a recording and raises BagErrors; rosbags passes on the errors of several libraries.

    name: of the file or folder; left_out: topic → why none of its messages can be read; notes: one
    sentence each on what of the recording is not read; damaged: topic → messages that `decoded`
    has left out; all_connections: also those whose messages can be passed on, but not read here.
    """

    def __init__(self, path: Path, parts: Parts) -> None:
        self.paths, self.readers, self.stack = [path], parts.readers, None
        self.name = path.name
        self.is2 = not isinstance(parts.readers[0], Ros1Reader)
        self.all_connections = every = [
            named(c) for reader in self.readers for c in reader.connections
        ]
        self.typestore, unusable = typestore_of(every, typestore())
        self.left_out = {t: f'{how} messages' for r in self.readers for t, how in foreign(r)}
        self.left_out |= {c.topic: unusable[rule_of(c)] for c in every if rule_of(c) in unusable}
        self.connections = one_type_each(
            [c for c in every if rule_of(c) not in unusable], self.left_out
        )
        for c in self.connections:
            self.left_out.pop(c.topic, None)
        self.damaged: Counter[str] = Counter()
        self.notes = tuple(notes_on(path, parts, self.left_out))

    def close(self) -> None:
        """Does nothing: open_bag closes the files."""

    def _check_open(self) -> None:
        """Does nothing: there is no reader of files that are not open."""

    @property
    def message_count(self) -> int:
        """Returns the number of messages of all topics that can be read."""
        return sum(c.msgcount for c in self.connections)

    @property
    def topics(self) -> dict[str, TopicInfo]:
        """Returns topic → type, definition, number of messages, connections."""
        found: dict[str, list[Connection]] = defaultdict(list)
        for connection in self.connections:
            found[connection.topic].append(connection)
        return {
            topic: TopicInfo(of[0].msgtype, of[0].msgdef, sum(c.msgcount for c in of), of)
            for topic, of in sorted(found.items())
        }

    def messages(
        self,
        connections: Collection[Connection] | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> Generator[tuple[Connection, int, bytes], None, None]:
        """See AnyReader.messages, but no connections are none, not all. Raises BagError."""
        chosen = self.connections if connections is None else connections
        wanted = {(id(c.owner), c.id): c for c in chosen}
        readers = [r for r in self.readers if any(id(owner_of(r)) == owner for owner, _ in wanted)]
        streams = [r.messages(stored(r, wanted), start, stop) for r in readers]
        found = merge(*streams, key=lambda item: item[1])
        while True:
            try:
                item = next(found, None)
            except LimitError as error:
                raise BagError(str(error)) from error
            except Exception as error:
                raise BagError(f'The recording is damaged ({first_line(error)}).') from error
            if item is None:
                return
            connection, at_ns, raw = item
            if raw[:4] == ZSTD_MAGIC:  # compressed by message
                raw = unpack_zstd(raw)
            yield wanted[id(connection.owner), connection.id], at_ns, raw

    def decoded(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, Any]]:
        """Yields connection, time and message of all messages that can be decoded; none for no
        connections."""
        for connection, at_ns, raw in self.messages(connections) if connections else ():
            message = self.message(connection, raw)
            if message is not None:
                yield connection, at_ns, message

    def message(self, connection: Connection, raw: bytes) -> Any:
        """Returns a message, None for a damaged one, which is counted."""
        try:
            return self.deserialize(raw, connection.msgtype)
        except BagError:
            self.damaged[connection.topic] += 1
            return None

    @property
    def damage(self) -> list[str]:
        """Returns a sentence on the damaged messages so far, none where there are none."""
        listed = ', '.join(f'{count} of {topic}' for topic, count in self.damaged.items())
        return [f'Damaged messages of {self.name} are left out: {listed}.'] if listed else []

    def deserialize(self, rawdata: bytes, typ: str) -> Any:
        """See AnyReader.deserialize. Raises BagError."""
        try:
            return super().deserialize(rawdata, typ)
        except Exception as error:
            raise BagError(
                f'A {typ} in the recording is damaged ({first_line(error)}).'
            ) from error


@contextmanager
def open_bag(path: Path) -> Iterator[CheckedReader]:
    """Opens a ROS 1 or ROS 2 recording, a file or a folder, or what can be read of it.

    Raises BagError, also while the recording is read.
    """
    if not path.exists():
        raise BagError(f'Recording {str(path)!r} does not exist; check the path.')
    with ExitStack() as stack:

        def scratch() -> Path:
            made = tempfile.TemporaryDirectory(prefix='mtscene-', ignore_cleanup_errors=True)
            return Path(stack.enter_context(made))

        try:
            reader = CheckedReader(path, open_parts(path, stack, scratch))
        except Exception as error:  # rosbags passes on the errors of several libraries
            why = first_line(error).rstrip('.') or type(error).__name__
            raise BagError(
                f'Recording {str(path)!r} cannot be read ({why}); is it a ROS bag?'
            ) from error
        try:
            yield reader
        except Exception as error:
            # A recording carries the definitions of its types, so fields may be missing or of
            # other types. Errors that have a sentence already are subclasses and pass.
            if type(error) not in UNEXPECTED_FORM:
                raise
            raise BagError(
                f'Recording {str(path)!r} holds messages of an unexpected form '
                f'({type(error).__name__}: {first_line(error)}); check that they match their '
                'types.'
            ) from error
