"""Small recordings of generated drives with truth, for the tiny model of conftest.py."""

from __future__ import annotations

from pathlib import Path

from mtscene_ros.recordings.write import write_recording
from mtscene_ros.worlds.as_moment import moment_from_world
from mtscene_ros.worlds.drive import drive_sequence


def write_drive(path: Path, seed: int, frames: int, width: int = 64, height: int = 32) -> Path:
    worlds = drive_sequence(seed, frames, 10.0, width, height)
    write_recording(path, map(moment_from_world, worlds))
    return path
