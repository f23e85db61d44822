"""The page says what the files of measurements say, and reads them as they are."""

from __future__ import annotations

import json
from typing import Any

from benchmarks import reliability


def test_the_page_is_what_the_files_say() -> None:
    """`python -m benchmarks.reliability` mends it."""
    assert reliability.PAGE.read_text() == reliability.page()


def test_a_criterion_that_is_not_met_is_told() -> None:
    soak: dict[str, Any] = json.loads((reliability.RESULTS / 'soak.json').read_text())
    soak['stored']['met']['memory'] = False
    soak['stored']['growth_mb_per_10000_frames'] = 1.5
    text = '\n'.join(reliability.soak_section(soak))
    assert '| growth per 10,000 images (limit 1 MB) | **1.500 MB: not met** |' in text


def test_cases_of_one_test_are_one_row() -> None:
    case = {'group': 'disk', 'name': 'x', 'expected': 'y.', 'times': 30, 'outcome': 'passed'}
    cases = [case, case | {'outcome': 'failed', 'times': 2}]
    assert reliability.fault_rows(cases) == ['| x | y. | 32 | 1 passed, 1 failed |']
    assert reliability.fault_rows(cases[:1]) == ['| x | y. | 30 | passed |']


def test_what_is_not_measured_is_told() -> None:
    for section in ('soak_section', 'fault_section', 'fuzzing_section'):
        assert getattr(reliability, section)(None)[-1] == 'Not measured yet.'


def test_fuzzing_by_target() -> None:
    run = {'target': 'image', 'inputs': 10, 'refused': 4, 'deaths': 0, 'slowest_ms': 3.2}
    found = {
        'date': 'd', 'machine': 'm', 'python': 'p', 'inputs': 20, 'refused': 8, 'deaths': 0,
        'findings': 0, 'slowest_ms': 3.2, 'hours': 0.1, 'runs': [run | {'findings': []}] * 2,
    }  # fmt: skip
    assert reliability.fuzzing_section(found)[-1] == '| image | 20 | 8 | 0 | 3 | 0 |'
