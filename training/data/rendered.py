"""Reads folders of rendered frames (training/data/worlds.py) as a data set."""

from __future__ import annotations

from pathlib import Path

from mtscene_ros.datasets.label_files import DataError
from training.data.by_name import Tables
from training.data.sample import Sample
from training.data.worlds import read_sample, sample_files, stored_tables


def names(folder: Path, split: str) -> list[str]:
    """Lists every frame, because one folder is one split. Raises DataError."""
    try:
        return [path.name for path in sample_files(folder)]
    except FileNotFoundError as error:
        raise DataError(str(error)) from None


def tables(folder: Path) -> Tables:
    """The classes of the first frame. Raises DataError."""
    return stored_tables(folder / names(folder, '')[0])


def read(folder: Path, name: str) -> Sample:
    return read_sample(folder / name)
