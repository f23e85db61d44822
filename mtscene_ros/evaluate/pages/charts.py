"""Draws plots as inline SVG, and tables with shaded cells.

Text stays outside the SVG, so that its size does not change with the width of the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

WIDTH, HEIGHT = 600, 100
STYLE = """
.chart { position: relative; margin: 6px 0 18px } .chart:last-child { margin-bottom: 2px }
.chart header { display: flex; justify-content: space-between; gap: 12px; font-size: 13px } .chart svg { height: 84px }
.chart[data-timeline] svg { width: calc(100% - 52px) }
.chart .y { position: absolute; right: 0; font-size: 11px; color: var(--soft); background: var(--card); padding: 0 3px; line-height: 1.2 }
.cursor { stroke: var(--ink); stroke-width: 1; opacity: .55; vector-effect: non-scaling-stroke }
.line { fill: none; stroke: var(--accent); stroke-width: 1.6; vector-effect: non-scaling-stroke }
.edge { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke }
.fill { fill: var(--accent); opacity: .75 }
.square { max-width: 300px } .square svg { height: auto; aspect-ratio: 1; border: 1px solid var(--line) }
.heat { font-size: 12px; width: auto } .heat td, .heat th { padding: 3px 7px; border: 1px solid var(--line); text-align: right }
.heat th:first-child, .heat td:first-child { text-align: left; padding-left: 7px; position: sticky; left: 0; background: var(--card) }
.heat thead th, .heat tr:first-child th { vertical-align: bottom } .heat .up { writing-mode: vertical-rl; transform: rotate(180deg) }
.scroll { overflow-x: auto } .whole { white-space: nowrap }
.meter { display: inline-block; min-width: 84px; padding: 0 5px; border-radius: 3px;
  background: linear-gradient(90deg, var(--bar) var(--share), transparent var(--share)) }
"""  # noqa: E501


def timeline(title: str, values: F64, starts: Sequence[int] = (), note: str = '') -> str:
    """Draws one number per frame as a line, with gaps where it is NaN.

    starts: frames where sequences start, marked by a vertical line; note: text beside the title.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return ''
    low, high = float(known.min()), float(known.max())
    span = high - low or 1.0
    last = max(1, len(values) - 1)
    edges = ''.join(
        f'<path class="edge" d="M{WIDTH * at / last:.1f} 0V{HEIGHT}"/>' for at in starts if at
    )
    lines = ''.join(
        f'<polyline class="line" points="{points}"/>' for points in _runs(values, last, low, span)
    )
    return (
        f'<div class="chart" data-timeline="{len(values)}"><header><span>{escape(title)}</span>'
        f'<span class="soft">{escape(note)}</span></header>'
        f'<span class="y">{high:.3g}</span><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)} by frame" preserveAspectRatio="none">'
        f'<path class="edge" d="M0 {HEIGHT - 1}H{WIDTH}"/>{edges}{lines}'
        f'<path class="cursor" d="M0 0V{HEIGHT}" hidden/></svg>'
        f'<span class="y" style="bottom:2px">{low:.3g}</span></div>'
    )


def _runs(values: F64, last: int, low: float, span: float) -> list[str]:
    """Returns the points of each run of numbers between gaps; a lone number becomes a dash."""
    known = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    runs = []
    for begin, end in edges.reshape(-1, 2):
        at = np.arange(begin, end, dtype=np.float64)
        x, y = WIDTH * at / last, (HEIGHT - 4) * (1 - (values[begin:end] - low) / span) + 2
        points = [f'{a:.1f},{b:.1f}' for a, b in zip(x, y, strict=True)]
        if len(points) == 1:
            points.append(f'{x[0] + 2:.1f},{y[0]:.1f}')
        runs.append(' '.join(points))
    return runs


def histogram(title: str, values: F64, unit: str, bins: int = 40) -> str:
    """Draws the values up to their 99.5th percentile, so that outliers do not flatten it."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return ''
    low, high = float(known.min()), float(np.percentile(known, 99.5))
    counts, _ = np.histogram(known, bins, (low, max(high, low + 1e-9)))
    step, top = WIDTH / bins, max(1, int(counts.max()))
    bars = ''.join(
        f'<rect class="fill" x="{i * step:.1f}" y="{HEIGHT * (1 - n / top):.1f}" '
        f'width="{step - 1:.1f}" height="{HEIGHT * n / top:.1f}"/>'
        for i, n in enumerate(counts.tolist())
        if n
    )
    return (
        f'<div class="chart"><header><span>{escape(title)}</span></header>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)}">{bars}<path class="edge" d="M0 {HEIGHT}H{WIDTH}"/></svg>'
        f'<header class="soft"><span>{low:.3g} {unit}</span>'
        f'<span>{high:.3g} {unit}</span></header></div>'
    )


def reliability(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draws how often predictions of each confidence are right; the diagonal is perfect.

    rows: from, to, confidence, accuracy, all in [0, 1].
    """
    bars = ''
    for row in rows:
        x, width, height = (
            100 * v for v in (row['from'], row['to'] - row['from'], row['accuracy'])
        )
        bars += (
            f'<rect class="fill" x="{x:.2f}" y="{100 - height:.2f}" width="{width - 0.6:.2f}" '
            f'height="{height:.2f}"/>'
        )
    return (
        '<div class="chart square">'
        '<header class="soft"><span>accuracy, 0 to 100 % ↑</span></header>'
        '<svg viewBox="0 0 100 100" role="img" aria-label="accuracy by confidence">'
        f'{bars}<path class="cursor" d="M0 100L100 0"/></svg>'
        '<header class="soft"><span></span><span>confidence, 0 to 100 % →</span></header></div>'
    )


def bar_cell(value: float, most: float, text: str) -> str:
    """Returns a number with a bar behind it, for a cell of a table."""
    share = 0.0 if not math.isfinite(value) or most <= 0 else max(0.0, min(1.0, value / most))
    return f'<span class="meter" style="--share:{100 * share:.1f}%">{text}</span>'


def confusion(classes: Sequence[str], counts: NDArray[np.int64]) -> str:
    """Draws a confusion matrix in percent of each row.

    counts: (C, C + 1), rows are truths, the last column has no class; classes: C + 1 names.
    Classes that neither truth nor predictions have are left out.
    """
    kept = [i for i in range(len(counts)) if counts[i].sum() or counts[:, i].sum()]
    columns = [*kept, len(counts)] if counts[:, -1].any() else kept
    head = ''.join(f'<th><span class="up">{escape(classes[j])}</span></th>' for j in columns)
    body = ''
    for i in kept:
        total = counts[i].sum()
        cells = ''.join(_heat_cell(i, j, counts[i, j] / max(1, total)) for j in columns)
        body += f'<tr><td>{escape(classes[i])}</td>{cells if total else _empty(len(columns))}</tr>'
    return (
        '<div class="scroll" tabindex="0"><table class="heat"><tr><th>truth ↓ prediction →</th>'
        f'{head}</tr>{body}</table></div>'
    )


def _heat_cell(row: int, column: int, share: float) -> str:
    color = '#2e9e57' if row == column else '#d6453a'
    strength = 100 * math.sqrt(share) * 0.75
    text = '' if share < 0.0005 else f'{100 * share:.1f}'
    style = f'background:color-mix(in srgb,{color} {strength:.0f}%,transparent)'
    return f'<td style="{style}">{text}</td>'


def _empty(count: int) -> str:
    return '<td></td>' * count
