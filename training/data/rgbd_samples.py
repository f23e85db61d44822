"""Reads folders of an RGB-D camera (`mtscene_ros.datasets.rgbd_folder`): Samples with depth only.

Neighbouring frames are alike, so a folder is one split; validate on folders of other rooms.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mtscene_ros.datasets.rgbd_folder import read_rgbd, rgbd_names
from training.data.by_name import Tables
from training.data.sample import Sample, blank


def names(folder: Path, split: str) -> list[str]:
    """Raises DataError."""
    return rgbd_names(folder)


def tables(folder: Path) -> Tables:
    return Tables()


def read(folder: Path, name: str) -> Sample:
    """Raises DataError."""
    frame = read_rgbd(folder, name)
    return replace(blank(frame.rgb, frame.intrinsics), depth_m=frame.depth_m)
