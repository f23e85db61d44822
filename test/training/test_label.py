"""`mtscene label` and `mtscene mine` on generated scenes."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtscene_ros.datasets.manifest import load
from mtscene_ros.types import UNLABELED
from mtscene_ros.worlds.drive import drive_frame
from training.check_data import main as check_data
from training.data.to_manifest import main as convert
from training.label import main as label
from training.mine import main as mine


@pytest.fixture(scope='module')
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('photos')
    for index in range(3):
        cv2.imwrite(str(folder / f'{index}.png'), drive_frame(5, index, 256, 128).rgb[..., ::-1])
    (folder / '3.png').write_bytes(b'nothing')
    return folder


def test_a_folder_is_labelled_where_the_model_is_sure(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [str(photos / f'{k}.png') for k in range(3)]
    path = label([*pictures, '--model', 'drive_lite', '-o', str(tmp_path / 'out'), '--fov', '80'])
    told = capsys.readouterr()
    assert '3 frames labelled by drive_lite' in told.out
    assert 'Labels cover' in told.err
    manifest = load(path)
    assert [float(f['camera']['fx_px']) for f in manifest.frames] == [
        pytest.approx(152.5, abs=0.2)
    ] * 3
    frame = drive_frame(5, 0, 256, 128)
    labels = cv2.imread(str(path.parent / manifest.frames[0]['semantic']), cv2.IMREAD_UNCHANGED)
    assert labels is not None
    known = np.asarray(labels != UNLABELED)
    assert 0.5 < known.mean() < 1
    assert (labels == frame.labels)[known].mean() > 0.9  # what is sure is mostly right
    check_data(['manifest', str(path)])


def test_without_a_camera_there_are_labels_only(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(photos), '--model', 'drive_lite', '-o', str(tmp_path), '--every', '2']
    frames = load(label(arguments)).frames
    told = capsys.readouterr().err
    assert [sorted(f) for f in frames] == [['image', 'semantic', 'split']] * 2
    assert '2 frames without depth and boxes because the camera is not known' in told


def test_the_frames_of_most_doubt_come_with_labels_to_correct(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = mine([str(photos), '--model', 'drive_lite', '--count', '2', '-o', str(tmp_path / 'm')])
    told = capsys.readouterr()
    assert '2 of 3 frames chosen' in told.out
    assert '1 image could not be read.' in told.err
    rows = list(csv.DictReader((out / 'chosen.csv').read_text().splitlines()))
    assert len(list((out / 'images').iterdir())) == len(rows) == 2
    assert all(0 < float(row['disagreement']) < 1 for row in rows)
    convert(['cvat', str(out / 'cvat.xml'), str(tmp_path / 'read'), '--images', str(out)])
    assert len(load(tmp_path / 'read/manifest.yaml').frames) == 2


@pytest.mark.parametrize('program', [label, mine])
def test_a_folder_with_files_is_refused(program: object, photos: Path) -> None:
    assert callable(program)
    with pytest.raises(ValueError, match='is not empty; name a new folder by -o'):
        program([str(photos), '--model', 'drive_lite', '-o', str(photos)])


def test_what_has_no_sense_is_refused(photos: Path, tmp_path: Path) -> None:
    arguments = [str(photos), '--model', 'drive_lite', '-o', str(tmp_path / 'new')]
    for option in ('--every=0', '--min-confidence=2', '--min-score=-1'):
        with pytest.raises(ValueError, match=option.partition('=')[0]):
            label([*arguments, option])
    assert not (tmp_path / 'new').exists()
