"""`mtscene report --video`: the results of a recording as an MP4, decoded again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from report.test_recording_page import Writer, write_drive

from mtscene_ros.cli.main import main
from mtscene_ros.datasets.classes import CITYSCAPES_19
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.worlds.as_moment import moment_from_world
from mtscene_ros.worlds.drive import drive_sequence

T0, STEP_NS = 10**9, 10**8
SKY = CITYSCAPES_19[10]


def decoded(path: Path) -> tuple[list[NDArray[np.uint8]], float]:
    """(H, W, 3) RGB pictures, and their rate in Hz."""
    video = cv2.VideoCapture(str(path))
    rate_hz, pictures = video.get(cv2.CAP_PROP_FPS), []
    while (found := video.read())[0]:
        pictures.append(found[1][..., ::-1])
    return pictures, rate_hz


def reported(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(['report', *map(str, words), '--json']) == 0
    return dict(json.loads(capsys.readouterr().out))


def write_sky(path: Path, answered: tuple[int, ...], boxes_frame: str = '') -> None:
    """Five grey images of 64x32 at 10 Hz; labels say that all of some is sky."""
    with Writer(path) as bag:
        classes = [bag.make('vision_msgs/VisionClass', SKY.id, SKY.name)]
        for k in range(5):
            t = T0 + k * STEP_NS
            bag.image('/camera/image_raw', 'rgb8', t, np.full((32, 64, 3), 100, np.uint8))
            bag.put('/perception/semantic/label_info', 'vision_msgs/LabelInfo', t,
                    class_map=classes, threshold=0.0)  # fmt: skip
            if k in answered:
                labels = np.full((32, 64), SKY.id, np.uint8)
                bag.image('/perception/semantic/image', 'mono8', t, labels)
            if boxes_frame:
                bag.frame_id, own = boxes_frame, bag.frame_id
                bag.put('/perception/detections_3d', 'vision_msgs/Detection3DArray', t,
                        detections=[])  # fmt: skip
                bag.frame_id = own


def test_a_recording_of_the_node_becomes_a_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Panels of 64x32 beside each other, labels and depth; frame 1 has no depth: it is grey."""
    write_drive(tmp_path / 'out.mcap', 4)
    said = reported(capsys, tmp_path / 'out.mcap', '--video', tmp_path / 'out.mp4')
    assert (said['images'], said['shown'], said['notes']) == (4, 4, [])
    pictures, rate_hz = decoded(tmp_path / 'out.mp4')
    assert (len(pictures), round(rate_hz, 3)) == (4, 10.0)
    assert pictures[0].shape[1] == 128
    corner = [picture[24:30, 100:126].mean((0, 1)) for picture in pictures]
    assert corner[1] == pytest.approx([128, 128, 128], abs=12)
    assert np.abs(corner[0] - 128).max() > 40


def test_images_without_results_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answered: 0 and 3 of 0 to 4. The picture of 0 stays for 3 steps: 3 + 1 pictures."""
    write_sky(tmp_path / 'out.mcap', (0, 3))
    said = reported(capsys, tmp_path / 'out.mcap', '--video', tmp_path / 'out.mp4')
    assert (said['images'], said['shown']) == (5, 2)
    assert said['notes'] == [
        '3 of 5 images have no result and are left out; the picture before stays in their place.'
    ]
    pictures, _ = decoded(tmp_path / 'out.mp4')
    assert len(pictures) == 4
    mixed = [(100 + color) / 2 for color in SKY.color_rgb]
    assert pictures[2][4:28, 4:60].mean((0, 1)) == pytest.approx(mixed, abs=8)


def test_boxes_of_another_frame_are_not_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sky(tmp_path / 'out.mcap', (0, 1, 2, 3, 4), 'base_link')
    said = reported(capsys, tmp_path / 'out.mcap', '--video', tmp_path / 'out.mp4')
    assert said['notes'] == [
        "The boxes of 5 images are in another frame than the camera's (target_frame) and are not "
        'drawn.'
    ]


def test_an_evaluation_becomes_a_video_of_the_recording_that_it_is_of(
    tmp_path: Path, tiny_path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    drive, report = tmp_path / 'drive.mcap', tmp_path / 'report'
    write_recording(
        drive, (moment_from_world(world) for world in drive_sequence(5, 3, 10.0, 64, 32))
    )
    assert main(['evaluate', str(drive), '--model', tiny_path, '-o', str(report)]) == 0
    capsys.readouterr()
    said = reported(capsys, report, '--video', tmp_path / 'out.mp4')
    assert (said['images'], said['shown']) == (3, 3)
    assert len(decoded(tmp_path / 'out.mp4')[0]) == 3


def test_results_of_another_drive_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_drive(tmp_path / 'out.mcap', 2)
    write_sky(tmp_path / 'other.mcap', (0,))
    words = [str(tmp_path / name) for name in ('out.mcap', 'other.mcap')]
    assert main(['report', *words, '--video', str(tmp_path / 'out.mp4')]) == 2
    said = capsys.readouterr().err
    assert 'None of the 5 images of /camera/image_raw in other.mcap has a result' in said
    assert said.count('\n') == 1
    assert not (tmp_path / 'out.mp4').exists()
