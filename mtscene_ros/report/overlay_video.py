"""Writes pictures with irregular times as one MP4 of a constant rate."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.models.atomic_file import move_into_place
from mtscene_ros.terminal import plural

CODEC = 'mp4v'  # MPEG-4 Part 2, the only one for MP4 that every build of OpenCV can write fast
MAX_GAP_S = 10.0  # a longer pause between two images is shortened to it
MIN_RATE_HZ, MAX_RATE_HZ = 1.0, 60.0


class VideoError(OSError):
    """A video cannot be written; the message is one sentence."""


class OverlayVideo:
    """One MP4 that appears at `path` when it is complete; use it with `with`.

    A picture stays until the time of the next one. Raises VideoError. replaced: pictures that gave
    way to another one of the same instant; shortened: pauses that were cut to MAX_GAP_S.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self.path = path
        self.rate_hz = float(np.clip(rate_hz, MIN_RATE_HZ, MAX_RATE_HZ))
        self.replaced = self.shortened = 0
        self._writer: cv2.VideoWriter | None = None
        self._held: NDArray[np.uint8] | None = None
        self._slot = self._offset = 0  # of the held picture; of all times, for shortened pauses

    def __enter__(self) -> OverlayVideo:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(suffix='.mp4', prefix='.video-', dir=self.path.parent)
        os.close(number)
        self._scratch = Path(name)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if self._held is not None and kind is None:
                self._write(self._held, 1)
            if self._writer is not None:
                self._writer.release()
            if self._writer is not None and kind is None:
                os.chmod(self._scratch, 0o644)
                move_into_place(self._scratch, self.path)
        finally:
            self._scratch.unlink(missing_ok=True)

    def add(self, picture: NDArray[np.uint8], time_s: float) -> None:
        """Adds an (H, W, 3) RGB picture; time_s: since the beginning, not before the last one."""
        slot = round(time_s * self.rate_hz) - self._offset
        if self._held is None:
            self._offset, slot = slot, 0
        elif slot - self._slot > MAX_GAP_S * self.rate_hz:
            least = self._slot + round(MAX_GAP_S * self.rate_hz)
            self._offset, slot, self.shortened = (
                self._offset + slot - least,
                least,
                self.shortened + 1,
            )
        if self._held is not None:
            self.replaced += slot <= self._slot
            self._write(self._held, slot - self._slot)
        self._held, self._slot = picture, max(slot, self._slot)

    def notes(self) -> list[str]:
        """Returns a sentence for whatever does not look as it was filmed."""
        found = []
        if self.replaced:
            found.append(
                f'{self.path.name} has {self.rate_hz:.3g} images per second and leaves out '
                f'{plural(self.replaced, "image")} that came faster; the tables hold all.'
            )
        if self.shortened:
            found.append(
                f'{plural(self.shortened, "pause")} of more than {MAX_GAP_S:g} s between images '
                f'{"is" if self.shortened == 1 else "are"} shortened to it in {self.path.name}.'
            )
        return found

    def _write(self, picture: NDArray[np.uint8], times: int) -> None:
        if self._writer is None:
            size = picture.shape[1], picture.shape[0]
            code = cv2.VideoWriter.fourcc(*CODEC)
            self._writer, self._size = (
                cv2.VideoWriter(str(self._scratch), code, self.rate_hz, size),
                size,
            )
            if not self._writer.isOpened():
                raise VideoError(
                    f'This OpenCV cannot write {self.path.name} ({CODEC}); --pictures writes '
                    'pictures instead.'
                )
        if (picture.shape[1], picture.shape[0]) != self._size:  # a stream may change its size
            picture = np.asarray(cv2.resize(picture, self._size), np.uint8)
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        for _ in range(times):
            self._writer.write(bgr)
