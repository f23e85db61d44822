"""The page that `mtscene view --web` serves, looked at in a real browser."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE_S

from docs.chromium import PROGRAM, Chromium
from mtscene_ros.camera.draw import bright

pytest.importorskip('rerun', reason='rerun-sdk is not installed: nothing can be viewed')
from mtscene_ros.report.viewer.server import ViewError
from mtscene_ros.report.viewer.sinks import page


def half(color_rgb: tuple[int, int, int]) -> np.ndarray:
    """Half as much light, in sRGB: what opacity 0.5 leaves over a black image."""
    light = (np.array(color_rgb) / 255) ** 2.2 / 2
    return 255 * light ** (1 / 2.2)


LAYERS = {  # colour and share of the picture, at least
    'road': (half((128, 64, 128)), 0.03),
    'sky': (half((70, 130, 180)), 0.03),
    'depth of 8 m': (np.array([73, 88, 221]), 0.03),  # turbo at 8 / 80
    'depth of 20 m': (np.array([38, 189, 225]), 0.03),  # turbo at 20 / 80
    'edges of the car': (np.array(bright((0, 0, 142))), 0.0001),
}


def shares(picture: np.ndarray) -> dict[str, float]:
    """Of pixels that differ by less than 12 in every channel from a layer's colour."""
    return {
        name: float((np.abs(picture - color).max(-1) < 12).mean())
        for name, (color, _) in LAYERS.items()
    }


def test_a_blank_page_shows_none() -> None:
    assert not any(shares(np.full((4, 4, 3), 255.0)).values())


@pytest.fixture
def address(one_frame: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1] % 20000 + 30000
    command = [sys.executable, '-m', 'mtscene_ros.cli', 'view', str(one_frame), '--web']
    process = subprocess.Popen([*command, '--port', str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    # Both latter ones while it still reads the recording: a shell reports 130 for either.
    assert process.returncode in (0, 130, -signal.SIGINT)


@pytest.mark.skipif(sys.platform != 'linux', reason='/proc/net/tcp is not there')
def test_only_this_machine_is_served(address: str) -> None:
    """Both ports, as the kernel lists what listens (state 0A)."""
    web, data = (int(part.split('/')[0]) for part in address.split('127.0.0.1:')[1:])
    lines = [line.split() for line in Path('/proc/net/tcp').read_text().splitlines()[1:]]
    listening = [words[1] for words in lines if words[3] == '0A']
    mine = [at for at in listening if int(at.split(':')[1], 16) in (web, data)]
    assert sorted(mine) == sorted(f'0100007F:{port:04X}' for port in (web, data))


@pytest.mark.parametrize(
    ('host', 'port', 'what'),
    [
        ('nowhere', 9090, 'is no address; give one'),
        ('127.0.0.1', 70000, 'is not between 1 and 65534'),
        ('127.0.0.1', None, 'is in use; choose another --port'),
    ],
)
def test_pages_that_cannot_be_served(host: str, port: int | None, what: str) -> None:
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        with pytest.raises(ViewError, match=what):
            page(port or taken.getsockname()[1], host)


@pytest.mark.skipif(not PROGRAM, reason='chromium is not installed: the page is not looked at')
def test_every_layer_is_seen(address: str) -> None:
    enough = dict.fromkeys(LAYERS, False)
    end_s = time.monotonic() + 600  # WebGL in software, perhaps on a busy machine
    with Chromium(900, 640) as browser:
        browser.open(address)
        while not all(enough.values()):
            assert time.monotonic() < end_s, enough
            seen = shares(browser.picture().astype(float))
            enough = {name: seen[name] >= share for name, (_, share) in LAYERS.items()}
            time.sleep(1)
