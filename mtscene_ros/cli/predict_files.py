"""What `mtscene predict` writes: pictures or a video for each source, and tables for all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from mtscene_ros.recordings.image_sources import ImageSource, SourceImage
from mtscene_ros.report.overlay_video import OverlayVideo
from mtscene_ros.report.scene_panels import PanelStyle, Picture
from mtscene_ros.report.scene_tables import (
    BOX_FIELDS,
    box_rows,
    scene_record,
    write_depth,
    write_labels,
    write_picture,
)
from mtscene_ros.terminal import plural
from mtscene_ros.types import DepthMap, LabelMap, Scene

CSV_NAME, JSONL_NAME = 'detections.csv', 'scenes.jsonl'


class PredictedFiles:
    """The files of one call; use it with `with`. boxes: how many there were.

    folder: of all files; save: overlay, csv, jsonl, labels, depth; style: of the panels;
    as_pictures: also of videos.
    """

    def __init__(
        self, folder: Path, save: frozenset[str], style: PanelStyle, as_pictures: bool
    ) -> None:
        self.folder, self.style, self.boxes = folder, style, 0
        self._save, self._as_pictures = save, as_pictures
        self._stack = ExitStack()
        self._source: tuple[ImageSource, float] | None = None  # with the rate of its video
        self._video: OverlayVideo | None = None
        self._video_stack = ExitStack()
        self._counts: dict[str, int] = {}  # of written files by pattern
        self._too_far = 0

    def __enter__(self) -> PredictedFiles:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._csv = self._opened(CSV_NAME) if 'csv' in self._save else None
        self._jsonl = self._opened(JSONL_NAME) if 'jsonl' in self._save else None
        if self._csv:
            csv.DictWriter(self._csv, BOX_FIELDS).writeheader()
        return self

    def __exit__(self, *error: Any) -> None:
        self._video_stack.__exit__(*error)
        self._stack.__exit__(*error)

    def _opened(self, name: str) -> TextIO:
        path = self.folder / name
        self._count(name)
        return self._stack.enter_context(path.open('w', encoding='utf-8', newline=''))

    def _count(self, pattern: str) -> None:
        self._counts[pattern] = self._counts.get(pattern, 0) + 1

    def begin(self, source: ImageSource, rate_hz: float) -> None:
        """Begins a source; rate_hz: of its video."""
        self._source = source, rate_hz

    def write(
        self, image: SourceImage, scene: Scene, picture: Picture | None, is_camera_guessed: bool
    ) -> None:
        """Writes everything about one image; picture: what the scene looks like, or None."""
        rows = box_rows(image.name, image.time_s, scene)
        self.boxes += len(rows)
        if self._csv:
            csv.DictWriter(self._csv, BOX_FIELDS).writerows(rows)
        if self._jsonl:
            record = scene_record(image.name, image.time_s, scene, is_camera_guessed)
            self._jsonl.write(json.dumps(record) + '\n')
        if 'overlay' in self._save and picture is not None:
            self._overlay(image, picture)
        self._maps(image.name, scene)

    def _overlay(self, image: SourceImage, picture: Picture) -> None:
        assert self._source is not None, 'begin a source first'
        source, rate_hz = self._source
        if self._as_pictures or not source.is_moving:
            write_picture(self.folder / f'{image.name}_overlay.jpg', picture)
            self._count('*_overlay.jpg')
            return
        if self._video is None:
            numbers = ('', *(f'-{n}' for n in range(2, len(self._counts) + 3)))
            names = (f'{source.name}{number}_overlay.mp4' for number in numbers)
            name = next(name for name in names if name not in self._counts)
            made = OverlayVideo(self.folder / name, rate_hz)
            self._video = self._video_stack.enter_context(made)
            self._count(name)
            self._first_s = image.time_s
        self._video.add(picture, image.time_s - self._first_s)

    def _maps(self, name: str, scene: Scene) -> None:
        labels, depth = scene.results.get('semantic'), scene.results.get('depth')
        if 'labels' in self._save and isinstance(labels, LabelMap):
            write_labels(self.folder / f'{name}_labels.png', labels)
            self._count('*_labels.png')
        if 'depth' in self._save and isinstance(depth, DepthMap):
            self._too_far += write_depth(self.folder / f'{name}_depth.png', depth) > 0
            self._count('*_depth.png')

    def end(self, tell: Callable[[str], None]) -> None:
        """Completes the video of a source, and says what is not in the files."""
        self._video_stack.close()
        for sentence in self._video.notes() if self._video else ():
            tell(sentence)
        self._video = None
        if self._too_far:
            tell(
                f'{plural(self._too_far, "depth picture")} had pixels beyond 65.535 m, which '
                'millimetres in 16 bits cannot hold; they are 0 there, as unknown ones.'
            )
            self._too_far = 0

    def written(self) -> list[str]:
        """Returns paths, with a pattern and a number for pictures."""
        return [
            str(self.folder / name) + (f' ({count})' if '*' in name else '')
            for name, count in self._counts.items()
        ]
