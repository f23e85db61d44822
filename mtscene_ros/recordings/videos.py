"""Video files, webcams and streams through OpenCV: images with their times.

OpenCV reads them with FFmpeg, turns them upright as their rotation flag says and gives the time of
each image, which need not be regular. It does not say why a video ends, so that the length that
the file states has to tell a broken end from a real one.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.images import ImageError
from mtscene_ros.camera.photograph import FRAME_ID
from mtscene_ros.terminal import plural
from mtscene_ros.types import CameraFrame

# FFmpeg's own complaints say nothing to a user, and OpenCV has no other way to quieten them.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

Tell = Callable[[str], None]
Images = Generator[tuple[float, Callable[[], CameraFrame]], None, None]

LIVE_RATE_HZ = 10.0  # of what is written: about what a CPU predicts
MAX_RATE_HZ = 60.0
PROBED = 60  # images at the beginning of a file whose times are compared
SHORT_S = 0.5  # a video that ends this much before its stated end is broken
PATIENCE_MS = 10_000  # until a stream opens, and until its next image


@dataclass(frozen=True, slots=True)
class VideoFile:
    """What a video file states; frames: None where it does not say; rate_hz: the highest one of
    its beginning; duration_s: 0 where it does not say."""

    frames: int | None
    rate_hz: float
    duration_s: float

    @property
    def mean_hz(self) -> float:
        """The mean rate, as far as it is known."""
        return (self.frames or 0) / self.duration_s if self.duration_s > 0 else self.rate_hz


def is_live(place: str) -> bool:
    """Whether a user names a webcam (0, /dev/video2) or a stream (rtsp://, http:// and so on)."""
    return place.isdecimal() or place.startswith('/dev/video') or '://' in place


def about(path: Path) -> VideoFile | None:
    """Reads what a video file states; None for a file that is no video."""
    video = opened(str(path))
    if video is None:
        return None
    count, mean_hz = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
    times_s: list[float] = []
    while len(times_s) < PROBED and video.grab():
        times_s.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    video.release()
    if not times_s:
        return None
    known = count > 0 and 0 < mean_hz < 1000
    steps_s = [b - a for a, b in pairwise(times_s) if b - a > 1e-3]
    rate_hz = 1 / min(steps_s) if steps_s else (mean_hz if known else 1.0)
    frames = max(1, round(count)) if known else None
    return VideoFile(frames, min(rate_hz, MAX_RATE_HZ), count / mean_hz if known else 0.0)


def file_images(path: Path, stated: VideoFile, tell: Tell) -> Images:
    """Yields the images of a video file; a sentence follows where it ends before it should."""
    video = opened(str(path))
    if video is None:
        raise ImageError(f'{path} cannot be read any more.')
    first_s, last_s, count = None, -1.0 / stated.rate_hz, 0
    while video.grab():
        now_s = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
        first_s = now_s if first_s is None else first_s
        time_s = now_s - first_s
        if not math.isfinite(time_s) or time_s <= last_s:  # a broken time: the usual step
            time_s = last_s + 1 / stated.rate_hz
        last_s, count = time_s, count + 1
        yield time_s, partial(frame_of_video, video, time_s)
    video.release()
    if last_s + max(SHORT_S, 3 / stated.rate_hz) < stated.duration_s:
        tell(
            f'{path.name} can be read for {last_s:.1f} of its {stated.duration_s:.1f} s only '
            f'({plural(count, "image")}): it is damaged there, or was cut off.'
        )


def frame_of_video(video: cv2.VideoCapture, time_s: float) -> CameraFrame:
    """Decodes the image at which the video stands. Raises ImageError."""
    is_whole, bgr = video.retrieve()
    if not is_whole or bgr is None:
        raise ImageError('An image of the video cannot be decoded.')
    return frame_of(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), time_s)


def frame_of(rgb: NDArray[np.uint8], time_s: float) -> CameraFrame:
    return CameraFrame(rgb, None, round(time_s * 1e9), FRAME_ID)


def live_images(place: str, tell: Tell) -> Images:
    """Yields the newest image of a webcam or stream until it ends; older ones are left out.

    Raises ImageError where it cannot be opened.
    """
    newest = NewestImage(place)
    try:
        for time_s, rgb in newest:
            yield time_s, partial(frame_of, rgb, time_s)
        tell(f'{place} has ended or sends nothing more.')
    finally:
        newest.close()
        if newest.dropped:
            tell(
                f'{plural(newest.dropped, "image")} of {place} came while another was in work '
                'and were left out.'.replace('were', 'was' if newest.dropped == 1 else 'were')
            )


class NewestImage:
    """Reads a camera in a thread of its own and keeps its newest image; dropped: of the others.

    Iterating waits for the next image and ends with the stream. Raises ImageError.
    """

    def __init__(self, place: str) -> None:
        video = opened(place)
        if video is None:
            raise ImageError(refusal(place))
        self._video, self.dropped = video, 0
        self._image: tuple[float, NDArray[np.uint8]] | None = None
        self._changed, self._is_over = threading.Condition(), False
        self._thread = threading.Thread(target=self._read, name='camera', daemon=True)
        self._thread.start()

    def _read(self) -> None:
        start_s = time.monotonic()
        while not self._is_over:
            is_whole, bgr = self._video.read()
            rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8) if is_whole else None
            with self._changed:
                if rgb is None:
                    self._is_over = True
                else:
                    self.dropped += self._image is not None
                    self._image = time.monotonic() - start_s, rgb
                self._changed.notify()

    def __iter__(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_over or self._image is not None)
                image, self._image = self._image, None
            if image is None:
                return
            yield image

    def close(self) -> None:
        """Ends the thread, which a hanging stream may hold for PATIENCE_MS."""
        self._is_over = True
        self._thread.join(PATIENCE_MS / 1000)
        if not self._thread.is_alive():
            self._video.release()


def opened(place: str) -> cv2.VideoCapture | None:
    """Opens a file, a stream or a camera; None where OpenCV cannot."""
    set_level = getattr(cv2, 'setLogLevel', None) or cv2.utils.logging.setLogLevel
    set_level(0)  # one sentence of ours follows instead
    try:
        if place.isdecimal() or place.startswith('/dev/video'):
            device = int(place) if place.isdecimal() else place
            video = cv2.VideoCapture(device, cv2.CAP_V4L2)
        else:
            patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, PATIENCE_MS]
            patience += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, PATIENCE_MS]
            video = cv2.VideoCapture(place, cv2.CAP_FFMPEG, patience)
    except cv2.error:
        return None
    return video if video.isOpened() else None


def refusal(place: str) -> str:
    """Says in one sentence why a camera or a stream cannot be opened, as far as one can know."""
    if '://' in place:
        return f'The stream {place} does not answer with a video; check address and network.'
    there = sorted(str(path) for path in Path('/dev').glob('video*'))
    held = f'this machine has {", ".join(there)}' if there else 'this machine has none'
    return f'There is no camera {place} that can be opened: {held}; is another program using it?'
