"""Headless Chromium, as a user would open a page from disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = (
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--hide-scrollbars', '--force-device-scale-factor=1', '--virtual-time-budget=4000',
)  # fmt: skip


class Browser:
    """Skips the test where there is none."""

    def __init__(self, folder: Path) -> None:
        self._program = next((found for name in NAMES if (found := shutil.which(name))), '')
        self._folder = folder
        if not self._program:
            pytest.skip('no Chromium: apt-get install chromium')

    def screenshot(
        self,
        page: Path,
        fragment: str = '',
        size: tuple[int, int] = (1280, 2600),
        dark: bool = False,
    ) -> NDArray[np.uint8]:
        """(H, W, 3) RGB."""
        picture = self._folder / 'shot.png'
        scheme = f'--blink-settings=preferredColorScheme={0 if dark else 1}'
        self._run(f'--screenshot={picture}', f'--window-size={size[0]},{size[1]}', scheme,
                  f'file://{page}{fragment}')  # fmt: skip
        return np.asarray(cv2.imread(str(picture))[..., ::-1])

    def dom(self, page: Path, fragment: str = '') -> str:
        """The document after its scripts ran."""
        return self._run('--dump-dom', f'file://{page}{fragment}')

    def _run(self, *arguments: str) -> str:
        profile = self._folder / 'profile'
        shutil.rmtree(profile, ignore_errors=True)
        command = [self._program, *FLAGS, f'--user-data-dir={profile}', *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        return done.stdout
