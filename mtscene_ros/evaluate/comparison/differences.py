"""Compares two reports of `mtscene evaluate`: the difference of every score, its interval, and the
frames that changed most."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mtscene_ros.evaluate.comparison.bootstrap import (
    RESAMPLES,
    Interval,
    over_frames,
    over_sequences,
)
from mtscene_ros.evaluate.run.merge import merge
from mtscene_ros.evaluate.run.report_folder import (
    WORST_BY,
    Columns,
    Report,
    ReportError,
    SequenceReport,
    scores,
)

CHANGED_FRAMES = 8
FEW_SEQUENCES = 5

# Last word of the path of a score → whether more is better; other scores have no direction.
MORE_IS_BETTER = {
    **dict.fromkeys(
        ('miou', 'present_miou', 'accuracy', 'iou', 'delta1', 'delta2', 'delta3', 'coverage', 'ap',
         'map', 'mds', 'recall', 'precision', 'within_11', 'within_22', 'within_30', 'max_f',
         'published_max_f', 'ods_f', 'published_share'),
        True,
    ),
    **dict.fromkeys(
        ('abs_rel', 'sq_rel', 'rmse', 'log_rmse', 'mae', 'mean_deg', 'distance_m', 'size_error',
         'yaw_error_deg', 'ece', 'flicker', 'dropped_share', 'failed_share', 'p50_ms', 'p95_ms',
         'p99_ms'),
        False,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of one score.

    low, high: interval of the change, NaN if there is none; frame_change: mean change of the
    scores of single frames, if the interval is that of this mean.
    """

    path: str
    a: float
    b: float
    low: float = math.nan
    high: float = math.nan
    frame_change: float = math.nan

    @property
    def change(self) -> float:
        return self.b - self.a

    @property
    def verdict(self) -> str:
        """Returns 'better' or 'worse' if the whole interval is on one side of 0, else ''."""
        more = more_is_better(self.path)
        if more is None or not (self.low > 0 or self.high < 0):
            return ''
        return 'better' if (self.low > 0) == more else 'worse'


