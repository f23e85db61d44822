from __future__ import annotations

from pathlib import Path

import pytest
from report.viewer.one_frame import write_image, write_outputs

from mtscene_ros.recordings.bags import BagWriter


@pytest.fixture(scope='session')
def one_frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of an image and the results of the node."""
    path = tmp_path_factory.mktemp('viewed') / 'out.mcap'
    with BagWriter(path) as bag:
        write_image(bag)
        write_outputs(bag)
    return path
