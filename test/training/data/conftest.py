"""Miniatures of the published data sets, generated once."""

from pathlib import Path

import pytest

pytest.importorskip('torch')

from training.data.miniature import write_miniature

SIZES_PX = {
    'nyud': (180, 120),
    'pascal_context': (92, 88),
    'cityscapes3d': (512, 256),
    'camvid': (240, 180),
}


@pytest.fixture(scope='session')
def miniatures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with one miniature per layout: three training frames, two for
    evaluation."""
    folder = tmp_path_factory.mktemp('miniatures')
    for layout, size_px in SIZES_PX.items():
        write_miniature(layout, folder / layout, {'train': 3, 'val': 2}, size_px)
    return folder
