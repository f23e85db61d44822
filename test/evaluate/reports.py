"""Reports as `mtscene evaluate` writes them, of images with one true pixel, 10 m away: an answer
of 11 m makes an AbsRel of 0.1."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mtscene_ros.evaluate.run.merge import merge
from mtscene_ros.evaluate.run.report_folder import seal
from mtscene_ros.evaluate.scores.meters import DepthMeter
from mtscene_ros.evaluate.scores.scorecard import Scorecard
from mtscene_ros.models.nested import plain

FIRST_NS = 10**18


def write_sequence(folder: Path, name: str, answers_m: Sequence[float]) -> dict[str, Any]:
    """NaN: no answer to that image, it was dropped."""
    card, meter, rows = Scorecard(), DepthMeter((0.0, 20.0)), []
    card.meters['depth'] = 'depth', meter
    for i, answer_m in enumerate(answers_m):
        row = {'index': i, 'camera': '/c', 'stamp_ns': FIRST_NS + i, 'status': 'dropped'}
        card.counts['received'] += 1
        if np.isfinite(answer_m):
            found = meter.update(np.array([[answer_m]]), np.array([[10.0]]))
            row |= {f'depth.{k}': v for k, v in found.items()} | {'status': 'published'}
            card.counts['published'] += 1
        rows.append(row)
    folder.mkdir(parents=True)
    names = {key: None for row in rows for key in row}
    pq.write_table(pa.table({n: [row.get(n) for row in rows] for n in names}), folder / FRAMES)
    (folder / 'predictions.mcap').touch()
    found = written(folder, about(f'{name}.mcap', len(rows)) | of_card(card))
    seal(folder, {})
    return found


FRAMES = 'frames.parquet'


def about(bag: str, frames: int) -> dict[str, Any]:
    model = {'name': 'm', 'version': '1', 'commit': 'c', 'sha256': '0' * 64}
    return {
        'format': 1,
        'model': model,
        'backend': 'b',
        'precision': 'fp32',
        'mtscene_ros': '0',
        'bag': {'name': bag, 'path': f'/nowhere/{bag}', 'frames': frames},
    }


def of_card(card: Scorecard) -> dict[str, Any]:
    printed = {'metrics': card.metrics(), 'tables': card.tables(), 'sums': card.sums()}
    return {'counts': card.counts, 'notes': [], **printed}


def write_report(folder: Path, sequences: Mapping[str, Sequence[float]]) -> Path:
    """One sequence at the top, several in sequences/."""
    if len(sequences) == 1:
        [(name, answers_m)] = sequences.items()
        write_sequence(folder, name, answers_m)
        return folder
    parts = {n: write_sequence(folder / 'sequences' / n, n, a) for n, a in sequences.items()}
    inside = [{'name': name, 'metrics': part} for name, part in parts.items()]
    written(folder, merge(list(parts.values())) | {'sequences': inside})
    return folder


def written(folder: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(plain(metrics))
    (folder / 'metrics.json').write_text(text)
    found: dict[str, Any] = json.loads(text)
    return found
