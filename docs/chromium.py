"""A headless Chromium, driven over its debugging pipe: messages of JSON, each ended by a NUL."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from types import TracebackType
from typing import Any

import cv2
import numpy as np

PROGRAM = shutil.which('chromium') or shutil.which('chromium-browser') or ''
FLAGS = """
--headless --no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic
--no-first-run --disable-background-networking --disable-component-update --disable-sync
--disable-dev-shm-usage --remote-debugging-pipe --hide-scrollbars
"""


class Chromium:
    """One page of a browser with software WebGL, a profile of its own, no network beyond it."""

    def __init__(self, width: int, height: int) -> None:
        self._profile = tempfile.mkdtemp()
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        pipes = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'  # Chromium wants these two numbers
        settings = [f'--user-data-dir={self._profile}', f'--window-size={width},{height}']
        command = [PROGRAM, *FLAGS.split(), *settings, 'about:blank']
        self._process = subprocess.Popen(
            ['bash', '-c', pipes, 'bash', *command],
            pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._numbers, self._rest = count(1), b''
        self._session: dict[str, str] = {}
        [page] = [t for t in self.call('Target.getTargets')['targetInfos'] if t['type'] == 'page']
        attached = self.call('Target.attachToTarget', targetId=page['targetId'], flatten=True)
        self._session = {'sessionId': attached['sessionId']}

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the DevTools protocol and its result."""
        number = next(self._numbers)
        command = {'id': number, 'method': method, 'params': parameters, **self._session}
        os.write(self._out, json.dumps(command).encode() + b'\0')
        answer = next(m for m in self._messages() if m.get('id') == number)
        assert 'result' in answer, answer
        return answer['result']

    def _messages(self) -> Iterator[Any]:
        """What Chromium says, answers and events alike, for ever."""
        while True:
            text, ended, rest = self._rest.partition(b'\0')
            if ended:
                self._rest = rest
                yield json.loads(text)
            else:
                read = os.read(self._in, 1 << 20)
                assert read, 'Chromium has ended'
                self._rest += read

    def open(self, address: str) -> None:
        """Until the page has loaded."""
        self.call('Page.enable')
        self.call('Page.navigate', url=address)
        next(m for m in self._messages() if m.get('method') == 'Page.loadEventFired')

    def value(self, expression: str) -> Any:
        """Of an expression in JavaScript, a promise's once it is there."""
        answer = self.call(
            'Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True
        )
        assert 'exceptionDetails' not in answer, answer
        return answer['result'].get('value')

    def press(self, key: str) -> None:
        """A key of the keyboard, down and up: 'Tab', ' ', 'ArrowRight'."""
        code = {'Tab': 9, ' ': 32, 'Enter': 13, 'Escape': 27, 'ArrowLeft': 37, 'ArrowRight': 39}
        about = {'key': key, 'windowsVirtualKeyCode': code[key]}
        text = {'text': {' ': ' ', 'Enter': '\r'}[key]} if key in (' ', 'Enter') else {}
        self.call('Input.dispatchKeyEvent', type='keyDown', **about, **text)
        self.call('Input.dispatchKeyEvent', type='keyUp', **about)

    def picture(self) -> np.ndarray:
        """(H, W, 3) RGB of what the page shows now."""
        data = base64.b64decode(self.call('Page.captureScreenshot')['data'])
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None
        return bgr[..., ::-1]

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._in)
        os.close(self._out)
        time.sleep(0.2)  # its children still write into the profile
        shutil.rmtree(self._profile, ignore_errors=True)
