"""`mtscene predict` from the command line, with a model whose answers are known."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtscene_ros.cli.main import main
from mtscene_ros.recordings import videos
from mtscene_ros.report.live_page import LiveState
from mtscene_ros.types import CameraFrame

FOV = '53.13010235415598'  # 2 atan(1 / 2): the focal length is the width, 64 px


def video_of(path: Path) -> list[np.ndarray]:
    video, found = cv2.VideoCapture(str(path)), []
    while video.grab():
        found.append(video.retrieve()[1])
    return found


@pytest.fixture
def photo(tmp_path: Path, frame: CameraFrame) -> Path:
    """The tiny model's frame as a file: sky, a road at 20 m, one car."""
    cv2.imwrite(str(tmp_path / 'photo.png'), frame.rgb[..., ::-1])
    return tmp_path / 'photo.png'


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """2 s at 30 Hz, 64x32."""
    writer = cv2.VideoWriter(
        str(tmp_path / 'clip.mp4'), cv2.VideoWriter.fourcc(*'mp4v'), 30, (64, 32)
    )
    for k in range(60):
        writer.write(np.full((32, 64, 3), 2 * k, np.uint8))
    writer.release()
    return tmp_path / 'clip.mp4'


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / 'detections.csv').read_text().splitlines()))


def predicted(tiny_path: str, folder: Path, *words: object) -> int:
    fixed = ['--model', tiny_path, '--backend', 'onnxruntime', '--threads', '1', '--json']
    return main(['predict', *map(str, words), *fixed, '-o', str(folder / 'out')])


def test_a_picture_and_all_its_files(tiny_path: str, photo: Path, tmp_path: Path) -> None:
    saved = ['--save', 'overlay', 'csv', 'jsonl', 'labels', 'depth']
    assert predicted(tiny_path, tmp_path, photo, '--fov', FOV, *saved) == 0
    out = tmp_path / 'out'
    labels = cv2.imread(str(out / 'photo_labels.png'), cv2.IMREAD_UNCHANGED)
    depth_mm = cv2.imread(str(out / 'photo_depth.png'), cv2.IMREAD_UNCHANGED)
    assert (labels[0, 0], labels[31, 63]) == (10, 1)
    assert (depth_mm[0, 0], depth_mm[31, 0]) == (0, 20000)
    assert cv2.imread(str(out / 'photo_overlay.jpg')).shape[1] == 128  # two panels
    [row] = rows(out)
    assert (row['image'], row['class']) == ('photo', 'car')
    assert [float(row[k]) for k in ('x_m', 'y_m', 'z_m')] == [20 * 4 / 64, 20 * 12 / 64, 20]
    [record] = map(json.loads, (out / 'scenes.jsonl').read_text().splitlines())
    assert record['camera']['fx_px'] == pytest.approx(64)
    assert record['camera']['is_guessed'] is False
    assert record['classes'] == {'sidewalk': 0.5, 'sky': 0.5}


