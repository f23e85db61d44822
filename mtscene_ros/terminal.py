"""What a person at a terminal sees: plain lines, a bar for what takes long, a line that is
rewritten. A pipe or a file gets plain lines only.

`rich` draws, and is imported only when something is drawn.
"""

from __future__ import annotations

import atexit
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import numpy as np

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress

T = TypeVar('T')

BAR_WIDTH = 30
MAX_WORD = 300
LONG_WORD = re.compile(rf'(\S{{{MAX_WORD}}})\S+')
QUIET_S = 1.5  # what is over by then needs no bar
PERIOD_S = 0.2


def shown(text: str, most: int = 1000) -> str:
    """Returns text from outside as one line for a log, a terminal or a page.

    Control characters become visible escapes, words of more than MAX_WORD characters and what is
    longer than `most` are cut.
    """
    cut = LONG_WORD.sub(r'\1...', text[: 4 * most])
    line = ''.join(visible(character) for character in cut[:most])
    return line if len(cut) <= most and len(text) <= 4 * most else f'{line}...'


def visible(character: str) -> str:
    """'\x1b' → '\\x1b'; also characters that turn the direction of writing."""
    return character if character.isprintable() else repr(character)[1:-1]


class PlainText:
    """A stream to a terminal or a file that shows control characters instead of sending them.

    Text of recordings and models may hold escape sequences. stream: what draws bars takes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        kept = ''.join(c if c in '\n\t\r' else visible(c) for c in text)
        self.stream.write(text if text.isprintable() else kept)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def drawable(stream: TextIO) -> TextIO:
    """Returns the stream that takes escape sequences of ours."""
    return stream.stream if isinstance(stream, PlainText) else stream


def plural(count: int, noun: str, nouns: str = '') -> str:
    """(1, 'frame') → '1 frame'; (2, 'frame') → '2 frames'; nouns: where it is not noun + 's'."""
    return f'{count} {noun if count == 1 else nouns or noun + "s"}'


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Returns the end of an error about a word that is not known: the most similar known one, or
    `otherwise`."""
    near = get_close_matches(word, known, 1)
    return f'did you mean {near[0]}?' if near else otherwise


def listed(names: Sequence[str], most: int = 8) -> str:
    """'a, b and c'; what exceeds `most` is counted."""
    shown = list(names[:most])
    if not shown:
        return ''
    if len(names) > most:
        shown.append(f'{len(names) - most} more')
    return ' and '.join([', '.join(shown[:-1])] * (len(shown) > 1) + shown[-1:])


def time_left(seconds: float) -> str:
    """'about 5 seconds left', 'about 1 hour 20 minutes left'."""
    whole_s = max(round(seconds), 1)
    hours, minutes = divmod(round(whole_s / 60), 60)
    if whole_s < 60:
        return f'about {plural(whole_s, "second")} left'
    parts = [plural(hours, 'hour')] * bool(hours) + [plural(minutes, 'minute')] * bool(minutes)
    return f'about {" ".join(parts)} left'


def exit_status(program: Callable[[], object]) -> int:
    """Runs the `main` of a program: what a user did wrong becomes one sentence and status 2."""
    try:
        status = program()
    except KeyboardInterrupt:
        return 130  # what shells report for SIGINT
    except (ValueError, OSError) as error:  # DataError, CheckpointError, BagError, ...
        print(f'{Path(sys.argv[0]).stem}: {error}', file=sys.stderr)
        return 2
    return status if isinstance(status, int) else 0


class Bar:
    """A bar on stderr, on a terminal only, once the work has taken QUIET_S; its end removes it.

    unit: singular of what is counted; total: None where nobody knows it, then there is text only;
    is_wanted: False never shows anything.
    """

    def __init__(self, unit: str, total: float | None = None, *, is_wanted: bool = True) -> None:
        self._unit, self._total, self._done = unit, total, 0
        self._is_wanted = is_wanted and sys.stderr.isatty()
        self._next_s = time.monotonic() + QUIET_S
        self._first: tuple[float, float] | None = None  # when and with how much done it began
        self._progress: Progress | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        self.show(self._done)

    def show(self, done: float, note: str = '') -> None:
        """Cheap enough for every item. done: of the total; note: what to say instead of the
        count."""
        now_s = time.monotonic()
        self._first = self._first or (now_s, done)
        if now_s < self._next_s or not self._is_wanted:
            return
        self._next_s = now_s + PERIOD_S
        if self._progress is None:
            self._progress = started_progress(self._total)
            atexit.register(self.end)  # a terminal without its cursor is no fun
        spent_s, further = now_s - self._first[0], done - self._first[1]
        rate_hz = further / spent_s if spent_s > 0 else 0.0
        text = progress_text(done, self._total, self._unit, rate_hz, note)
        self._progress.update(self._progress.task_ids[0], completed=done, text=text)
        self._progress.refresh()

    def end(self) -> None:
        """Removes the bar."""
        if self._progress is not None:
            self._progress.stop()
            atexit.unregister(self.end)
        self._progress = None