@dataclass(frozen=True, slots=True)
class ChangedFrame:
    """One image and its scores in both reports."""

    sequence: str
    camera: str
    stamp_ns: int
    path: str
    a: float
    b: float

    @property
    def change(self) -> float:
        return self.b - self.a


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The result of a comparison over the common sequences.

    differences: of every score of either report; over: what the intervals are drawn from; changed:
    frames, most changed first; notes: sentences.
    """

    differences: tuple[Difference, ...]
    over: str
    changed: tuple[ChangedFrame, ...]
    notes: tuple[str, ...]

    @property
    def changes(self) -> dict[str, float]:
        return {d.path: d.change for d in self.differences}


Pair = tuple[SequenceReport, SequenceReport]


def compare(a: Report, b: Report, seed: int = 0, resamples: int = RESAMPLES) -> Comparison:
    """Compares two reports. Raises ReportError if they have no sequence in common."""
    pairs, notes = common_sequences(a, b)
    totals = total(pairs, 0), total(pairs, 1)
    differences = [
        Difference(path, totals[0].get(path, math.nan), totals[1].get(path, math.nan))
        for path in dict.fromkeys([*totals[0], *totals[1]])
    ]
    frames = [(one.name, *matched(one.frames(), other.frames())) for one, other in pairs]
    rng = np.random.default_rng(seed)
    if len(pairs) > 1:
        over = f'{len(pairs)} sequences'
        found = over_sequences(len(pairs), lambda chosen: _changes(pairs, chosen), rng, resamples)
        differences = [_with(d, found.get(d.path)) for d in differences]
        if len(pairs) < FEW_SEQUENCES:
            notes.append(
                f'Intervals over {over} are rough; compare {FEW_SEQUENCES} sequences or more.'
            )
    else:
        over, [(_, mine, theirs)] = 'frames', frames
        differences = [_over_frames(d, mine, theirs, rng, resamples) for d in differences]
        notes.append(
            'There is only one sequence, so each interval is that of the mean change per frame, '
            'drawn from runs of frames; it holds for this drive only.'
        )
    return Comparison(tuple(differences), over, changed_most(frames), tuple(notes))


def common_sequences(a: Report, b: Report) -> tuple[list[Pair], list[str]]:
    """Pairs sequences of the same name, in the order of a.

    Returns the pairs and a sentence for each sequence that only one report has. Raises ReportError
    if there are no pairs.
    """
    others = {sequence.name: sequence for sequence in b.sequences}
    pairs = [(one, others[one.name]) for one in a.sequences if one.name in others]
    if not pairs:
        names = [', '.join(of.name for of in report.sequences[:5]) for report in (a, b)]
        raise ReportError(
            f'{a.folder} ({names[0]}) and {b.folder} ({names[1]}) have no sequence in common; '
            'compare reports of the same bags.'
        )
    both = {one.name for one, _ in pairs}
    notes = [
        f'{of.name} is only in {report.folder} and is left out.'
        for report in (a, b)
        for of in report.sequences
        if of.name not in both
    ]
    return pairs, notes


def total(pairs: Sequence[Pair], side: int) -> dict[str, float]:
    """Returns the scores of one side, over all pairs together."""
    return scores(merge([dict(pair[side].metrics) for pair in pairs]))


def _changes(pairs: Sequence[Pair], chosen: Sequence[int]) -> dict[str, float]:
    a, b = (total([pairs[i] for i in chosen], side) for side in (0, 1))
    return {path: b[path] - a[path] for path in a if path in b}


def _with(difference: Difference, found: Interval | None) -> Difference:
    if found is None:
        return difference
    return replace(difference, low=found[0], high=found[1])


def _over_frames(
    d: Difference, a: Columns, b: Columns, rng: np.random.Generator, resamples: int
) -> Difference:
    if d.path not in a or d.path not in b:
        return d
    changes = b[d.path].astype(np.float64) - a[d.path].astype(np.float64)
    found = over_frames(changes, rng, resamples)
    if found is None:
        return d
    mean = float(changes[np.isfinite(changes)].mean())
    return replace(_with(d, found), frame_change=mean)


def more_is_better(path: str) -> bool | None:
    """Looks up the last word of the path; `semantic.iou road` counts as iou."""
    words = re.split('[. ]', path)
    return True if 'iou' in words else MORE_IS_BETTER.get(words[-1])


# -- frames --------------------------------------------------------------------------------------


def matched(a: Columns, b: Columns) -> tuple[Columns, Columns]:
    """Returns the rows of images with predictions in both reports, in the order of a.

    Images are matched by camera and stamp.
    """
    rows_a, rows_b = _published(a), _published(b)
    both = [key for key in rows_a if key in rows_b]
    mine, theirs = ([of[key] for key in both] for of in (rows_a, rows_b))
    return {k: v[mine] for k, v in a.items()}, {k: v[theirs] for k, v in b.items()}


def _published(columns: Columns) -> dict[tuple[str, int], int]:
    keys = zip(columns['camera'], columns['stamp_ns'], columns['status'], strict=True)
    return {
        (str(camera), int(stamp)): row
        for row, (camera, stamp, status) in enumerate(keys)
        if status == 'published'
    }


def changed_most(
    frames: Sequence[tuple[str, Columns, Columns]], count: int = CHANGED_FRAMES
) -> tuple[ChangedFrame, ...]:
    """Returns the frames that changed most, each once.

    A frame counts with the score of WORST_BY that changed most, relative to the root mean square
    of the changes of that score.
    """
    farthest: dict[tuple[str, str, int], tuple[float, ChangedFrame]] = {}
    for path, *_ in WORST_BY.values():
        moved = list(_moved(frames, path))
        usual = math.sqrt(sum(c.change**2 for c in moved) / max(1, len(moved)))
        for c in moved:
            key, size = (c.sequence, c.camera, c.stamp_ns), abs(c.change) / usual if usual else 0.0
            if size > farthest.get(key, (0.0, c))[0]:
                farthest[key] = size, c
    ordered = sorted(farthest.values(), key=lambda found: -found[0])
    return tuple(frame for _, frame in ordered[:count])


def _moved(frames: Sequence[tuple[str, Columns, Columns]], path: str) -> Iterator[ChangedFrame]:
    for name, a, b in frames:
        if path not in a or path not in b:
            continue
        for camera, stamp, x, y in zip(a['camera'], a['stamp_ns'], a[path], b[path], strict=True):
            if math.isfinite(y - x):
                yield ChangedFrame(name, str(camera), int(stamp), path, float(x), float(y))


def as_json(comparison: Comparison, about: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the comparison for JSON, where NaN becomes null."""
    return {
        **about,
        'over': comparison.over,
        'differences': {
            d.path: {**_numbers(d, 'a b change low high frame_change'), 'verdict': d.verdict}
            for d in comparison.differences
        },
        'changed_frames': [
            {
                **{k: getattr(c, k) for k in ('sequence', 'camera', 'stamp_ns', 'path')},
                **_numbers(c, 'a b change'),
            }
            for c in comparison.changed
        ],
        'notes': list(comparison.notes),
    }


def _numbers(of: Difference | ChangedFrame, names: str) -> dict[str, float | None]:
    values = {name: float(getattr(of, name)) for name in names.split()}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
