"""Assembles the report from all recordings: total, scores of each, failures, criteria."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtscene_ros.evaluate.conditions import Condition, check
from mtscene_ros.evaluate.run.job import EvaluationJob, Outcome
from mtscene_ros.evaluate.run.merge import merge
from mtscene_ros.evaluate.run.report_folder import (
    DONE,
    FRAMES,
    METRICS,
    PAGE,
    PREDICTIONS,
    SEQUENCES,
    number,
    read_metrics,
    scores,
    write_metrics,
)


def assemble(
    report: Path, jobs: Sequence[EvaluationJob], outcomes: Mapping[str, Outcome]
) -> dict[str, Any] | None:
    """Writes the report's metrics.json and returns it.

    Returns None and writes nothing where no recording could be evaluated.
    """
    done = {j.name: read_metrics(j.folder / METRICS) for j in jobs if not outcomes[j.name].error}
    if not done:
        return None
    if len(jobs) == 1:
        return done[jobs[0].name]
    _remove_single(report)
    for name in (METRICS, PAGE):  # of an earlier run: its sequences may be gone
        (report / name).unlink(missing_ok=True)
    total = merge(list(done.values()))
    total[SEQUENCES] = [{'name': name, 'metrics': of} for name, of in done.items()]
    total['failed'] = [
        {'bag': str(j.bag), 'reason': outcomes[j.name].error}
        for j in jobs
        if outcomes[j.name].error
    ]
    write_metrics(report, total)
    return total


def judged(report: Path, total: dict[str, Any], criteria: Sequence[Condition]) -> bool:
    """Adds to metrics.json whether each criterion holds; returns whether all do.

    Raises ConditionError for a score that does not exist.
    """
    found = scores(total)
    check(criteria, found)
    total['criteria'] = [
        {'condition': str(c), 'value': found[c.path], 'holds': c.holds(found[c.path])}
        for c in criteria
    ]
    write_metrics(report, total)
    return all(c['holds'] for c in total['criteria'])


def unmet(total: Mapping[str, Any]) -> list[str]:
    """Returns one sentence for each criterion that does not hold."""
    return [
        f'{c["condition"]} does not hold: it is {number(c["value"]):.4g}'
        for c in total.get('criteria', ())
        if not c['holds']
    ]


def _remove_single(report: Path) -> None:
    """Removes what an earlier report of a single recording left at the top."""
    for name in (FRAMES, PREDICTIONS, DONE):
        (report / name).unlink(missing_ok=True)


def start_afresh(report: Path, jobs: Sequence[EvaluationJob]) -> None:
    """Removes earlier results, so that every job runs again."""
    for job in jobs:
        (job.folder / DONE).unlink(missing_ok=True)
    shutil.rmtree(report / SEQUENCES, ignore_errors=True)
