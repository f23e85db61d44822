"""The live page over HTTP, and as Chromium draws it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from docs.chromium import PROGRAM, Chromium
from mtscene_ros.cli.main import main
from mtscene_ros.report.live_page import MAX_CONNECTIONS, LiveServer, LiveState

STATUS = {
    'title': 'camera',
    'level': 'WARN',
    'message': 'Images arrive at 30.0 Hz <b>',
    'values': {'received': '7', 'infer p50/p95/p99, ms': '1.0 / 2.0 / 3.0'},
}


def jpeg(red: int) -> bytes:
    return cv2.imencode('.jpg', np.full((40, 80, 3), (0, 0, red), np.uint8))[1].tobytes()


@pytest.fixture
def server() -> Iterator[LiveServer]:
    state = LiveState(('overlay', 'depth'))
    state.status = [STATUS]
    made = LiveServer(state, '/perception', '127.0.0.1', 0)
    yield made
    made.close()


def get(server: LiveServer, path: str, **headers: str) -> Any:
    request = urllib.request.Request(server.address + path, headers=headers)
    return urllib.request.urlopen(request, timeout=20)


def test_a_picture_waits_for_the_next_one(server: LiveServer) -> None:
    server.state.put('overlay', jpeg(10))
    with get(server, 'overlay.jpg?after=0') as answer:
        assert (answer.headers['X-Number'], answer.read()) == ('1', jpeg(10))
    later = threading.Timer(0.2, server.state.put, ('overlay', jpeg(20)))
    later.start()
    with get(server, 'overlay.jpg?after=1') as answer:
        assert (answer.headers['X-Number'], answer.read()) == ('2', jpeg(20))
    later.join()


def test_only_what_a_page_shows_is_wanted(server: LiveServer) -> None:
    server.state.put('overlay', jpeg(10))
    assert not server.state.is_wanted('overlay')
    get(server, 'overlay.jpg').close()
    assert server.state.is_wanted('overlay')
    assert not server.state.is_wanted('depth')


def test_no_picture_is_no_content() -> None:
    assert LiveState(('overlay',)).next_picture('overlay', 0, 0.01) is None


def test_the_status_is_that_of_the_node(server: LiveServer) -> None:
    with get(server, 'status.json') as answer:
        assert json.loads(answer.read()) == [STATUS]
        assert "default-src 'self'" in answer.headers['Content-Security-Policy']


@pytest.mark.parametrize(
    ('path', 'host', 'code'),
    [('nothing.jpg', 'localhost', 404), ('../x', 'localhost', 404), ('', 'evil.example', 403)],
)
def test_what_is_refused(server: LiveServer, path: str, host: str, code: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(server, path, Host=host)
    assert refused.value.code == code
    refused.value.close()


def test_a_port_that_is_taken_is_one_sentence(
    server: LiveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['live', '--port', str(server.server_port)]) == 2
    said = capsys.readouterr().err
    assert f'Nothing can be served on 127.0.0.1:{server.server_port} ' in said
    assert said.count('\n') == 1


def test_a_flood_of_connections_is_closed_and_the_page_goes_on(server: LiveServer) -> None:
    host, port = '127.0.0.1', server.server_port
    held = [socket.create_connection((host, port)) for _ in range(MAX_CONNECTIONS)]
    with socket.create_connection((host, port)) as beyond:
        assert beyond.recv(1) == b''
    for connection in held:
        connection.close()
    for _ in range(100):  # until the server has noticed
        with contextlib.suppress(OSError), get(server, 'status.json') as answer:
            assert answer.status == 200
            return
    raise AssertionError('the page does not answer any more')


@pytest.mark.skipif(not PROGRAM, reason='no Chromium: apt-get install chromium')
def test_a_phone_shows_pictures_and_numbers(server: LiveServer) -> None:
    """390 px wide; text of the node stays text."""
    for name in server.state.names:
        server.state.put(name, jpeg(200))
    with Chromium(390, 900) as browser:
        browser.call(
            'Emulation.setDeviceMetricsOverride',
            width=390, height=900, deviceScaleFactor=1, mobile=True,
        )  # fmt: skip
        browser.open(server.address)
        expression = """(async () => {
          for (let k = 0; k < 400; k++) {
            const images = [...document.querySelectorAll('img')];
            const text = document.body.innerText;
            if (images.every(image => image.naturalWidth === 80) && text.includes('infer'))
              return JSON.stringify([document.documentElement.scrollWidth, text]);
            await new Promise(done => setTimeout(done, 50));
          }
          return JSON.stringify([0, document.body.innerText]);
        })()"""
        answer = browser.call(
            'Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True
        )
    width_px, text = json.loads(answer['result']['value'])
    assert width_px == 390, text
    assert 'Images arrive at 30.0 Hz <b>' in text
    assert all(word in text for word in ('/perception', 'WARN', 'received', '2.0'))
