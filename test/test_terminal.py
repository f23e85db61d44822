"""Plain lines, bars and the rewritten line: their text, and that only a terminal sees them."""

import os
import pty
import subprocess
import sys

import pytest

from mtscene_ros.cli.main import main
from mtscene_ros.terminal import (
    PlainText,
    StatusLine,
    counted,
    drawable,
    plural,
    progress_text,
    shown,
    time_left,
)

BEGIN = """
import sys
from mtscene_ros import terminal
terminal.QUIET_S = terminal.PERIOD_S = 0.0
"""
COUNT = BEGIN + "print(sum(terminal.counted(range(4), 'frame', 4)))"
STEPS = BEGIN + "with terminal.Bar('frame', 3) as bar: bar.step(); bar.step()"
KILLED = BEGIN + "bar = terminal.Bar('frame'); bar.show(7); raise SystemExit(0)"
LINE = (
    BEGIN
    + """
line = terminal.StatusLine(to_stderr=True)
line.show('1 of [2] messages')
line.end('2 messages')
"""
)
HIDE, SHOW = '\x1b[?25l', '\x1b[?25h'  # the cursor


def seen(code: str) -> tuple[str, str]:
    """What a program prints to a pipe, and what a terminal of 80 columns gets from its stderr."""
    ours, theirs = pty.openpty()
    environment = os.environ | {'TERM': 'xterm', 'COLUMNS': '80'}
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, check=True, stdout=-1, stderr=theirs, env=environment)
    os.close(theirs)
    shown = os.read(ours, 9999).decode()
    os.close(ours)
    return done.stdout.decode().strip(), shown


def test_plurals() -> None:
    assert [plural(n, 'frame') for n in (0, 1, 2)] == ['0 frames', '1 frame', '2 frames']
    assert plural(3, 'class', 'classes') == '3 classes'


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [
        (0.2, '1 second'), (59.4, '59 seconds'), (60, '1 minute'), (119, '2 minutes'),
        (3599, '1 hour'), (4800, '1 hour 20 minutes'), (7260, '2 hours 1 minute'),
    ],
)  # fmt: skip
def test_time_left_in_words(seconds: float, text: str) -> None:
    assert time_left(seconds) == f'about {text} left'


def test_progress_with_and_without_a_total() -> None:
    text = progress_text(50, 100, 'frame', 10.0)
    assert text == '50 of 100 frames, 10.0 per second, about 5 seconds left'
    assert progress_text(3, None, 'message', 1.5) == '3 messages, 1.5 per second'
    assert progress_text(0.5, 1.0, '', 0.1, 'step 7') == 'step 7, about 5 seconds left'
    assert progress_text(0, 1, 'frame', 0.0) == '0 of 1 frame, 0.0 per second'


def test_no_terminal_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('mtscene_ros.terminal.QUIET_S', 0.0)
    assert list(counted('abc', 'letter', 3)) == ['a', 'b', 'c']
    assert capsys.readouterr().err == ''


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    line = StatusLine(plain_period_s=0.0)
    line.show('1 of 2 messages')
    line.end('2 messages')
    assert capsys.readouterr().out == '1 of 2 messages\n2 messages\n'


@pytest.mark.parametrize(
    ('code', 'printed', 'text'),
    [
        (COUNT, '6', '3 of 4 frames'),
        (STEPS, '', '2 of 3 frames'),
        (KILLED, '', '7 frames, 0.0 per second'),
        (LINE, '', '1 of [2] messages'),
    ],
)
def test_a_terminal_shows_it_and_is_left_clean(code: str, printed: str, text: str) -> None:
    out, shown = seen(code)
    assert out == printed
    assert text in shown
    assert shown.count(HIDE) == shown.count(SHOW) == 1
    after = shown.rpartition(text)[2]
    assert '\x1b[2K' in after  # the line is erased
    assert ('2 messages' in after) == (code == LINE)


def test_what_prints_nothing_does_not_load_rich() -> None:
    code = BEGIN + "list(terminal.counted('ab', 'letter')); print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, '-c', code], check=True, stdout=-1, stderr=-1)
    assert done.stdout.strip() == b'False'


def test_text_from_outside_is_one_short_line() -> None:
    assert shown('depth 3 m ä') == 'depth 3 m ä'
    assert shown('a\x1b[31m\r\nb\t\x00') == r'a\x1b[31m\r\nb\t\x00'
    assert shown('\u202eabc\x9b\ud800') == r'\u202eabc\x9b\ud800'
    assert shown('x' * 301) == 'x' * 300 + '...'
    assert shown('ab ' * 1000, 10) == 'ab ab ab a...'
    assert len(shown('\x00' * 10**6)) < 4100


def test_nothing_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Class names of a model, printed by `mtscene`."""
    stream = PlainText(sys.stdout)
    print('a\x1b[2Jb\tä', file=stream)
    assert capsys.readouterr().out == 'a\\x1b[2Jb\tä\n'
    assert drawable(stream) is sys.stdout  # bars are ours
    assert drawable(sys.stdout) is sys.stdout


def test_errors_of_a_verb_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['report', 'a\x1b]0;evil\x07.mcap']) == 2
    assert '\x1b' not in capsys.readouterr().err
