"""cityscapesScripts on boxes of a recording: the truth as the answer, and beside it."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.evaluate.scores.mds import MdsFiles
from mtscene_ros.worlds.drive import drive_frame

NAMES = [c.name for c in DRIVE_BOXES]
if importlib.util.find_spec('cityscapesscripts') is None:
    pytest.skip('cityscapesScripts is not installed', allow_module_level=True)


def scored(folder: Path, shift_m: float) -> dict[str, float]:
    files = MdsFiles(folder)
    for frame in (drive_frame(5, index, 256, 128) for index in range(8)):
        vehicles = frame.boxes.select(frame.boxes.class_ids < 6)
        centers_m = vehicles.centers_m + np.array([0, 0, shift_m])
        files.add(replace(vehicles, centers_m=centers_m), vehicles, NAMES, frame.intrinsics)
    return files.scores()


def test_mds(tmp_path: Path) -> None:
    right, farther = scored(tmp_path / 'a', 0.0), scored(tmp_path / 'b', 3.0)
    assert right['ap_amodal car'] == pytest.approx(100, abs=0.1)
    assert right['ds_amodal car'] > farther['ds_amodal car'] + 1
    assert right['mds_amodal'] > farther['mds_amodal'] > 0
