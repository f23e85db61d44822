"""Chooses the frames that the page of a report shows, and draws the worst ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from mtscene_ros.evaluate.pages.pictures import PictureStyle, camera_view, encoded, views_of
from mtscene_ros.evaluate.run.report_folder import WORST_BY, Columns
from mtscene_ros.recordings.node_results import ShownFrame
from mtscene_ros.report.html import figure

WORST = 3  # per task
APART = 10  # frames between two of the worst, because neighbours look the same
SLIDER = 40  # frames in all
WIDTH_PX = 640


@dataclass(frozen=True, slots=True)
class Chosen:
    """A frame to show.

    row: in the table of all frames; task: the task for which it is one of the worst frames, '' for
    frames of the slider.
    """

    row: int
    task: str


def choose(frames: Columns) -> list[Chosen]:
    """Chooses the worst frames of each task with truth, and frames spread over all."""
    published = np.flatnonzero(frames['status'] == 'published')
    chosen = [
        Chosen(row, task)
        for task, (path, more_is_worse, _) in WORST_BY.items()
        if path in frames
        for row in worst(frames[path], more_is_worse)
    ]
    if len(published):
        count = min(SLIDER, len(published))
        at = np.linspace(0, len(published) - 1, count).round().astype(int)
        chosen += [Chosen(int(published[i]), '') for i in at]
    return chosen


def worst(values: Any, more_is_worse: bool, count: int = WORST) -> list[int]:
    """Returns the rows of the worst values, at least APART rows apart; NaN does not count."""
    rows: list[int] = []
    order = np.argsort(-values if more_is_worse else values, kind='stable')
    for row in order[np.isfinite(values[order])].tolist():
        if len(rows) < count and all(abs(row - other) >= APART for other in rows):
            rows.append(row)
    return rows


def worst_frame(frame: ShownFrame, task: str, title: str, depth_max_m: float) -> str:
    """Draws image, prediction, truth and error of one task side by side; title is HTML."""
    look = PictureStyle(WIDTH_PX, depth_max_m)
    shown = 'semantic' if task == 'novelty' else task  # it has no picture of its own
    views = views_of(shown, frame.scene.frame, frame.scene.results, frame.truth, look)
    if views is None:
        return ''
    pictures = [(camera_view(frame.scene.frame, look), 'image'), *views.named()]
    figures = [figure(encoded(picture), escape(name)) for picture, name in pictures]
    return (
        f'<section class="frame"><header>{title}</header>'
        f'<div class="four">{"".join(figures)}</div></section>'
    )


def frame_scores(frames: Columns, row: int) -> str:
    """Returns the scores of one frame as text."""
    return ' · '.join(
        how.format(frames[path][row])
        for path, _, how in WORST_BY.values()
        if path in frames and math.isfinite(frames[path][row])
    )
