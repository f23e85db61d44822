"""README's screenshots of what `make demo` left: python -m docs.make_screens [demo].

docs/report.jpg: the top of the report; docs/viewer.jpg: the page of `mtscene view --web`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from docs.chromium import Chromium
from mtscene_ros.models.child_process import module_command

HERE = Path(__file__).parent
PORT = 9290
QUIET_S = 8.0  # a page that did not change for so long is complete
TIMEOUT_S = 180.0


def settled(browser: Chromium) -> np.ndarray:
    """What the page shows when it does not change any more."""
    end_s, since_s = time.monotonic() + TIMEOUT_S, time.monotonic()
    picture = browser.picture()
    while time.monotonic() - since_s < QUIET_S and time.monotonic() < end_s:
        time.sleep(1)
        new = browser.picture()
        if new.shape != picture.shape or (new != picture).any():
            picture, since_s = new, time.monotonic()
    return picture


def save(picture: np.ndarray, name: str) -> None:
    cv2.imwrite(str(HERE / name), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(HERE / name)


def main() -> None:
    demo = Path(sys.argv[1] if len(sys.argv) > 1 else 'demo').resolve()
    with Chromium(1280, 1620) as browser:
        browser.open((demo / 'report.html').as_uri())
        save(settled(browser), 'report.jpg')
    command = module_command('mtscene_ros.cli', 'view', str(demo / 'out.mcap'), '--web')
    view = subprocess.Popen([*command, '--port', str(PORT)], stdout=subprocess.PIPE, text=True)
    assert view.stdout is not None
    try:
        with Chromium(1280, 760) as browser:
            browser.open(view.stdout.readline().strip())
            save(settled(browser), 'viewer.jpg')
    finally:
        view.send_signal(signal.SIGINT)
        view.communicate(timeout=20)


if __name__ == '__main__':
    main()
