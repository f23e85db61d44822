"""Collects all sums over the frames of a recording, and turns them into metrics.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mtscene_ros.evaluate.scores.boundary_meter import BoundaryMeter
from mtscene_ros.evaluate.scores.boxes_meter import BoxesMeter
from mtscene_ros.evaluate.scores.calibration import Calibration
from mtscene_ros.evaluate.scores.meters import (
    DepthMeter,
    LabelMeter,
    Meter,
    Scores,
    SumMeter,
    depth_scores,
    ranges,
    ratio,
)
from mtscene_ros.evaluate.scores.saliency_meter import SaliencyMeter

STAGES = ('prepare_ms', 'infer_ms', 'decode_ms', 'latency_ms')
COUNTS = ('received', 'published', 'dropped', 'failed')
Tables = dict[str, Any]

# Creates the meter of each kind from its state, so that stored scores can be continued.
METERS: dict[str, Callable[[Mapping[str, Any]], Meter]] = {
    'labels': lambda s: LabelMeter(list(s['names']), s.get('scored')),
    'depth': lambda s: DepthMeter(tuple(s['edges_m'])),
    'boxes': lambda s: BoxesMeter(list(s['names']), s['max_m'], s['match_m'], s['min_score']),
    'normals': lambda s: SumMeter('normals'),
    'values': lambda s: SumMeter('values'),
    'saliency': lambda s: SaliencyMeter(),
    'boundary': lambda s: BoundaryMeter(s['max_dist']),
}


class Scorecard:
    """Holds all sums.

    meters: task → kind and meter; calibrations: task → calibration of its label map.
    """

    def __init__(self) -> None:
        self.meters: dict[str, tuple[str, Meter]] = {}
        self.calibrations: dict[str, Calibration] = {}
        self.flicker = {'changed': 0, 'compared': 0}
        self.stages: dict[str, list[float]] = {name: [] for name in STAGES}
        self.counts: dict[str, Any] = {**dict.fromkeys(COUNTS, 0), 'with_truth': {}}
        self.mds: Scores = {}

    def seen(self, task: str) -> None:
        """Counts one more frame that has truth for the task."""
        self.counts['with_truth'][task] = self.counts['with_truth'].get(task, 0) + 1

    def metrics(self) -> dict[str, Scores]:
        """Returns task → score → number, without scores that could not be computed."""
        found: dict[str, Scores] = {
            t: dict(meter.scores()) for t, (_, meter) in self.meters.items()
        }
        for task, calibration in self.calibrations.items():
            found.setdefault(task, {})['ece'] = calibration.ece()
        if self.flicker['compared']:
            share = self.flicker['changed'] / self.flicker['compared']
            found.setdefault('semantic', {})['flicker'] = 100 * share
        if self.mds:
            found.setdefault('boxes3d', {}).update(self.mds)
        found['latency'] = percentiles(self.stages)
        received = self.counts['received']
        found['frames'] = {f'{n}_share': ratio(self.counts[n], received) for n in COUNTS[1:]}
        return {
            task: {name: float(v) for name, v in scores.items() if np.isfinite(v)}
            for task, scores in found.items()
        }

    def tables(self) -> Tables:
        """Returns the tables: calibration, IoU, confusion, and scores by distance."""
        tables: Tables = {'calibration': self._calibration_rows()}
        for task, (_, meter) in self.meters.items():
            if isinstance(meter, LabelMeter):
                scores = meter.scores()
                tables[f'{task}_iou'] = {n: scores[f'iou {n}'] for n in meter.present()}
                name = 'confusion' if task == 'semantic' else f'{task}_confusion'
                tables[name] = {
                    'classes': [*meter.names, 'none'],
                    'counts': meter.counts.tolist(),
                }
            if isinstance(meter, DepthMeter):
                tables['depth_by_distance'] = depth_rows(meter)
            if isinstance(meter, BoxesMeter):
                tables['boxes_by_distance'] = meter.by_distance()
        return tables

    def _calibration_rows(self) -> list[dict[str, Any]]:
        found = dict(self.calibrations)
        for task, (_, meter) in self.meters.items():
            if isinstance(meter, BoxesMeter):
                found[task] = meter.calibration()
        return [{'task': task, **row} for task, c in found.items() for row in c.rows()]

    def sums(self) -> dict[str, Any]:
        """Returns all sums, so that recordings can be added up."""
        return {
            'meters': {t: {'kind': kind, **m.state()} for t, (kind, m) in self.meters.items()},
            'calibration': {task: c.state() for task, c in self.calibrations.items()},
            'flicker': dict(self.flicker),
            'stages': {name: [round(ms, 4) for ms in v] for name, v in self.stages.items()},
        }

    def add(self, counts: Mapping[str, Any], sums: Mapping[str, Any]) -> None:
        """Adds the counts and sums of a further recording's metrics.json. Raises ValueError if
        they cannot be added."""
        for task, state in sums['meters'].items():
            if task not in self.meters:
                self.meters[task] = state['kind'], METERS[state['kind']](state)
            self.meters[task][1].add(state)
        for task, state in sums['calibration'].items():
            self.calibrations.setdefault(task, Calibration()).merge(state)
        for name in self.flicker:
            self.flicker[name] += sums['flicker'][name]
        for name, values in sums['stages'].items():
            self.stages[name] += values
        for name in COUNTS:
            self.counts[name] += counts[name]
        for task, frames in counts['with_truth'].items():
            self.counts['with_truth'][task] = self.counts['with_truth'].get(task, 0) + frames


def percentiles(stages: Mapping[str, Sequence[float]]) -> Scores:
    """Returns `p50_ms`, `p95_ms` and `p99_ms` of the latency, `infer.p50_ms` and so on of the
    stages."""
    found: Scores = {}
    for name, values in stages.items():
        prefix = '' if name == 'latency_ms' else f'{name.removesuffix("_ms")}.'
        if values:
            p50, p95, p99 = np.percentile(values, (50, 95, 99))
            found |= {f'{prefix}p50_ms': p50, f'{prefix}p95_ms': p95, f'{prefix}p99_ms': p99}
    return {name: float(value) for name, value in found.items()}


def depth_rows(meter: DepthMeter) -> list[dict[str, float | None]]:
    """Returns one row per range of true depth."""
    return [
        {'from_m': near_m, 'to_m': far_m, 'truths': sums['truths'], **depth_scores(sums)}
        for near_m, far_m, sums in ranges(meter.edges_m, meter.bins)
    ]
