"""Folders of several data sets make up one training."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.data import DATASETS
from training.learn.loader import source_of


@pytest.mark.parametrize(
    ('given', 'data_set', 'folder'),
    [
        ('data/room', 'worlds', 'data/room'),
        ('rgbd:data/kitchen', 'rgbd', 'data/kitchen'),
        ('manifest:/a/own.yaml', 'manifest', '/a/own.yaml'),
        ('C:/frames', 'worlds', 'C:/frames'),  # no data set is called C
    ],
)
def test_a_folder_can_name_its_data_set(given: str, data_set: str, folder: str) -> None:
    assert source_of(Path(given), 'worlds') == (DATASETS[data_set], Path(folder))
