"""The tables of a report: names that must match those of the scores, and the legend."""

from __future__ import annotations

from pathlib import Path

from mtscene_ros.camera.outputs import NAMED_TASKS
from mtscene_ros.evaluate.pages.page_tables import HEADLINES, legend, summary
from mtscene_ros.evaluate.run.report_folder import WORST_BY, Report


def test_headlines_have_the_names_of_tasks() -> None:
    paths = [*HEADLINES, *(path for path, *_ in WORST_BY.values())]
    assert {path.split('.')[0] for path in paths} == {*NAMED_TASKS, 'latency', 'image'}


def test_human_parts_have_a_tile() -> None:
    counts = {'published': 1, 'received': 1, 'dropped': 0, 'failed': 0}
    found = {'counts': counts, 'metrics': {'human_parts': {'miou': 50.0}}}
    assert '50.0 %' in summary(Report(Path('.'), found, ()))


def test_the_legend_shows_what_occurs_or_everything() -> None:
    names = ['road', 'sky', 'car']
    known = legend({'semantic_iou': {'road': 0.5, 'car': 0.0}}, names)
    assert [name in known for name in names] == [True, False, True]
    assert all(name in legend({}, names) for name in names)  # without truth
    assert legend({}, []) == ''
