"""Whether the camera delivers a usable picture, measured on the network's small input image.

No model is involved. Limits were set on photographs of streets by day and by night, rooms, and
generated scenes (benchmarks/results/steady.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import Signal

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

BLACK, DARK, WHITE = 12, 40, 250  # grey levels
MAX_BLACK, MAX_DARK = 0.99, 0.99  # shares of the image
MAX_CLIPPED, MAX_WHITE = 0.5, 0.9
COVER_GREY = 64.0  # a lens that is covered gets little light; a plain wall in daylight gets more
CELLS = 64  # columns and rows of the coarse image
CELL_LEVELS, MAX_FLAT = 4, 0.97
MIN_CONTRAST, EDGE_SHARE = 40, 0.005  # of a picture whose sharpness can be judged
STRIPS = 16  # columns of the brightness profile
MAX_BANDS = 0.06  # amplitude, as a share of the brightness
FEWEST_STILL_BANDS = 8  # fewer in a single image may belong to the scene
MOST_BANDS = 24
SAME_BAND = 0.7  # share of all power in the profile that the strongest band must have


@dataclass(frozen=True, slots=True)
class HealthOptions:
    """Limits that depend on the camera.

    frozen_s: the same image for longer is an error, 0 for never (a simulated camera without noise
    that stands still); max_edge_width_px: wider edges, in pixels of the network's input, are
    blurred.
    """

    frozen_s: float = 2.0
    max_edge_width_px: float = 6.0


@dataclass(slots=True, eq=False)
class ImageHealth:
    """The signals of one camera's images; keeps the last image and its brightness profile."""

    options: HealthOptions = HealthOptions()
    _last: U8 | None = None
    _profile: F64 | None = None
    _same_since_ns: int = 0

    def signals(self, rgb: U8, stamp_ns: int) -> tuple[Signal, ...]:
        """Measures an image; rgb: (h, w, 3) at network size, without borders; stamp_ns: of it."""
        grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
        cells = cv2.resize(grey, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        coarse, below = np.asarray(cells, np.uint8), cumulated(grey)
        cover = covered(coarse)
        return (
            *exposure(below, is_covered=cover.value > cover.limit),
            cover,
            blurred(grey, below, self.options.max_edge_width_px),
            self._banding(coarse),
            *self._frozen(grey, stamp_ns),
        )

    def _frozen(self, grey: U8, stamp_ns: int) -> tuple[Signal, ...]:
        is_same = self._last is not None and np.array_equal(self._last, grey)
        if not is_same or stamp_ns < self._same_since_ns:
            self._last, self._same_since_ns = grey, stamp_ns
        if not self.options.frozen_s:
            return ()
        same_s = (stamp_ns - self._same_since_ns) * 1e-9
        text = (
            f'The camera is frozen: the same image for {same_s:.1f} s of '
            f'{self.options.frozen_s:g} s (camera_health.frozen_s).'
        )
        return (Signal('frozen', same_s, self.options.frozen_s, text, is_blind=True),)

    def _banding(self, coarse: U8) -> Signal:
        """Mains light and a rolling shutter make bands: many in one image, or few that move."""
        before, self._profile = self._profile, profile_of(coarse)
        # The columns of a scene differ in brightness; their changes do only where it moves.
        value = bands(self._profile - self._profile.mean(0), FEWEST_STILL_BANDS)
        if before is not None:
            value = max(value, bands(self._profile - before, 1))
        text = (
            f'The image has bands: its brightness varies by {100 * value:.0f} % of '
            f'{100 * MAX_BANDS:.0f} % from row to row; set the exposure to a multiple of 10 ms '
            '(50 Hz) or 8.3 ms (60 Hz).'
        )
        return Signal('banding', value, MAX_BANDS, text)


def cumulated(grey: U8) -> F64:
    """Returns (256,) shares of pixels of at most each grey level, from every fourth row."""
    counts = cv2.calcHist([grey[::4]], [0], None, [256], [0, 256])
    total = np.cumsum(counts.ravel(), dtype=np.float64)
    return np.asarray(total / total[-1], np.float64)


def exposure(below: F64, *, is_covered: bool) -> tuple[Signal, ...]:
    """Returns the signals black, saturated and exposure; the last is quiet where one of the others
    or a cover says more. below: see `cumulated`."""
    black, dark, white = float(below[BLACK]), float(below[DARK]), 1 - float(below[WHITE - 1])
    is_dark = dark / MAX_DARK > white / MAX_CLIPPED
    value, limit = (dark, MAX_DARK) if is_dark else (white, MAX_CLIPPED)
    is_extreme = is_covered or black > MAX_BLACK or white > MAX_WHITE
    tone = f'darker than {DARK}' if is_dark else f'brighter than {WHITE - 1}'
    share = 0.0 if is_extreme else value
    return (
        Signal(
            'black',
            black,
            MAX_BLACK,
            f'The image is black: {percent(black, MAX_BLACK)} of it is darker than {BLACK + 1} '
            'of 255.',
            is_blind=True,
        ),
        Signal(
            'saturated',
            white,
            MAX_WHITE,
            f'The image is saturated: {percent(white, MAX_WHITE)} of it is brighter than '
            f'{WHITE - 1} of 255.',
            is_blind=True,
        ),
        Signal(
            'exposure',
            share,
            limit,
            f'The image is badly exposed: {percent(value, limit)} of it is {tone} of 255.',
        ),
    )


def percent(value: float, limit: float) -> str:
    """'99.2 % (limit 99 %)'."""
    return f'{100 * value:.1f} % (limit {100 * limit:g} %)'


def covered(coarse: U8) -> Signal:
    """Returns the share of the image without structure, 0 for one that is bright, or black.

    coarse: (CELLS, CELLS) grey image.
    """
    flat = float((steps(coarse) < CELL_LEVELS).mean())
    value = flat if BLACK < cv2.mean(coarse)[0] < COVER_GREY else 0.0
    text = f'The lens seems covered: {percent(value, MAX_FLAT)} of a dark image is without edges.'
    return Signal('covered', value, MAX_FLAT, text, is_blind=True)


def steps(grey: U8) -> U8:
    """Returns (h - 1, w - 1) differences to the next pixel, the larger of right and below."""
    corner = grey[:-1, :-1]
    right, down = cv2.absdiff(grey[:-1, 1:], corner), cv2.absdiff(grey[1:, :-1], corner)
    return np.asarray(cv2.max(right, down), np.uint8)


def blurred(grey: U8, below: F64, max_width_px: float) -> Signal:
    """Returns the width of the sharpest edges: the image's contrast over their steepness.

    0 for an image with so little contrast that nobody could tell, such as a wall.
    """
    contrast = int(np.searchsorted(below, 0.98) - np.searchsorted(below, 0.02))
    steepest = int(np.searchsorted(cumulated(steps(grey)), 1 - EDGE_SHARE))
    width_px = contrast / max(steepest, 1) if contrast >= MIN_CONTRAST else 0.0
    text = (
        f'The image is blurred: its sharpest edges are {width_px:.1f} px wide of '
        f'{max_width_px:g} px (camera_health.max_edge_width_px); clean or focus the lens.'
    )
    return Signal('blurred', width_px, max_width_px, text)


def profile_of(coarse: U8) -> F64:
    """Returns the (CELLS, STRIPS) logarithm of brightness, so that bands are added to the scene.

    coarse: (CELLS, CELLS) grey image.
    """
    strips = coarse.reshape(CELLS, STRIPS, -1).mean(2)
    return np.asarray(np.log(strips + 8), np.float64)  # dark pixels, and noise, count less


def bands(profile: F64, fewest: int) -> float:
    """Returns the amplitude of horizontal bands that all strips share, 0 without any.

    profile: (CELLS, STRIPS), see `profile_of`; fewest: bands per image that count.
    """
    wave = np.hanning(CELLS)[:, None]
    flat = (profile - profile.mean()) * wave  # what differs between strips is no band
    found = np.fft.rfft(flat, axis=0)[: MOST_BANDS + 1] * (2 / wave.sum())  # → amplitudes
    joint = np.abs(found.mean(1))
    best = fewest + int(joint[fewest:].argmax())
    near = slice(max(best - 1, 1), best + 2)
    share = float((joint[near] ** 2).sum()) / max(float((np.abs(found) ** 2).mean(1).sum()), 1e-12)
    is_everywhere = float(np.abs(found[best]).min()) > joint[best] / 2
    return float(joint[best]) if is_everywhere and share > SAME_BAND else 0.0
