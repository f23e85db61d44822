"""The page that the node serves itself: drawn for a browser only, and never in the node's way."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from docs.chromium import PROGRAM, Chromium
from mtscene_ros.report import live_page
from mtscene_ros.types import CameraFrame

from .conftest import log_of
from .fleet import Fleet, info_of
from .inside import Inside

SEC = 10**9
LOADED = '[...document.images].every(i => i.naturalWidth == 64) && !!document.querySelector("dl")'
LABELS, CONFIDENCE = 'semantic_labels', 'semantic_confidence'


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


def get(inside: Inside, path: str, **headers: str) -> Any:
    address = inside.node._page.address + path
    return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20)


def camera_of(inside: Inside, fleet: Fleet, frame: CameraFrame) -> Callable[[], None]:
    """Sends the next image of a connected camera."""
    inside.connect(fleet, {'': info_of('', 64, 32, 64.0)})
    number = iter(range(1, 10_000))
    return lambda: fleet.show('', frame.rgb, next(number) * SEC)


def picture_when(
    inside: Inside, fleet: Fleet, show: Callable[[], None], name: str
) -> tuple[int, bytes]:
    """A picture that the page has asked for."""
    found: list[tuple[int, bytes]] = []

    def there() -> bool:
        show()
        answer = inside.node._page.state.next_picture(name, 0, 0.1)
        found.extend([answer] if answer else [])
        return bool(found)

    fleet.wait(there)
    return found[0]


def test_a_page_without_subscribers_wakes_the_node_for_what_it_shows(
    inside_of: Callable[..., Inside],
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
    monkeypatch: pytest.MonkeyPatch,
    free_port: int,
) -> None:
    inside, fleet = inside_of(**{'web.port': free_port}), fleet_of(('',), topics=())
    show = camera_of(inside, fleet, frame)
    inside.show(fleet, '', frame.rgb, SEC)
    assert (inside.batches, inside.worker.why_idle('', inside.line)) == ([], 'no subscribers')
    _, jpeg = picture_when(inside, fleet, show, 'overlay')
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1).shape == (32, 64, 3)
    assert {LABELS, CONFIDENCE} <= set().union(*inside.requested)
    assert 'depth' not in set().union(*inside.requested)
    monkeypatch.setattr(live_page, 'WANTED_S', 0.0)  # the browser is closed
    assert inside.worker.why_idle('', inside.line) == 'no subscribers'


def test_the_server_answers_with_pictures_and_diagnostics(
    inside_of: Callable[..., Inside],
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
    free_port: int,
) -> None:
    inside, fleet = inside_of(**{'web.port': free_port}), fleet_of(('',), topics=())
    show = camera_of(inside, fleet, frame)
    number, jpeg = picture_when(inside, fleet, show, 'depth')
    with get(inside, 'depth.jpg') as answer:
        assert int(answer.headers['X-Number']) >= number
        assert answer.read().startswith(jpeg[:2])
    fleet.wait(lambda: len(inside.node._page.state.status) == 3)
    with get(inside, 'status.json') as answer:
        titles = [entry['title'] for entry in json.loads(answer.read())]
    assert titles == ['model', 'quality of service', 'camera']
    with pytest.raises(urllib.error.HTTPError, match='403') as refused:
        get(inside, '', Host='robot.example')
    refused.value.close()


def test_no_more_pictures_than_the_page_can_use(
    inside_of: Callable[..., Inside], monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 per second, less a fifth for frames that jitter: 0.08 s apart."""
    page = inside_of().node._page
    assert page.due('') == ()
    page.state.next_picture('overlay', 0, 0.0)
    now_s = page.state._requested_s['overlay']
    monkeypatch.setattr('mtscene_ros.ros.node_page.time.monotonic', lambda: now_s)
    assert page.due('') == ('overlay',)
    now_s += 0.079
    assert page.due('') == ()
    now_s += 0.002
    assert page.due('') == ('overlay',)


def test_each_camera_has_its_pictures(inside_of: Callable[..., Inside], free_port: int) -> None:
    inside = inside_of(cameras=['front', 'rear'], **{'web.port': free_port})
    names = ('front-overlay', 'front-depth', 'rear-overlay', 'rear-depth')
    assert inside.node._page.state.names == names
    inside.node._page.state.next_picture('rear-depth', 0, 0.0)
    assert [inside.node._page.is_watched(camera) for camera in ('front', 'rear')] == [False, True]


def test_without_the_parameter_nothing_listens(inside_of: Callable[..., Inside]) -> None:
    page = inside_of().node._page
    assert (page.address, page._server) == ('', None)


def test_a_port_that_is_taken_is_a_warning_and_the_node_goes_on(
    start_node: Callable[..., Any], robot: Any
) -> None:
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        node = start_node(**{'web.port': taken.getsockname()[1]})
        robot.wait_for_node()
    log = log_of(node)
    assert log.count('There is no live page: Nothing can be served on 127.0.0.1:') == 1
    assert 'choose another web.port or web.host.' in log
    assert 'Traceback' not in log


@pytest.mark.skipif(not PROGRAM, reason='no Chromium: apt-get install chromium')
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_a_phone_shows_the_node(
    inside_of: Callable[..., Inside],
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
    free_port: int,
    scheme: str,
) -> None:
    """390 px wide; the Tab key reaches the boxes, and the space bar hides a picture."""
    inside, fleet = inside_of(**{'web.port': free_port}), fleet_of(('',), topics=())
    show = camera_of(inside, fleet, frame)
    for name in ('overlay', 'depth'):
        picture_when(inside, fleet, show, name)
    with Chromium(390, 900) as browser:
        metrics = {'width': 390, 'height': 900, 'deviceScaleFactor': 1, 'mobile': True}
        browser.call('Emulation.setDeviceMetricsOverride', **metrics)
        feature = [{'name': 'prefers-color-scheme', 'value': scheme}]
        browser.call('Emulation.setEmulatedMedia', features=feature)
        browser.open(inside.node._page.address)
        fleet.wait(lambda: browser.value(LOADED))
        assert browser.value('document.documentElement.scrollWidth') == 390
        first = browser.value("document.querySelector('#status h3').textContent")
        assert first.startswith('camera: ')
        ground = browser.value('getComputedStyle(document.body).backgroundColor')
        assert (ground == 'rgb(18, 20, 24)') == (scheme == 'dark')
        browser.press('Tab')
        browser.press(' ')
        fleet.wait(lambda: browser.value("document.querySelector('figure').hidden"))