def test_a_guessed_camera_is_said(
    tiny_path: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predicted(tiny_path, tmp_path, photo) == 0
    summary = json.loads(capsys.readouterr().out)
    assert [note.split(',')[0] for note in summary['notes']] == ['The camera is not known']
    assert (summary['images'], summary['boxes']) == (1, 1)


def test_a_calibration_is_scaled_to_the_image(tiny_path: str, photo: Path, tmp_path: Path) -> None:
    """128x64 with fx 128 is the frame's camera at twice its size."""
    path = tmp_path / 'camera.yaml'
    path.write_text('{width: 128, height: 64, k: [128, 0, 63.5, 0, 128, 31.5, 0, 0, 1]}')
    assert predicted(tiny_path, tmp_path, photo, '--camera-info', path) == 0
    [row] = rows(tmp_path / 'out')
    assert float(row['x_m']) == 20 * 4 / 64


def test_a_video_becomes_a_video(
    tiny_path: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """30 Hz: every second image, 15 Hz; from 0.5 s on for 1 s are 15 images."""
    words = [clip, '--start', 0.5, '--duration', 1, '--show', 'semantic']
    assert predicted(tiny_path, tmp_path, *words) == 0
    summary = json.loads(capsys.readouterr().out)
    made = video_of(tmp_path / 'out' / 'clip_overlay.mp4')
    assert summary['images'] == len(made) == 15
    assert made[0].shape[1] == 64
    assert any('1 in 2 is predicted' in note for note in summary['notes'])
    lines = (tmp_path / 'out' / 'scenes.jsonl').read_text().splitlines()
    assert [json.loads(line)['time_s'] for line in lines[:2]] == pytest.approx([0.5, 0.566667])


def test_two_videos_of_one_name_stay_apart(tiny_path: str, clip: Path, tmp_path: Path) -> None:
    (tmp_path / 'b').mkdir()
    other = shutil.copy(clip, tmp_path / 'b')
    assert predicted(tiny_path, tmp_path, clip, other, '--every', 20, '--save', 'overlay') == 0
    found = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert found == ['clip-2_overlay.mp4', 'clip_overlay.mp4']


def test_every_image_as_a_picture(tiny_path: str, clip: Path, tmp_path: Path) -> None:
    words = [clip, '--pictures', '--every', 20, '--size', 32, '--save', 'overlay']
    assert predicted(tiny_path, tmp_path, *words, '--show', 'depth') == 0
    names = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert names == [f'clip_{k:06d}_overlay.jpg' for k in (0, 20, 40)]
    assert cv2.imread(str(tmp_path / 'out' / names[0])).shape == (16, 32, 3)


def test_a_recording_has_its_camera(
    tiny_path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drive = str(tmp_path / 'drive.mcap')
    assert main(['convert', 'worlds', '--frames', '2', '--size', '64x32', '-o', drive]) == 0
    capsys.readouterr()
    assert predicted(tiny_path, tmp_path, drive) == 0
    assert json.loads(capsys.readouterr().out)['notes'] == []
    lines = (tmp_path / 'out' / 'scenes.jsonl').read_text().splitlines()
    assert [json.loads(line)['camera']['is_guessed'] for line in lines] == [False, False]
    assert len(video_of(tmp_path / 'out' / 'drive_overlay.mp4')) == 2


def test_a_picture_that_is_broken_is_counted(
    tiny_path: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'broken.png').write_bytes(photo.read_bytes()[:50])
    assert predicted(tiny_path, tmp_path, tmp_path / 'broken.png', photo) == 1
    summary = json.loads(capsys.readouterr().out)
    assert (summary['images'], summary['failed']) == (1, 1)
    assert predicted(tiny_path, tmp_path, tmp_path / 'broken.png') == 2


def test_pictures_are_shown_while_they_are_predicted(
    tiny_path: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """What the page would get right after the first picture."""
    seen = []
    monkeypatch.setattr(LiveState, 'put', lambda self, name, jpeg: seen.append((name, jpeg)))
    words = [photo, '--fov', FOV, '--live', '--port', 0, '--save', 'csv', '--show', 'depth']
    assert predicted(tiny_path, tmp_path, *words) == 0
    assert 'Live at http://127.0.0.1:' in capsys.readouterr().err
    [(name, jpeg)] = seen
    assert name == 'overlay'
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1).shape == (32, 64, 3)


def test_ctrl_c_leaves_whole_files(
    tiny_path: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the fourth image."""
    read, count = videos.frame_of_video, iter(range(60))

    def interrupted(*arguments: Any) -> CameraFrame:
        if next(count) == 3:
            raise KeyboardInterrupt
        return read(*arguments)

    monkeypatch.setattr(videos, 'frame_of_video', interrupted)
    assert predicted(tiny_path, tmp_path, clip, '--every', 1) == 130
    assert len(video_of(tmp_path / 'out' / 'clip_overlay.mp4')) == 3
    assert len((tmp_path / 'out' / 'scenes.jsonl').read_text().splitlines()) == 3


class Camera(BaseHTTPRequestHandler):
    """A network camera: five JPEGs in one answer (multipart/x-mixed-replace)."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=cut')
        self.end_headers()
        jpeg = cv2.imencode('.jpg', np.full((32, 64, 3), 90, np.uint8))[1].tobytes()
        head = f'--cut\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n'
        for _ in range(5):
            self.wfile.write(head.encode() + jpeg + b'\r\n')

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(('127.0.0.1', 0), Camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/camera'
    server.shutdown()
    server.server_close()


def test_a_stream_ends_with_whole_files(
    tiny_path: str, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predicted(tiny_path, tmp_path, address) == 0
    summary = json.loads(capsys.readouterr().out)
    assert 1 <= summary['images'] <= 5
    assert any('has ended' in note for note in summary['notes'])
    [path] = [name for name in summary['files'] if name.endswith('.mp4')]
    assert len(video_of(Path(path))) >= 1


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['nothing.png'], 'There is no file'),
        (
            ['photo.png', '--show', 'normals'],
            'has no task normals; --show takes boxes, depth, semantic',
        ),
        (['photo.png', '--start', '3'], 'pictures have no times'),
        (['photo.png', '--fov', '180'], '--fov is 180'),
        (['photo.png', '--every', '1.5'], 'whole numbers'),
        (['clip.mp4', '--start', '9', '--every', '1'], 'no image in the chosen part'),
        (['/dev/video99'], 'There is no camera /dev/video99'),
        (['http://127.0.0.1:9/none'], 'does not answer'),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tiny_path: str, photo: Path, clip: Path, words: list[str], sentence: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(photo.parent)
    assert clip.exists()
    assert predicted(tiny_path, photo.parent, *words) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count('\n') == 1
