"""Writes index.html into the folder of a report: one page that contains everything it shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from mtscene_ros.evaluate.pages import charts, page_tables, slider
from mtscene_ros.evaluate.pages.chosen_frames import shown_frames
from mtscene_ros.evaluate.pages.page_frames import Chosen, choose, frame_scores, worst_frame
from mtscene_ros.evaluate.run.job import options_of
from mtscene_ros.evaluate.run.report_folder import (
    PAGE,
    WORST_BY,
    Columns,
    Report,
    number,
    read_report,
)
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.spec import classes_from_options
from mtscene_ros.recordings.node_results import ShownFrame
from mtscene_ros.report.html import page, section

ANCHORS = ('frames', 'worst', 'scores', 'latency', 'about')
TIMELINES = (*(path for path, *_ in WORST_BY.values()), 'semantic.flicker', 'latency_ms')
STYLE = """
h1 + .soft { margin-bottom: 16px } h2 { scroll-margin-top: 8px } nav { display: flex; flex-wrap: wrap; gap: 4px 18px }
nav a { color: var(--accent) } section { padding: 14px 18px; margin-bottom: 16px; min-width: 0 }
.pack { columns: 460px; column-gap: 16px; margin-bottom: 16px } .pack section { break-inside: avoid; overflow-x: auto } .good { color: var(--good) } .bad { color: var(--bad) }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 8px; border: 1px solid var(--line) }
ul { margin: 0; padding-left: 20px } h1 small { font-weight: 400; color: var(--soft); font-size: 17px }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
@media (max-width: 600px) { main { padding: 16px 10px 40px } section { padding: 12px } th, td { padding-left: 9px }
  .tiles { grid-template-columns: 1fr 1fr } .tile b { font-size: 19px } .meter { min-width: 74px } .pack { columns: auto } }
"""  # noqa: E501


def write_page(folder: Path) -> Path:
    """Writes the page of a report, its recordings and predictions, and returns its path.

    Raises ReportError and BagError.
    """
    report = read_report(folder)
    frames, starts = joined([of.frames() for of in report.sequences])
    chosen = choose(frames)
    worst: dict[Chosen, str] = {}
    slides: list[dict[str, Any]] = []
    far_m = depth_range_m(report)
    for row, frame in _read_frames(report, frames, starts, {c.row for c in chosen}):
        title, text = frame_title(report, frames, starts, row), frame_scores(frames, row)
        for one in (c for c in chosen if c.row == row):
            if one.task:
                head = f'<b>{escape(one.task)}</b><span>{escape(title)}</span>'
                note = f'<span class="soft">{escape(text)}</span>'
                worst[one] = worst_frame(frame, one.task, head + note, far_m)
            else:
                slides.append(slider.slider_frame(frame, row, title, text, far_m))
    ordered = [worst[c] for c in chosen if c in worst]
    slides = slider.thinned(sorted(slides, key=lambda slide: slide['row']))
    path = folder / PAGE
    write_text(path, _page(report, frames, starts, ordered, slides))
    return path


def joined(tables: list[Columns]) -> tuple[Columns, list[int]]:
    """Joins the rows of all sequences and returns them with the first row of each.

    Columns that a sequence lacks are NaN there.
    """
    starts = np.cumsum([0, *(len(t['status']) for t in tables)])
    names = dict.fromkeys(name for table in tables for name in table)
    lacking = {len(t['status']): np.full(len(t['status']), np.nan) for t in tables}
    columns = {
        name: np.concatenate([t.get(name, lacking[len(t['status'])]) for t in tables])
        for name in names
    }
    return columns, [int(start) for start in starts[:-1]]


def depth_range_m(report: Report) -> float:
    """Returns the end of the depth scale: 95 % of the true pixels are nearer."""
    rows = report.metrics['tables'].get('depth_by_distance', ())
    total, seen = sum(number(row['truths']) for row in rows), 0.0
    for row in rows:
        seen += number(row['truths'])
        if total and seen >= 0.95 * total:
            return float(row['to_m'])
    return 60.0


def _read_frames(
    report: Report, frames: Columns, starts: list[int], rows: set[int]
) -> Iterator[tuple[int, ShownFrame]]:
    """Yields row and frame of the given rows of all sequences, in their order."""
    ends = [*starts[1:], len(frames['status'])]
    for of, begin, end in zip(report.sequences, starts, ends, strict=True):
        mine = {
            (str(frames['camera'][row]), int(frames['stamp_ns'][row])): row
            for row in sorted(rows)
            if begin <= row < end
        }
        for key, frame in shown_frames(of, set(mine)):
            yield mine[key], frame


def frame_title(report: Report, frames: Columns, starts: list[int], row: int) -> str:
    which = int(np.searchsorted(starts, row, side='right')) - 1
    seconds = (int(frames['stamp_ns'][row]) - int(frames['stamp_ns'][starts[which]])) * 1e-9
    name = f'{report.sequences[which].name}, ' if len(starts) > 1 else ''
    return f'{name}frame {row - starts[which]}, {seconds:.2f} s'


def _page(
    report: Report,
    frames: Columns,
    starts: list[int],
    worst: list[str],
    slides: list[dict[str, Any]],
) -> str:
    tables = report.metrics['tables']
    model = report.sequences[0].metrics['model']
    name = report.metrics['bag']['name']
    title = f'{model["name"]} {model["version"]}'
    parts = [
        f'<h1>{escape(title)} <small>on {escape(name)}</small></h1><div class="soft">mtscene_ros '
        f'evaluation · written {time.strftime("%Y-%m-%d %H:%M %Z")}</div>',
        f'<nav>{"".join(f"""<a href="#{to}">{to}</a>""" for to in ANCHORS)}</nav>',
        page_tables.summary(report),
        page_tables.criteria(report),
        page_tables.troubles(report),
        page_tables.sequences(report),
        '<h2 id="frames">Frames</h2>',
        slider.player(slides, page_tables.legend(tables, class_names(report))),
        _timelines(frames, starts),
        '<h2 id="worst">Worst frames</h2>' if worst else '',
        *worst,
        '<h2 id="scores">Scores</h2>',
        f'<div class="pack">{page_tables.classes(tables)}{page_tables.distances(tables)}'
        f'{page_tables.calibration(report)}</div>',
        page_tables.confusions(tables),
        f'<h2 id="latency">Latency</h2>{page_tables.latency(frames)}',
        f'<h2 id="about">About</h2>{page_tables.about(report)}',
    ]
    style = STYLE + charts.STYLE + slider.STYLE
    return page(f'{title}: {name}', parts, style, slider.SCRIPT if slides else '')


def class_names(report: Report) -> list[str]:
    """Returns the semantic classes of the model by id; empty for a model without that task."""
    _, spec = options_of(report.sequences[0].folder)
    if 'semantic' not in spec.tasks:
        return []
    return [
        c.name for c in sorted(classes_from_options(spec.tasks['semantic']), key=lambda c: c.id)
    ]


def _timelines(frames: Columns, starts: list[int]) -> str:
    drawn = ''.join(
        charts.timeline(path, np.asarray(frames[path], np.float64), starts)
        for path in TIMELINES
        if path in frames
    )
    note = '<div class="soft">Click a plot to show the nearest frame above.</div>'
    return section('Scores by frame', drawn, note) if drawn else ''
