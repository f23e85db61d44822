"""`mtscene demo`: plays a drive into the node, records its outputs and writes a report."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from rosbags.convert import convert

from mtscene_ros.cli.middleware import with_profile
from mtscene_ros.recordings.bags import typestore
from mtscene_ros.recordings.camera_choice import choose_camera
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.report.recording_page import write_report
from mtscene_ros.terminal import StatusLine, plural, say
from mtscene_ros.worlds.as_moment import moment_from_world
from mtscene_ros.worlds.drive import drive_sequence

SEED, RATE_HZ = 6, 10.0
STEPWISE_S = 60.0  # shorter recordings are played image by image
NEXT = """Next:
  mtscene run --image /camera/image_raw    # your own camera
  mtscene predict photo.jpg                # pictures, videos and webcams, without ROS
  mtscene evaluate {recording}    # scores against the ground truth in it"""


def run_demo(
    bag: Path | None,
    out: Path,
    frames: int,
    model: str = '',
    topics: tuple[str, str] = ('', ''),
    step: bool | None = None,
) -> int:
    """Writes out.mcap and report.html to the folder `out`; returns the exit code.

    bag: the recording to play, None to generate a drive; model: model file, '' for the bundled
    one; topics: of image and camera_info, '' for the most likely ones; step: wait for the answer
    to each image, None for where that does not take long. Raises BagError, OSError.
    """
    out.mkdir(parents=True, exist_ok=True)
    if bag is None:
        bag = out / 'drive.mcap'
        generate_drive(bag, frames)
    camera = choose_camera(bag, *topics)
    say(f'Camera: {camera.topic}' + (', JPEG or PNG' if camera.compressed else ''))
    for sentence in camera.notes:
        say(sentence)
    _settle_environment()
    from mtscene_ros.ros.demo_session import DemoSession, run_session

    playable = out / 'ros2_bag' if camera.ros1 else bag
    if camera.ros1:
        say('Converting the camera topics of a ROS 1 bag')
        convert_ros1(bag, playable, [t for t in (camera.topic, camera.info) if t])
    is_stepwise = camera.duration_s < STEPWISE_S if step is None else step
    files = out / 'out.mcap', out / 'node.log'
    run_session(DemoSession(playable, camera, *files, model, is_stepwise))
    for line in remarks_in(out / 'node.log'):
        say(line)
    write_report(out / 'out.mcap', out / 'report.html', node='/perception')
    say(f'Recorded inputs and outputs: {out / "out.mcap"}\nReport: {out / "report.html"}')
    say(NEXT.format(recording=out / 'out.mcap'))
    return 0


def generate_drive(path: Path, frames: int) -> None:
    """Writes a generated drive with its ground truth, always the same one."""
    start_s = time.monotonic()
    shown = StatusLine()
    moments = []
    for i, world in enumerate(drive_sequence(SEED, frames, RATE_HZ), start=1):
        moments.append(moment_from_world(world))
        shown.show(f'Generating a drive: {i} of {plural(frames, "frame")}')
    write_recording(path, moments)
    shown.end(
        f'Generated a drive of {plural(frames, "frame")} in {time.monotonic() - start_s:.0f} s'
    )


def remarks_in(log: Path) -> list[str]:
    """Returns what the node warned of while it ran, each sentence once."""
    lines = [line.partition(']: ')[2] for line in log.read_text().splitlines() if '[WARN]' in line]
    return [line for line in dict.fromkeys(lines) if line and not line.startswith('No ')]


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


def _settle_environment() -> None:
    """Sets a ROS domain of its own, so that no other node hears the drive, and the profile that
    has room for large images."""
    os.environ.setdefault('ROS_DOMAIN_ID', str(os.getpid() % 100 + 1))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.update(with_profile(os.environ))
