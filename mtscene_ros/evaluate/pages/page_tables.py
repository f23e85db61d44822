"""Writes the tables of a report: summary, criteria, classes, distances, calibration, latency."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.evaluate.pages import charts
from mtscene_ros.evaluate.run.report_folder import Columns, Report, number, scores
from mtscene_ros.recordings.class_names import color_of
from mtscene_ros.report.html import facts, section, table, tiles
from mtscene_ros.terminal import plural

# Score → format and caption of its tile.
HEADLINES = {
    'semantic.present_miou': ('{:.1f} %', 'mIoU of classes that occur'),
    'semantic.miou': ('{:.1f} %', 'mIoU of all classes'),
    'depth.abs_rel': ('{:.3f}', 'depth AbsRel'),
    'depth.rmse': ('{:.2f} m', 'depth RMSE'),
    'boxes3d.map': ('{:.3f}', 'mAP of 3D boxes'),
    'normals.mean_deg': ('{:.1f}°', 'mean angle of normals'),
    'boundary.ods_f': ('{:.1f} %', 'boundary odsF'),
    'saliency.max_f': ('{:.1f} %', 'saliency maxF'),
    'human_parts.miou': ('{:.1f} %', 'mIoU of parts'),
    'semantic.flicker': ('{:.2f} %', 'flickering labels'),
    'latency.p50_ms': ('{:.0f} ms', 'latency, median'),
    'latency.p99_ms': ('{:.0f} ms', 'latency, 99th percentile'),
}
DEPTH_COLUMNS = (
    ('truths', 'true pixels', '{:,.0f}'), ('abs_rel', 'AbsRel', '{:.3f}'),
    ('rmse', 'RMSE, m', '{:.2f}'), ('delta1', 'δ < 1.25', '{:.3f}'),
    ('coverage', 'coverage', '{:.3f}'),
)  # fmt: skip
BOX_COLUMNS = (
    ('truths', 'truths', '{:,.0f}'), ('found', 'found', '{:,.0f}'), ('ap', 'AP', '{:.3f}'),
    ('distance_m', 'centre error, m', '{:.2f}'), ('size_error', 'size error', '{:.2f}'),
    ('yaw_error_deg', 'yaw error, °', '{:.1f}'),
)  # fmt: skip


def formatted(value: float, how: str = '{:.4g}') -> str:
    return how.format(value) if math.isfinite(value) else '–'


def summary(report: Report) -> str:
    found, counts = scores(report.metrics), report.metrics['counts']
    values = [(f'{counts["published"]} of {counts["received"]}', 'frames with results')]
    if counts['dropped'] or counts['failed']:
        values += [(str(counts[k]), k) for k in ('dropped', 'failed')]
    for path, (how, caption) in HEADLINES.items():
        if math.isfinite(found.get(path, math.nan)):
            values.append((how.format(found[path]), caption))
    return tiles((escape(value), escape(caption)) for value, caption in values)


def troubles(report: Report) -> str:
    """Lists recordings that failed, and the notes of the others; '' without any."""
    failed = [
        f'<b>{escape(name)} failed.</b> {escape(why)}' for name, why in report.failed.items()
    ]
    noted = [
        escape(f'{of.name}: {note}' if len(report.sequences) > 1 else note)
        for of in report.sequences
        for note in of.metrics['notes']
    ]
    lines = ''.join(f'<li>{line}</li>' for line in (*failed, *noted))
    return section('Notes', f'<ul>{lines}</ul>') if lines else ''


def criteria(report: Report) -> str:
    checked: Sequence[Mapping[str, Any]] = report.metrics.get('criteria', ())
    if not checked:
        return ''
    words = {True: '<b class="good">holds</b>', False: '<b class="bad">fails</b>'}
    rows = [
        (escape(c['condition']), formatted(number(c['value'])), words[c['holds']]) for c in checked
    ]
    return section('Criteria', table(('condition', 'value', 'result'), rows))


def about(report: Report) -> str:
    first = report.sequences[0].metrics
    model = first['model']
    pairs = [('model', f'{model["name"]} {model["version"]}'), ('training code', model['commit'])]
    pairs += [('model sha256', model['sha256'][:16]), ('backend', str(first['backend']))]
    pairs += [('precision', str(first['precision'])), ('mtscene_ros', str(first['mtscene_ros']))]
    for of in report.sequences[:12]:
        name = 'recording' if len(report.sequences) == 1 else of.name
        pairs.append((name, f'{of.bag} ({plural(of.metrics["bag"]["frames"], "frame")})'))
    return section('What was measured', facts(pairs))


def sequences(report: Report) -> str:
    """Returns a table with one row per sequence, '' for a single one."""
    if len(report.sequences) < 2:
        return ''
    found = [scores(of.metrics) for of in report.sequences]
    total = scores(report.metrics)
    paths = [p for p in HEADLINES if math.isfinite(total.get(p, math.nan))]
    rows = [
        (escape(of.name), str(of.metrics['counts']['published']),
         *(formatted(s.get(p, math.nan), HEADLINES[p][0]) for p in paths))
        for of, s in zip(report.sequences, found, strict=True)
    ]  # fmt: skip
    last = ('all', str(report.metrics['counts']['published']))
    rows.append((*last, *(formatted(total[p], HEADLINES[p][0]) for p in paths)))
    head = ('sequence', 'frames', *(escape(HEADLINES[p][1]) for p in paths))
    return section('Sequences', f'<div class="scroll" tabindex="0">{table(head, rows)}</div>')


def legend(tables: Mapping[str, Any], names: Sequence[str]) -> str:
    """Returns the colours of the classes that occur; names: of the model, all of which are shown
    where nobody knows which ones occur, that is without truth."""
    iou = tables.get('semantic_iou') or dict.fromkeys(names)
    items = ''.join(
        f'<span><i style="background:rgb{color_of(at, name)}"></i>{escape(name)}</span>'
        for at, name in enumerate(names)
        if name in iou
    )
    return f'<div class="legend">{items}</div>' if items else ''


def classes(tables: Mapping[str, Any]) -> str:
    """Returns the tables of IoU per class, one for each task with labels."""
    return ''.join(
        section(f'{task}: IoU per class', _iou_table(tables[f'{task}_iou'], names, counts))
        for task, names, counts in _matrices(tables)
    )


def confusions(tables: Mapping[str, Any]) -> str:
    return ''.join(
        section(f'{task}: confusion, % of the true pixels', charts.confusion(names, counts))
        for task, names, counts in _matrices(tables)
    )


def _matrices(tables: Mapping[str, Any]) -> Iterator[tuple[str, list[str], NDArray[np.int64]]]:
    """Yields task, names of the C classes and of the column without class, (C, C + 1) pixels."""
    for name, iou in tables.items():
        if name.endswith('_iou') and iou:
            task = name.removesuffix('_iou')
            matrix = tables['confusion' if task == 'semantic' else f'{task}_confusion']
            yield task, matrix['classes'], np.array(matrix['counts'], np.int64)


def _iou_table(iou: Mapping[str, Any], names: Sequence[str], counts: Any) -> str:
    share = counts.sum(1) / max(1, counts.sum())
    ordered = sorted(iou, key=lambda name: -number(iou[name]))
    rows = []
    for name in ordered:
        at, value = names.index(name), number(iou[name])
        swatch = f'<i class="swatch" style="background:rgb{color_of(at, name)}"></i>'
        bar = charts.bar_cell(value, 100.0, formatted(value, '{:.1f} %'))
        rows.append((swatch + escape(name), bar, formatted(100 * float(share[at]), '{:.2f} %')))
    return table(('class', 'IoU', 'share of true pixels'), rows)


def distances(tables: Mapping[str, Any]) -> str:
    parts = []
    depth = [row for row in tables.get('depth_by_distance', ()) if row['truths']]
    if depth:
        most = max(number(row['abs_rel']) for row in depth)
        rows = [_distance_row(row, DEPTH_COLUMNS, 'abs_rel', most) for row in depth]
        head = ('true depth', *(caption for _, caption, _ in DEPTH_COLUMNS))
        parts.append(section('Depth by distance', table(head, rows)))
    boxes = tables.get('boxes_by_distance', ())
    if boxes:
        rows = [
            (escape(row['class']), *_distance_row(row, BOX_COLUMNS, 'ap', 1.0))
            for row in boxes
            if row['truths']
        ]
        head = ('class', 'depth', *(caption for _, caption, _ in BOX_COLUMNS))
        parts.append(section('3D boxes by distance', table(head, rows)))
    return ''.join(parts)


def _distance_row(
    row: Mapping[str, Any], columns: Sequence[tuple[str, str, str]], barred: str, most: float
) -> tuple[str, ...]:
    """Returns the cells of a row; barred: the column with a bar, which is full at `most`."""
    cells = [f'<span class="whole">{row["from_m"]:g} to {row["to_m"]:g} m</span>']
    for key, _, how in columns:
        value = number(row.get(key))
        text = formatted(value, how)
        cells.append(charts.bar_cell(value, most, text) if key == barred else text)
    return tuple(cells)


def calibration(report: Report) -> str:
    parts = []
    rows = report.metrics['tables'].get('calibration', ())
    found = scores(report.metrics)
    for task in dict.fromkeys(row['task'] for row in rows):
        ece = formatted(found.get(f'{task}.ece', math.nan), '{:.3f}')
        chart = charts.reliability([row for row in rows if row['task'] == task])
        note = f'expected calibration error {ece}; bars below the diagonal are overconfident'
        parts.append(section(f'{task}: calibration', chart, f'<div class="soft">{note}</div>'))
    return ''.join(parts)


def latency(frames: Columns) -> str:
    """Returns percentiles by stage over all frames, and a histogram of the latency."""
    stages = {
        name: values[np.isfinite(values)]
        for name, values in frames.items()
        if name.endswith('_ms') and '.' not in name and values.dtype.kind == 'f'
    }
    rows = [
        (
            escape(name.removesuffix('_ms')),
            *(f'{v:.1f}' for v in np.percentile(ms, (50, 95, 99, 100))),
        )
        for name, ms in stages.items()
        if len(ms)
    ]
    if not rows:
        return ''
    whole = stages.get('latency_ms', np.zeros(0))
    chart = charts.histogram('latency per frame', whole, 'ms')
    head = ('latency, ms', 'p50', 'p95', 'p99', 'max')
    return section('Latency', table(head, rows), chart)
