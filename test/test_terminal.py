"""The bar: its text, and that nothing but a terminal sees it."""

import os
import pty
import subprocess
import sys

import pytest

from mtscene_ros.terminal import counted, text

CODE = """
from mtscene_ros import terminal
terminal.QUIET_S = 0.0
print(sum(terminal.counted(range(4), 'frames', 4)))
"""


def test_text_with_and_without_a_total() -> None:
    bar = '=' * 15 + ' ' * 15
    assert text(50, 100, 'frames', 5.0) == f'[{bar}] 50/100 frames, 10.0 per s, 5 s left'
    assert text(3, None, 'messages', 2.0) == '3 messages, 1.5 per s'


def test_no_terminal_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('mtscene_ros.terminal.QUIET_S', 0.0)
    assert list(counted('abc', 'letters', 3)) == ['a', 'b', 'c']
    assert capsys.readouterr().err == ''


def test_a_terminal_shows_it_and_is_left_clean() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, '-c', CODE], check=True, stdout=-1, stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    assert done.stdout.strip() == b'6'
    assert '0/4 frames' in shown
    assert shown.endswith('\r\x1b[K')
