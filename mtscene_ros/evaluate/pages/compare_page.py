"""Writes a comparison as text for a terminal and as one HTML page."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from mtscene_ros.evaluate.comparison.bootstrap import CONFIDENCE
from mtscene_ros.evaluate.comparison.differences import ChangedFrame, Comparison, Difference
from mtscene_ros.evaluate.conditions import Condition
from mtscene_ros.evaluate.pages import charts
from mtscene_ros.evaluate.pages.chosen_frames import shown_frames
from mtscene_ros.evaluate.pages.evaluation_page import STYLE, depth_range_m
from mtscene_ros.evaluate.pages.pictures import PictureStyle, camera_view, encoded, views_of
from mtscene_ros.evaluate.run.report_folder import Report, SequenceReport
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.recordings.bags import BagError
from mtscene_ros.recordings.node_results import ShownFrame
from mtscene_ros.report.html import figure, page, section, table
from mtscene_ros.terminal import plural

WIDTH_PX = 560
CLOCKED = 'latency.'  # differs between two runs of one model
GRID = """
.six { display: grid; grid-template-columns: repeat(3, 1fr); gap: 10px }
@media (max-width: 700px) { .six { grid-template-columns: 1fr 1fr } }
"""


# -- numbers -------------------------------------------------------------------------------------


def kept(comparison: Comparison, everything: bool) -> list[Difference]:
    """Returns the differences to show.

    Unless `everything` is set, these are scores that changed or that one report lacks.
    """
    return [d for d in comparison.differences if everything or d.change != 0]


def cells(d: Difference, over_frames: bool) -> tuple[str, ...]:
    """Returns score, A, B, change, interval and verdict as text."""
    how = significant(d)
    low_high = f'{d.low:+{how}} to {d.high:+{how}}' if math.isfinite(d.low) else ''
    if low_high and over_frames:
        low_high = f'{d.frame_change:+{how}} ({low_high})'
    values = number(d.a, how), number(d.b, how), number(d.change, f'+{how}')
    return (d.path, *values, low_high, d.verdict)


def significant(d: Difference) -> str:
    """Returns the format of all numbers of a row: two digits of the interval's half width, beyond
    which they say nothing, or four significant digits without an interval."""
    half = (d.high - d.low) / 2
    if not half > 0:
        return '.4g'
    return f'.{min(max(1 - math.floor(math.log10(half)), 0), 9)}f'


def number(value: float, how: str = '.4g') -> str:
    return f'{value:{how}}' if math.isfinite(value) else '–'


def equality(comparison: Comparison) -> str:
    """Returns one sentence where all scores but latency are equal, which is noise; else ''."""
    scores = [d for d in comparison.differences if not d.path.startswith(CLOCKED)]
    if not scores or any(d.change != 0 for d in scores):  # NaN is not equal either
        return ''
    p50 = [d for d in comparison.differences if d.path == 'latency.p50_ms']
    clock = ''.join(f'; median latency {d.a:.3g} and {d.b:.3g} ms' for d in p50)
    return f'A and B are equal in {plural(len(scores), "score")}{clock}.'


def head(comparison: Comparison) -> tuple[str, ...]:
    share = f'{100 * CONFIDENCE:.0f} % interval'
    inside = f'per frame ({share})' if comparison.over == 'frames' else share
    return ('score', 'A', 'B', 'B − A', inside, '')


def as_text(a: Report, b: Report, comparison: Comparison, everything: bool) -> str:
    equal = equality(comparison)
    if equal and not everything:
        return '\n'.join([f'A {described(a)}', f'B {described(b)}', '', equal])
    frames = comparison.over == 'frames'
    chosen = kept(comparison, everything)
    rows = [head(comparison), *(cells(d, frames) for d in chosen)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        '  '.join(
            c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))
        )
        for r in rows
    ]
    lines = [f'A {described(a)}', f'B {described(b)}', '', *(line.rstrip() for line in lines)]
    hidden = len(comparison.differences) - len(chosen)
    if hidden:
        lines.append(f'{equal_scores(hidden)} (--all shows them)')
    if comparison.changed:
        lines += ['', 'frames that changed most']
        lines += [f'  {frame_title(c)}: {frame_change(c)}' for c in comparison.changed]
    return '\n'.join([*lines, *([''] if comparison.notes else []), *comparison.notes])


def equal_scores(count: int) -> str:
    return f'{plural(count, "score")} {"is" if count == 1 else "are"} equal'


def described(report: Report) -> str:
    first = report.sequences[0].metrics
    model = first['model']
    return (
        f'{report.folder}: {model["name"]} {model["version"]} ({model["commit"]}), '
        f'{first["backend"]}, {first["precision"]}, '
        f'{plural(len(report.sequences), "sequence")}'
    )


def frame_title(c: ChangedFrame) -> str:
    return f'{c.sequence}, stamp {c.stamp_ns * 1e-9:.3f} s'


def frame_change(c: ChangedFrame) -> str:
    return f'{c.path} {c.a:.4g} → {c.b:.4g}'


# -- page ----------------------------------------------------------------------------------------


def write(
    a: Report,
    b: Report,
    comparison: Comparison,
    conditions: Sequence[Condition],
    path: Path,
) -> None:
    """Writes the page. Raises OSError if it cannot be written."""
    frames, missing = pictures(a, b, comparison)
    notes = ''.join(f'<li>{escape(note)}</li>' for note in (*comparison.notes, *missing))
    parts = [
        '<h1>Comparison</h1><div class="soft">mtscene_ros · written '
        f'{time.strftime("%Y-%m-%d %H:%M %Z")}</div>',
        section('What is compared', f'<p><b>A</b> {escape(described(a))}</p>'
                f'<p><b>B</b> {escape(described(b))}</p>'),
        _conditions(comparison, conditions),
        section('Notes', f'<ul>{notes}</ul>') if notes else '',
        _differences(comparison),
        '<h2>Frames that changed most</h2>' if frames else '',
        *frames,
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    style = STYLE + charts.STYLE + GRID
    write_text(path, page(f'{a.folder.name} and {b.folder.name}', parts, style))


def _conditions(comparison: Comparison, conditions: Sequence[Condition]) -> str:
    if not conditions:
        return ''
    words = {True: '<b class="bad">yes</b>', False: '<b class="good">no</b>'}
    rows = [
        (
            escape(str(c)),
            number(comparison.changes[c.path], '+.4g'),
            words[c.fires(comparison.changes[c.path])],
        )
        for c in conditions
    ]
    return section('Fails if', table(('condition', 'change', 'fails'), rows))


def _differences(comparison: Comparison) -> str:
    equal = equality(comparison)
    if equal:
        return section('Differences', f'<p>{escape(equal)}</p>')
    colors = {'better': 'good', 'worse': 'bad', '': ''}
    rows = []
    for d in kept(comparison, everything=False):
        *plain, verdict = cells(d, comparison.over == 'frames')
        marked = f'<b class="{colors[verdict]}">{verdict}</b>' if verdict else ''
        rows.append((*map(escape, plain), marked))
    hidden = len(comparison.differences) - len(rows)
    note = f'<p class="soft">{equal_scores(hidden)} and not shown.</p>' if hidden else ''
    inside = f'<div class="scroll" tabindex="0">{table(head(comparison), rows)}</div>{note}'
    return section('Differences', inside)


def pictures(a: Report, b: Report, comparison: Comparison) -> tuple[list[str], list[str]]:
    """Returns a card per changed frame, most changed first, and a sentence per unreadable bag."""
    cards: dict[tuple[str, str, int], str] = {}
    missing = []
    others = {of.name: of for of in b.sequences}
    for one in a.sequences:
        wanted = {(c.camera, c.stamp_ns): c for c in comparison.changed if c.sequence == one.name}
        if not wanted:
            continue
        try:
            for key, seen in _both(one, others[one.name], set(wanted)):
                c = wanted[key]
                cards[(c.sequence, *key)] = card(c, *seen, depth_range_m(a))
        except (BagError, OSError) as error:
            missing.append(f'There are no pictures of {one.name}: {error}')
    keys = [(c.sequence, c.camera, c.stamp_ns) for c in comparison.changed]
    return [cards[key] for key in keys if key in cards], missing


def _both(
    a: SequenceReport, b: SequenceReport, wanted: set[tuple[str, int]]
) -> Iterator[tuple[tuple[str, int], tuple[ShownFrame, ShownFrame]]]:
    theirs = dict(shown_frames(b, wanted))
    for key, mine in shown_frames(a, wanted):
        if key in theirs:
            yield key, (mine, theirs[key])


def card(c: ChangedFrame, a: ShownFrame, b: ShownFrame, depth_max_m: float) -> str:
    """Returns a card with image, A, B, truth, error of A and error of B."""
    look, task = PictureStyle(WIDTH_PX, depth_max_m), c.path.split('.')[0]
    of_a, of_b = (views_of(task, x.scene.frame, x.scene.results, x.truth, look) for x in (a, b))
    title = (
        f'<header><b>{escape(c.path)}</b><span>{c.a:.4g} → {c.b:.4g}</span>'
        f'<span class="soft">{escape(frame_title(c))}</span></header>'
    )
    if of_a is None or of_b is None:
        return f'<section class="frame">{title}</section>'
    image = camera_view(a.scene.frame, look)
    pairs = [
        (image, 'image'),
        (of_a.prediction, 'A'),
        (of_b.prediction, 'B'),
        (of_a.truth, 'truth'),
    ]
    pairs += [(of_a.error, f'A, {of_a.error_is}'), (of_b.error, f'B, {of_b.error_is}')]
    figures = [figure(encoded(p), escape(name)) for p, name in pairs if p is not None]
    return f'<section class="frame">{title}<div class="six">{"".join(figures)}</div></section>'