def started_progress(total: float | None) -> Progress:
    """One task on stderr with the field `text`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    text = TextColumn('{task.fields[text]}', markup=False)
    progress = Progress(
        *((BarColumn(BAR_WIDTH), text) if total else (text,)),
        console=Console(file=drawable(sys.stderr)),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    progress.add_task('', total=total or 1.0, text='')
    progress.start()
    return progress


def progress_text(
    done: float, total: float | None, unit: str, rate_hz: float, note: str = ''
) -> str:
    """'50 of 100 frames, 10.0 per second, about 5 seconds left'; note: instead of the count."""
    counts = f'{done:g} of {plural(int(total), unit)}' if total else plural(int(done), unit)
    parts = [note or f'{counts}, {rate_hz:.1f} per second']
    if total and rate_hz > 0:
        parts.append(time_left((total - done) / rate_hz))
    return ', '.join(parts)


def counted(items: Iterable[T], unit: str, total: int | None = None) -> Iterator[T]:
    """The same items, with a bar."""
    with Bar(unit, total) as bar:
        for done, item in enumerate(items):
            bar.show(done)
            yield item


def say(text: str) -> None:
    """Prints at once, to a pipe as well."""
    print(text, flush=True)


class StatusLine:
    """One line that is rewritten on a terminal; elsewhere a plain line per plain_period_s."""

    def __init__(self, *, to_stderr: bool = False, plain_period_s: float = 1.0) -> None:
        self._file = sys.stderr if to_stderr else sys.stdout
        self._is_terminal = self._file.isatty()
        self._period_s = PERIOD_S if self._is_terminal else plain_period_s
        self._next_s = time.monotonic() + min(self._period_s, 1.0)
        self._live: Live | None = None

    def show(self, text: str) -> None:
        """Shows the text unless the last one is too fresh."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + self._period_s
        if self._is_terminal:
            self._rewrite(text)
        else:
            print(text, file=self._file, flush=True)

    def _rewrite(self, text: str) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            self._live = Live(
                console=Console(file=drawable(self._file)),
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            atexit.register(self.end)
        self._live.update(Text(text, no_wrap=True, overflow='ellipsis'), refresh=True)

    def end(self, text: str = '') -> None:
        """Removes the line and prints the last text in its place."""
        if self._live is not None:
            self._live.stop()
            atexit.unregister(self.end)
        self._live = None
        if text:
            print(text, file=self._file, flush=True)


def size(text: str) -> tuple[int, int]:
    """'512x256' → (512, 256)."""
    width, height = text.split('x')
    return int(width), int(height)


RATE_WINDOW_S = 2.0


def live_text(arrived_s: Sequence[float], total_s: Sequence[float], counts: dict[str, int]) -> str:
    """arrived_s: when each frame's statistics came, any clock; total_s: its time in the node."""
    recent = [t for t in arrived_s if t > arrived_s[-1] - RATE_WINDOW_S]
    span_s = recent[-1] - recent[0] if recent else 0.0
    rate_hz = (len(recent) - 1) / span_s if span_s > 0 else 0.0
    p50, p95, p99 = 1000 * np.percentile(total_s or [0.0], (50, 95, 99))
    frames = plural(counts['published'], 'frame')
    return (
        f'{frames:>11s}  {rate_hz:5.1f} Hz  latency p50 {p50:.0f}  p95 {p95:.0f}  p99 {p99:.0f} ms'
        f'  dropped {counts["dropped"]}  failed {counts["failed"]}'
    )
