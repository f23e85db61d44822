"""`mtscene view` into files, which Rerun's own command prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from report.viewer.one_frame import write_image, write_outputs

from mtscene_ros.cli.main import main
from mtscene_ros.recordings.bags import BagWriter

pytest.importorskip('rerun', reason='rerun-sdk is not installed: nothing can be viewed')
RERUN = str(Path(sys.executable).with_name('rerun'))


def printed(tmp_path: Path, *arguments: object) -> dict[str, str]:
    """Entity → its chunks, as `rerun rrd print` shows them, of what `mtscene view` writes."""
    file = tmp_path / 'out.rrd'
    assert main(['view', *map(str, arguments), '-o', str(file)]) == 0
    command = [RERUN, 'rrd', 'print', '-vvv', str(file)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    chunks: dict[str, str] = {}
    for chunk in text.split('\nChunk(')[1:]:
        [entity] = re.findall(r'entity_path: (\S+)', chunk)[:1]
        chunks[entity] = chunks.get(entity, '') + chunk
    return chunks


def test_numbers_reach_the_viewer(one_frame: Path, tmp_path: Path) -> None:
    shown = printed(tmp_path, one_frame)
    assert '[[400.0, 0.0, 0.0, 0.0, 400.0, 0.0, 320.0, 160.0, 1.0]]' in shown['/optical/camera']
    assert '[[640.0, 320.0]]' in shown['/optical/camera']  # maps are half as large
    boxes = shown['/optical/boxes']
    for part in ('[[2.0, 1.0, 0.75]]', '[[0.0, 0.5, 10.0]]', '[[0.5, -0.5, 0.5, -0.5]]'):
        assert part in boxes
    assert '[car 7 0.75]' in boxes
    assert f'label: road, color: {0x804080FF}' in shown['/optical/camera/semantic']
    assert '[[0.0, 80.0]]' in shown['/optical/camera/depth']
    for stage, time_ms in (('infer', '30.0'), ('publish', '2.0'), ('total', '32.0')):
        assert f'[{time_ms}]' in shown[f'/optical/latency_ms/{stage}']
    assert '2023-11-14T22:13:20 ' in boxes  # the stamp


def test_an_evaluation_is_joined_with_the_recording_that_it_is_of(tmp_path: Path) -> None:
    (tmp_path / 'report').mkdir()
    with BagWriter(tmp_path / 'report' / 'predictions.mcap') as bag:
        write_outputs(bag)
    with BagWriter(tmp_path / 'drive.mcap') as bag:
        write_image(bag, '/other/image', 'other')  # nothing is said about this camera
        write_image(bag)
    shown = printed(tmp_path, tmp_path / 'report', tmp_path / 'drive.mcap')
    assert {'/optical/camera/image', '/optical/boxes'} <= shown.keys()
    assert not [entity for entity in shown if entity.startswith('/other')]


def test_every_camera_has_its_own_place(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'two.mcap') as bag:
        for camera in ('front', 'left'):
            write_image(bag, f'/{camera}/image', camera)
            write_outputs(bag, f'/perception/{camera}', camera)
    shown = printed(tmp_path, tmp_path / 'two.mcap')
    wanted = ('camera/image', 'camera/semantic', 'camera/depth', 'boxes')
    assert {f'/{c}/{w}' for c in ('front', 'left') for w in wanted} <= shown.keys()


def test_images_alone_are_shown(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'camera.mcap') as bag:
        write_image(bag)
    assert '/optical/camera/image' in printed(tmp_path, tmp_path / 'camera.mcap')


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['nowhere.mcap', '-o', 'a.rrd'], "Recording 'nowhere.mcap' does not exist"),
        (['a.mcap', '-o', 'no/folder/a.rrd'], "Folder 'no/folder' does not exist; create it."),
        (['a.mcap'], 'There is no screen'),
    ],
)
def test_refusals_are_one_sentence(
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    assert main(['view', *arguments]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count('\n') == 1


def test_a_recording_without_anything_to_show_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagWriter(tmp_path / 'a.mcap') as bag:
        write_outputs(bag, '/other_node', topics=('detections_3d',))
    assert main(['view', str(tmp_path / 'a.mcap'), '-o', str(tmp_path / 'a.rrd')]) == 2
    assert 'neither images nor topics of /perception' in capsys.readouterr().err


def test_without_rerun_one_sentence_says_what_to_install() -> None:
    code = (
        'import sys; sys.modules["rerun"] = None; from mtscene_ros.cli.main import main; '
        'sys.exit(main(["view", "a.mcap", "-o", "a.rrd"]))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'rerun is not installed; run `pip install rerun-sdk`' in done.stderr
