"""index.html of a real evaluation, as text and as Chromium draws it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from evaluate.browser import Browser
from evaluate.drives import write_drive
from numpy.typing import NDArray

from docs.chromium import PROGRAM, Chromium
from mtscene_ros.cli.main import main
from mtscene_ros.evaluate.pages.page_frames import APART, choose, worst

FRAMES = 4


@pytest.fixture(scope='module')
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the bundled model on a drive of four frames."""
    folder = tmp_path_factory.mktemp('page')
    bag = write_drive(folder / 'drive.mcap', 7, FRAMES, 512, 256)
    requested = ['--backend', 'onnxruntime', '--threads', '2', '--outputs']
    outputs = ['semantic/image', 'depth/image', 'detections_3d']
    assert main(['evaluate', str(bag), '-o', str(folder / 'report'), *requested, *outputs]) == 0
    return folder / 'report' / 'index.html'


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


def slides(page: Path) -> list[dict[str, Any]]:
    found = re.search(r'id="frame-data">(.*?)</script>', page.read_text())
    assert found is not None
    slides: list[dict[str, Any]] = json.loads(found[1])
    return slides


def picture(uri: str) -> NDArray[np.uint8]:
    data = np.frombuffer(base64.b64decode(uri.partition(',')[2]), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def cards_in(shot: NDArray[np.uint8], width: int) -> list[NDArray[np.uint8]]:
    """Parts of a screenshot that are pictures, each with its frame, about that wide."""
    grey = cv2.cvtColor(shot, cv2.COLOR_RGB2GRAY)
    busy = (cv2.blur(abs(cv2.Laplacian(grey, cv2.CV_32F)), (5, 5)) > 1.5).astype(np.uint8)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(busy)
    return [
        shot[y : y + h, x : x + w] for x, y, w, h, _ in boxes if abs(w - width) < 15 and h > 90
    ]


def likeness(wanted: NDArray[np.uint8], shot: NDArray[np.uint8]) -> float:
    """Best correlation of the picture with a part of the screenshot, drawn as wide as the slider
    draws it; the browser enlarges a little differently, so both are blurred."""
    found = 0.0
    for width in range(586, 594, 2):
        height = round(wanted.shape[0] * width / wanted.shape[1])
        drawn = cv2.resize(wanted, (width, height), interpolation=cv2.INTER_CUBIC)
        soft = [cv2.GaussianBlur(p, (0, 0), 3)[::3, ::3] for p in (shot, drawn)]
        found = max(found, float(cv2.matchTemplate(*soft, cv2.TM_CCOEFF_NORMED).max()))
    return found


def test_the_page_holds_everything_and_loads_nothing(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r'https?://|<link|@import|src="(?!data:)|url\((?!data:)', text)
    assert page.stat().st_size < 3e6
    assert all(f'>{part}' in text for part in ('Frames', 'Worst frames', 'Latency'))
    parts = ('IoU per class', 'confusion', 'Depth by distance', '3D boxes by distance', 'calibrat')
    assert all(part in text for part in parts)


def test_numbers_are_those_of_the_metrics(page: Path) -> None:
    metrics = json.loads((page.parent / 'metrics.json').read_text())['metrics']
    text = page.read_text()
    assert f'<b>{metrics["semantic"]["miou"]:.1f} %</b>' in text
    assert f'<b>{metrics["depth"]["abs_rel"]:.3f}</b>' in text
    assert f'<b>{FRAMES} of {FRAMES}</b>' in text


@pytest.mark.parametrize('task', ['semantic', 'depth', 'boxes3d'])
def test_the_browser_shows_the_chosen_frame(page: Path, browser: Browser, task: str) -> None:
    """Image, prediction, truth and error of frame 2, and not those of another."""
    shot = browser.screenshot(page, f'#frame=2&task={task}', (1280, 1300))
    for (wanted, _), (other, _) in zip(*(views(page, k, task) for k in (2, 0)), strict=True):
        right, wrong = (likeness(picture(uri), shot) for uri in (wanted, other))
        assert right > 0.9
        assert right > wrong + 0.02


def views(page: Path, frame: int, task: str) -> list[list[str]]:
    """Data URIs and captions of the four pictures."""
    slide = slides(page)[frame]
    found = [[slide['image'], 'image'], *slide['views'][task]]
    assert len(found) == 4
    return found


@pytest.mark.parametrize('dark', [False, True])
def test_the_page_is_not_blank_and_has_many_pictures(
    page: Path, browser: Browser, dark: bool
) -> None:
    shot = browser.screenshot(page, dark=dark)
    large, small = cards_in(shot, 600), cards_in(shot, 300)
    assert len(large) == 4  # the slider's
    assert len(small) >= 8  # two worst frames at least
    colours = [len(np.unique(card.reshape(-1, 3) // 32, axis=0)) for card in (*large, *small)]
    assert min(colours) >= 12
    assert (shot[5, 5] < 60).all() == dark


def test_the_script_tells_the_frame(page: Path, browser: Browser) -> None:
    dom = browser.dom(page, '#frame=3&task=depth')
    assert re.search(r'<output>frame 3, 0\.30 s · mIoU \d', dom)
    assert 'error (blue: 30 % too near' in dom


def test_a_phone_scrolls_down_only(page: Path, browser: Browser, tmp_path: Path) -> None:
    """Within 390 px; the confusion matrix scrolls in itself."""
    wrapped = tmp_path / 'phone.html'
    inside = page.read_text().replace('&', '&amp;').replace('"', '&quot;')
    wrapped.write_text(
        f'<iframe width="390" height="900" srcdoc="{inside}"></iframe><script>onload = () => {{'
        'const inside = document.querySelector("iframe").contentDocument;'
        'document.title = inside.documentElement.scrollWidth}</script>'
    )
    assert '<title>390</title>' in browser.dom(wrapped)


@pytest.mark.skipif(not PROGRAM, reason='no Chromium: apt-get install chromium')
def test_pictures_are_enlarged_and_frames_turned_by_mouse_and_by_keyboard(page: Path) -> None:
    width = "document.querySelector('.player figure').getBoundingClientRect().width"
    with Chromium(1280, 900) as chromium:
        chromium.open(f'file://{page}')
        small = chromium.value(width)
        chromium.value("document.querySelector('.player img').click()")
        assert chromium.value(width) > 1.9 * small
        chromium.value("document.querySelector('.player figure').focus()")
        chromium.press('Enter')
        assert chromium.value(width) == small
        for key, frame in (('ArrowRight', '1'), ('ArrowRight', '2'), ('ArrowLeft', '1')):
            chromium.press(key)
            assert chromium.value("document.querySelector('.player input').value") == frame


def test_worst_frames_lie_apart() -> None:
    values = np.array([0.0, 0.1, *[5.0] * 20, 0.2, np.nan])
    assert worst(values, more_is_worse=False, count=2) == [0, 22]
    assert worst(values, more_is_worse=True, count=2) == [2, 2 + APART]


def test_dropped_frames_are_not_shown() -> None:
    status = np.array(['published', 'dropped', 'published'], object)
    frames = {'status': status, 'depth.abs_rel': np.array([0.1, np.nan, 0.3])}
    assert [(c.row, c.task) for c in choose(frames)] == [(2, 'depth'), (0, ''), (2, '')]


def test_a_comparison_shows_both_answers(page: Path, tiny_path: str, tmp_path: Path) -> None:
    """Of the bundled model and of one that says nothing right, on the same recording."""
    bag = str(page.parents[1] / 'drive.mcap')
    requested = ['--model', tiny_path, '--backend', 'onnxruntime', '--no-page']
    assert main(['evaluate', bag, '-o', str(tmp_path / 'b'), *requested]) == 0
    html = tmp_path / 'compare.html'
    assert main(['compare', str(page.parent), str(tmp_path / 'b'), '-o', str(html)]) == 0
    text = html.read_text()
    assert text.count('class="six"') == FRAMES  # each frame changed, each is there once
    for caption in ('image', 'A', 'B', 'truth'):
        assert text.count(f'<figcaption>{caption}</figcaption>') == FRAMES
    assert '<b class="bad">worse</b>' in text
