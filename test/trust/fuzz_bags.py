"""Recordings: MCAP, rosbag2's SQLite, ROS 1; through the report and the converter."""

from __future__ import annotations

import argparse
import shutil
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from mtscene_ros.camera.images import ImageError
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.recordings.bags import BagError, BagWriter, open_bag, typestore
from mtscene_ros.recordings.node_results import read_recording
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.worlds.as_moment import moment_from_world
from mtscene_ros.worlds.drive import drive_sequence
from training.data.bag_frames import bag_frames
from training.data.manifest_writer import Account

from .fuzz_target import Target, scratch, written

REFUSALS = (BagError, ImageError, DataError)
SEPARATOR = b'\n---\n'
OPTIONS = argparse.Namespace(
    image='/camera/image_raw', camera_info='', labels='/truth/semantic', depth='/truth/depth',
    boxes='/truth/detections_3d', label_info='/truth/label_info',
)  # fmt: skip
NOTHING = dict.fromkeys(vars(OPTIONS), '') | {'every': 1, 'slop_ms': None}


@lru_cache(1)
def mcap() -> bytes:
    """Two generated frames of 16x8 pixels, and what a node would say of them."""
    path = scratch('.seed.mcap')
    moments = list(map(moment_from_world, drive_sequence(4, 2, 10.0, 16, 8)))
    write_recording(path, moments)
    with open_bag(path) as bag, BagWriter(scratch('.seed2.mcap')) as writer:
        for connection, stamp_ns, raw in bag.messages():
            writer.write_raw(connection.topic, connection.msgtype, stamp_ns, raw)
            if 'truth' in connection.topic and 'info' not in connection.topic:
                name = connection.topic.replace('/truth', '/perception')
                name = name.replace('semantic', 'semantic/image').replace('depth', 'depth/image')
                writer.write_raw(name, connection.msgtype, stamp_ns, raw)
    return scratch('.seed2.mcap').read_bytes()


@lru_cache(1)
def ros1() -> bytes:
    """Two images of 4x2 pixels."""
    path = scratch('.seed.bag')
    path.unlink(missing_ok=True)
    store = get_typestore(Stores.ROS1_NOETIC)
    kind = 'sensor_msgs/msg/Image'
    with Writer1(path) as writer:
        to = writer.add_connection('/camera/image_raw', kind, typestore=store)
        for number in (5, 6):
            time = store.types['builtin_interfaces/msg/Time'](number, 6)
            header = store.types['std_msgs/msg/Header'](number, time, 'camera')
            pixels = np.arange(24, dtype=np.uint8)
            message = store.types[kind](header, 2, 4, 'rgb8', 0, 12, pixels)
            writer.write(to, number, store.serialize_ros1(message, kind))
    return path.read_bytes()


@lru_cache(1)
def sqlite() -> bytes:
    """The images of `mcap` in rosbag2's older format."""
    folder = scratch('.seed_folder')
    shutil.rmtree(folder, ignore_errors=True)
    store = typestore()
    written(mcap(), '.seed2.mcap')
    with (
        open_bag(scratch('.seed2.mcap')) as bag,
        Writer(folder, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer,
    ):
        to = {
            c.topic: writer.add_connection(c.topic, c.msgtype, typestore=store)
            for c in bag.connections
            if c.topic in ('/camera/image_raw', '/truth/depth')
        }
        for connection, stamp_ns, raw in bag.messages():
            if connection.topic in to:
                writer.write(to[connection.topic], stamp_ns, raw)
    [file] = folder.glob('*.db3')
    return (folder / 'metadata.yaml').read_bytes() + SEPARATOR + file.read_bytes()


def run_file(path: Path) -> None:
    """Everything that is done with a recording without ROS."""
    with open_bag(path) as bag:
        topics = ['', *bag.topics]
        for connection, _, raw in bag.messages():
            bag.deserialize(raw, connection.msgtype)
    with suppress(*REFUSALS):
        read_recording(path)
    there = {name: topic for name, topic in vars(OPTIONS).items() if topic in topics}
    for frame in bag_frames(path, argparse.Namespace(**{**NOTHING, **there}), Account())[1]:
        assert frame.rgb.ndim == 3


def run_mcap(data: bytes) -> None:
    run_file(written(data, '.mcap'))


def run_ros1(data: bytes) -> None:
    run_file(written(data, '.bag'))


def run_sqlite(data: bytes) -> None:
    """A folder: metadata.yaml, a line of ---, the database."""
    metadata, _, database = data.partition(SEPARATOR)
    folder = scratch('.folder')
    folder.mkdir(exist_ok=True)
    (folder / 'metadata.yaml').write_bytes(metadata)
    (folder / 'input.seed_folder.db3').write_bytes(database)
    run_file(folder)


TARGETS: dict[str, Target] = {
    'bag_mcap': Target(lambda: [mcap()], run_mcap, REFUSALS, None, 60000, 0.02),
    'bag_sqlite': Target(lambda: [sqlite()], run_sqlite, REFUSALS, None, 30000, 0.02),
    'bag_ros1': Target(lambda: [ros1()], run_ros1, REFUSALS, None, 10000, 0.04),
}
