"""Panels, legend and the video that they become."""

from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np

from mtscene_ros.report.overlay_video import OverlayVideo
from mtscene_ros.report.scene_panels import PanelStyle, at_nearest, legend, scene_picture
from mtscene_ros.report.scene_tables import class_shares, write_depth
from mtscene_ros.types import CameraFrame, DepthMap, LabelMap, Scene, SemanticClass

CLASSES = SemanticClass(0, 'road', (200, 0, 0)), SemanticClass(1, 'sky', (0, 0, 100))


def scene(height_px: int = 32, width_px: int = 60) -> Scene:
    """Black; the upper half is sky, the lower one road at 60 m."""
    rgb = np.zeros((height_px, width_px, 3), np.uint8)
    ids = np.zeros((height_px // 2, width_px // 2), np.uint8)
    ids[: height_px // 4] = 1
    labels = LabelMap(ids, np.full_like(ids, 255), CLASSES)
    depth = DepthMap(np.full((height_px, width_px), 60, np.float32))
    return Scene(CameraFrame(rgb, None, 0, ''), {'semantic': labels, 'depth': depth})


def test_panels_stand_beside_each_other_above_the_legend() -> None:
    made = scene_picture(scene(), PanelStyle(('semantic', 'depth')))
    rows = legend(CLASSES, 120).shape[0]
    assert made.shape == (32 + rows, 120, 3)
    assert made[4, 30].tolist() == [0, 0, 50]  # half of the colour over black
    assert made[28, 30].tolist() == [100, 0, 0]
    assert made[28, 110].tolist() == [48, 18, 59]  # the end of the turbo colours


def test_wide_images_stand_below_each_other() -> None:
    made = scene_picture(scene(20, 60), PanelStyle(('depth', 'semantic')))
    assert made.shape[:2] == (40 + legend(CLASSES, 60).shape[0], 60)


def test_large_images_shrink_and_odd_sizes_become_even() -> None:
    made = scene_picture(scene(64, 120), PanelStyle(('depth',), longest_px=61))
    assert made.shape[:2] == (34, 62)  # 61x33, padded


def test_a_result_that_is_missing_is_a_grey_panel() -> None:
    made = scene_picture(scene(), PanelStyle(('normals',)))
    assert made[30, 50].tolist() == [128, 128, 128]


def test_nearest_takes_the_middle() -> None:
    row = np.array([[10, 11, 12, 13]], np.uint8)
    assert at_nearest(row, 2, 1).tolist() == [[11, 13]]
    assert at_nearest(row[:, :2], 4, 1).tolist() == [[10, 10, 11, 11]]


def test_the_share_of_classes() -> None:
    labels = scene().results['semantic']
    assert isinstance(labels, LabelMap)
    assert class_shares(labels) == {'road': 0.5, 'sky': 0.5}


def test_depth_in_millimetres(tmp_path: Path) -> None:
    depth_m = np.array([[1.5, 65.535, 65.6, np.nan, np.inf, -np.inf]], np.float32)
    assert write_depth(tmp_path / 'd.png', DepthMap(depth_m)) == 1
    found = cv2.imread(str(tmp_path / 'd.png'), cv2.IMREAD_UNCHANGED)
    assert found.tolist() == [[1500, 65535, 0, 0, 0, 0]]


def frames_of(path: Path) -> list[int]:
    """The grey values of a video's images, in steps of 40."""
    video, found = cv2.VideoCapture(str(path)), []
    while video.grab():
        found.append(round(float(video.retrieve()[1].mean()) / 40))
    return found


def grey(value: int) -> np.ndarray:
    return np.full((32, 64, 3), 40 * value, np.uint8)


def test_a_picture_stays_until_the_next_one(tmp_path: Path) -> None:
    """At 10 Hz: 1 at 0 s, 2 at 0.1 s, 3 at 0.4 s."""
    with OverlayVideo(tmp_path / 'a.mp4', 10.0) as video:
        for value, time_s in ((1, 0.0), (2, 0.1), (3, 0.4)):
            video.add(grey(value), time_s)
        assert not (tmp_path / 'a.mp4').exists()
    assert frames_of(tmp_path / 'a.mp4') == [1, 2, 2, 2, 3]
    assert video.notes() == []


def test_what_comes_faster_or_pauses_is_said(tmp_path: Path) -> None:
    """At 2 Hz: 2 and 3 share the second slot; 4 comes an hour later, of which 10 s are left."""
    with OverlayVideo(tmp_path / 'a.mp4', 2.0) as video:
        for value, time_s in ((1, 0.0), (2, 0.5), (3, 0.6), (4, 3600.5)):
            video.add(grey(value), time_s)
    assert frames_of(tmp_path / 'a.mp4') == [1] + 20 * [3] + [4]
    first, second = video.notes()
    assert 'leaves out 1 image that' in first
    assert second.startswith('1 pause of more than 10 s')


def test_a_video_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / 'a.mp4').write_text('old')
    with contextlib.suppress(KeyError), OverlayVideo(tmp_path / 'a.mp4', 2.0) as video:
        video.add(grey(1), 0.0)
        raise KeyError
    assert (tmp_path / 'a.mp4').read_text() == 'old'
    assert [path.name for path in tmp_path.iterdir()] == ['a.mp4']
