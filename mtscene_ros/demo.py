"""`make demo`: a drive through the node in its own process, recorded and reported."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rosbags.convert import convert

from mtscene_ros.bags import BagError, open_bag, typestore
from mtscene_ros.middleware import with_profile
from mtscene_ros.recordings import moment_from_world, write_recording
from mtscene_ros.report import write_report
from mtscene_ros.report_data import COMPRESSED, camera_info_topic, color_images
from mtscene_ros.worlds.drive import drive_sequence

SEED, RATE_HZ = 6, 10.0
RATE_WINDOW_S = 2.0


@dataclass(frozen=True, slots=True)
class Camera:
    """The camera of a recording that the node is to look at; others: those it could have been."""

    topic: str
    compressed: bool
    calibrated: bool
    duration_s: float
    others: tuple[str, ...]
    ros1: bool = False


def run_demo(bag: Path | None, out: Path, frames: int, model: str = '') -> int:
    """Writes out.mcap and report.html to the folder `out`. bag None: a drive is generated.

    model: model file, '' = the bundled one. Raises BagError and OSError.
    """
    out.mkdir(parents=True, exist_ok=True)
    if bag is None:
        bag = out / 'drive.mcap'
        generate_drive(bag, frames)
    camera = choose_camera(bag)
    say(f'Camera: {camera.topic}' + (', JPEG or PNG' if camera.compressed else ''))
    if camera.others:
        say(f'Not taken: {", ".join(camera.others)}')
    if not camera.calibrated:
        say(f'No {camera_info_topic(camera.topic)} in the recording: labels only, no depth, boxes')
    _settle_environment()
    from mtscene_ros.ros.demo_session import Session, run_session

    playable = out / 'ros2_bag' if camera.ros1 else bag
    if camera.ros1:
        say('Converting the camera of a ROS 1 bag')
        convert_ros1(bag, playable, (camera.topic, camera_info_topic(camera.topic)))
    run_session(Session(playable, camera, out / 'out.mcap', out / 'node.log', model))
    write_report(out / 'out.mcap', out / 'report.html')
    say(f'Recorded inputs and outputs: {out / "out.mcap"}\nReport: {out / "report.html"}')
    return 0


def say(text: str) -> None:
    """To the terminal at once, also where it is a pipe."""
    print(text, flush=True)


def generate_drive(path: Path, frames: int) -> None:
    """A generated drive with its truth, always the same."""
    start_s = time.monotonic()
    shown = Line()
    moments = []
    for i, world in enumerate(drive_sequence(SEED, frames, RATE_HZ), start=1):
        moments.append(moment_from_world(world))
        shown.show(f'Generating a drive: {i} of {frames} frames')
    write_recording(path, moments)
    shown.end(f'Generated a drive of {frames} frames in {time.monotonic() - start_s:.0f} s')


def choose_camera(bag: Path) -> Camera:
    """Raises BagError where the recording has no images that the node could use."""
    with open_bag(bag) as reader:
        topics = color_images(reader)
        if not topics:
            held = ', '.join(f'{t} ({i.msgtype})' for t, i in sorted(reader.topics.items()))
            raise BagError(f'{bag} holds no camera images; it has {held or "no topics"}.')
        best = topics[0]
        return Camera(
            best,
            reader.topics[best].msgtype == COMPRESSED,
            camera_info_topic(best) in reader.topics,
            reader.duration * 1e-9,
            tuple(topics[1:]),
            not reader.is2,
        )


def convert_ros1(bag: Path, converted: Path, topics: Sequence[str]) -> None:
    """Writes the given topics of a ROS 1 bag as a ROS 2 recording (a folder)."""
    shutil.rmtree(converted, ignore_errors=True)
    convert(
        srcs=[bag],
        dst=converted,
        dst_storage='mcap',
        dst_version=9,
        compress=None,
        compress_mode='file',
        default_typestore=None,
        typestore=typestore(),
        exclude_topics=[],
        include_topics=topics,
        exclude_msgtypes=[],
        include_msgtypes=[],
    )


def live_text(arrived_s: Sequence[float], total_s: Sequence[float], counts: dict[str, int]) -> str:
    """arrived_s: when each frame's statistics came, any clock; total_s: its time in the node."""
    recent = [t for t in arrived_s if t > arrived_s[-1] - RATE_WINDOW_S]
    span_s = recent[-1] - recent[0] if recent else 0.0
    rate_hz = (len(recent) - 1) / span_s if span_s > 0 else 0.0
    p50, p95, p99 = 1000 * np.percentile(total_s or [0.0], (50, 95, 99))
    return (
        f'{counts["published"]:4d} frames  {rate_hz:5.1f} Hz  latency p50 {p50:.0f}  p95 {p95:.0f}'
        f'  p99 {p99:.0f} ms  dropped {counts["dropped"]}  failed {counts["failed"]}'
    )


class Line:
    """One line that is rewritten on a terminal; elsewhere a line per second."""

    def __init__(self) -> None:
        self._tty = sys.stdout.isatty()
        self._period_s = 0.1 if self._tty else 1.0
        self._next_s = time.monotonic() + self._period_s

    def show(self, text: str) -> None:
        """Shows the text unless the last one is too fresh."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + self._period_s
        print(f'\r\033[K{text}' if self._tty else text, end='' if self._tty else '\n', flush=True)

    def end(self, text: str) -> None:
        """The last text, with its line's end."""
        print(f'\r\033[K{text}' if self._tty else text, flush=True)


def _settle_environment() -> None:
    """A domain of our own, so that no other node hears the drive; room for large images."""
    os.environ.setdefault('ROS_DOMAIN_ID', str(os.getpid() % 100 + 1))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.update(with_profile(os.environ))
