"""Writes what a node published for a recording as one MP4, drawn as `mtscene predict` does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtscene_ros.recordings.answered_images import AnsweredRecording, answered_recording
from mtscene_ros.recordings.bags import BagError
from mtscene_ros.report.overlay_video import OverlayVideo
from mtscene_ros.report.recording_page import depth_range_m
from mtscene_ros.report.scene_panels import PanelStyle, scene_picture
from mtscene_ros.terminal import Bar, plural


@dataclass(frozen=True, slots=True)
class VideoSummary:
    """images: of the camera; shown: those in the video; notes: sentences about the others."""

    output: str
    images: int
    shown: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns a dict that is ready for JSON."""
        names = ('output', 'images', 'shown', 'notes')
        return {name: getattr(self, name) for name in names}


def write_video(
    results: Path,
    images: Path,
    video: Path,
    *,
    node: str = '',
    image: str = '',
    longest_px: int = 960,
) -> VideoSummary:
    """Writes a video of all images with results.

    results, images: recordings, which may be the same; node, image: whose results and which
    images, '' to find them; longest_px: longer side of a panel. Raises BagError and VideoError.
    """
    recording = answered_recording(results, images, node, image)
    notes = list(recording.notes)
    shown, style = 0, None
    with OverlayVideo(video, recording.rate_hz) as made, Bar('image', recording.total) as bar:
        for time_s, scene in recording.scenes(notes.append):
            bar.step()
            if scene is None:
                continue
            if style is None:
                style = PanelStyle(tuple(recording.topics), longest_px, depth_range_m([scene]))
            made.add(scene_picture(scene, style), time_s)
            shown += 1
        if not shown:
            raise BagError(nothing_to_show(recording))
    notes += [*remarks(recording), *recording.damage, *made.notes()]
    return VideoSummary(str(video), recording.total, shown, tuple(dict.fromkeys(notes)))


def nothing_to_show(recording: AnsweredRecording) -> str:
    return (
        f'None of the {plural(recording.total, "image")} of {recording.image_topic} in '
        f'{recording.images.name} has a result of {recording.node} in {recording.results.name}; '
        'name the recording that the results are of, or another --image or --node.'
    )


def remarks(recording: AnsweredRecording) -> list[str]:
    """Returns a sentence for each kind of image that is not in the video as it was recorded."""
    found = []
    if recording.unanswered:
        found.append(
            f'{recording.unanswered} of {plural(recording.total, "image")} have no result and are '
            'left out; the picture before stays in their place.'
        )
    if recording.unreadable:
        found.append(
            f'{plural(recording.unreadable, "image")} of {recording.image_topic} could not be '
            'decoded.'
        )
    if recording.elsewhere:
        found.append(
            f'The boxes of {plural(recording.elsewhere, "image")} are in another frame than the '
            "camera's (target_frame) and are not drawn."
        )
    return found


def say(summary: VideoSummary) -> None:
    """Prints notes to stderr, then the path and how many images it shows."""
    for note in summary.notes:
        print(note, file=sys.stderr)
    print(f'{summary.output}: {summary.shown} of {plural(summary.images, "image")}')
