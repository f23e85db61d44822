"""Pictures made by hand, with the number that each finding names."""

import numpy as np
import pytest

from mtscene_ros.temporal.image_health import HealthOptions, ImageHealth
from mtscene_ros.types import Signal
from mtscene_ros.worlds import drive_frame, room_frame

SEC = 10**9
GREY = np.full((256, 512), 128, np.uint8)
RAMP = np.add.outer(np.linspace(90, 110, 256), np.linspace(0, 20, 512)).astype(np.uint8)
BARS = np.where(np.arange(512) // 32 % 2, 200, 40) * np.ones((256, 1))


def signals_of(*pictures: np.ndarray, options: HealthOptions | None = None) -> dict[str, Signal]:
    """The signals of the last of several images, which are grey and 1 s apart."""
    health, found = ImageHealth(options or HealthOptions()), ()
    for k, picture in enumerate(pictures):
        rgb = np.repeat(picture.astype(np.uint8)[..., None], 3, 2)
        found = health.signals(rgb, k * SEC)
    return {signal.name: signal for signal in found}


def trouble_in(*pictures: np.ndarray) -> list[str]:
    return [s.name for s in signals_of(*pictures).values() if s.value > s.limit]


@pytest.mark.parametrize(
    ('picture', 'expected'),
    [
        (GREY * 0 + 5, ['black']),
        (GREY * 0 + 30, ['covered']),
        (GREY * 0 + 55, ['covered']),
        (GREY * 0 + 255, ['saturated']),
        (np.where(np.arange(512) % 64 < 40, 255, 100) * np.ones((256, 1)), ['exposure']),
        ((BARS - 40) / 8 + 20, ['exposure']),
        (GREY, []),
        (RAMP, []),
        (BARS, []),
    ],
)
def test_the_findings_about_one_picture(picture: np.ndarray, expected: list[str]) -> None:
    assert trouble_in(picture) == expected


def test_the_number_is_the_share_of_the_picture() -> None:
    picture = np.where(np.arange(512) < 128, 255, 100) * np.ones((256, 1))
    assert signals_of(picture)['saturated'].value == pytest.approx(0.25)
    assert 'The image is saturated: 25.0 % (limit 90 %)' in signals_of(picture)['saturated'].text


def test_a_step_is_one_pixel_wide_and_a_slope_as_wide_as_it_is_long() -> None:
    assert signals_of(BARS)['blurred'].value == 1
    slopes = 40 + 10 * np.abs((np.arange(512) + 16) % 32 - 16) * np.ones((256, 1))
    assert signals_of(slopes)['blurred'].value == pytest.approx(16)  # 160 levels, 10 per pixel
    assert trouble_in(slopes) == ['blurred']


@pytest.mark.parametrize(('count', 'amplitude'), [(2, 0.1), (12, 0.2)])
def test_bands_have_the_amplitude_of_the_light(count: int, amplitude: float) -> None:
    angle = np.arange(256) * 2 * np.pi * count / 256
    lit = [BARS * (1 + amplitude * np.sin(angle + p))[:, None] for p in (0, np.pi)]
    found = signals_of(*lit)['banding'].value
    # Two that move by half a period differ by twice the amplitude; many show in one picture.
    assert found == pytest.approx(2 * amplitude, rel=0.15)
    assert signals_of(lit[0])['banding'].value == pytest.approx(
        0 if count == 2 else amplitude, rel=0.15
    )


def test_the_same_picture_again_is_frozen_after_a_time_that_can_be_chosen() -> None:
    assert signals_of(BARS, BARS, BARS, BARS)['frozen'].value == 3
    assert trouble_in(BARS, BARS, BARS, BARS) == ['frozen']
    other = BARS.copy()
    other[10, 10] += 3
    assert signals_of(BARS, BARS, other)['frozen'].value == 0
    assert 'frozen' not in signals_of(BARS, BARS, options=HealthOptions(frozen_s=0))


def test_generated_streets_and_rooms_are_healthy() -> None:
    health = ImageHealth()
    frames = [drive_frame(77, i) for i in range(4)] + [room_frame(77, i, 512, 256) for i in (0, 1)]
    for k, frame in enumerate(frames):
        found = health.signals(frame.rgb, k * SEC)
        assert [s.name for s in found if s.value > s.limit] == []


def test_a_night_with_a_few_lamps_is_healthy() -> None:
    rng = np.random.default_rng(0)
    night = 14 + rng.normal(0, 2, (256, 512))
    night[150:] += 12  # the road in the light of the car
    for row, column in rng.integers(4, 250, (300, 2)):
        night[row : row + 3, 2 * column : 2 * column + 3] = 230
    assert trouble_in(night.clip(0, 255)) == []
