"""What the tests of trust share. TRUST_SCALE=1 means full size, as `make trust` asks for;
TRUST_RESULTS names a file that keeps what came of each fault, for docs/reliability.md."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import pytest

if importlib.util.find_spec('rclpy'):
    from ros.conftest import _context, robot, start_node  # noqa: F401
    from ros.fleet import Fleet
    from trust.tools import TOPICS

    @pytest.fixture
    def fleet() -> Iterator[Fleet]:
        """One camera, and listeners to what most tests look at."""
        made = Fleet(('',), TOPICS)
        yield made
        made.node.destroy_node()
else:

    @pytest.fixture
    def start_node() -> None:
        pytest.skip('ROS 2 is not installed')


Number = TypeVar('Number', int, float)
GROUPS = ('test_fault_', 'test_canary')
RESULTS: list[dict[str, Any]] = []


def times(full: Number, sample: Number) -> Number:
    """How often, or how long: at full size, or in the ordinary tests, which may have company."""
    return full if os.environ.get('TRUST_SCALE') == '1' else sample


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Callable[[int], None]:
    """tried(n): the test did it n times, instead of once."""
    return lambda count: record_property('times', count)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Function) -> None:
    """Before a mark that skips."""
    case = item.callspec.id if hasattr(item, 'callspec') else ''
    item.user_properties += [
        ('group', item.path.stem.removeprefix('test_').removeprefix('fault_')),
        ('name', item.function.__name__.removeprefix('test_').replace('_', ' ')),
        ('case', case),
        ('expected', ' '.join((inspect.getdoc(item.function) or '').split())),
    ]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One entry for each test: of its call, or of what went wrong around it."""
    if not Path(report.fspath).name.startswith(GROUPS):
        return
    about = dict(report.user_properties)
    if report.when == 'call':
        entry = {**about, 'times': about.get('times', 1), 'outcome': report.outcome}
        RESULTS.append(entry | {'seconds': round(report.duration, 1)})
    elif report.outcome == 'skipped' and report.when == 'setup':
        RESULTS.append({**about, 'times': 0, 'outcome': 'skipped', 'seconds': 0.0})
    elif report.outcome == 'failed' and report.when == 'teardown':
        RESULTS[-1]['outcome'] = 'failed'


def pytest_sessionfinish() -> None:
    if not os.environ.get('TRUST_RESULTS') or not RESULTS:
        return
    from mtscene_ros.backends.cuda import gpu_name
    from mtscene_ros.backends.machine import machine

    about = {
        'date': datetime.now(timezone.utc).date().isoformat(),
        'machine': ', '.join(filter(None, (machine(), gpu_name()))),
        'python': sys.version.split()[0],
        'full_size': os.environ.get('TRUST_SCALE') == '1',
        'tests': sorted(RESULTS, key=lambda r: (r['group'], r['name'], r['case'])),
    }
    Path(os.environ['TRUST_RESULTS']).write_text(json.dumps(about, indent=1) + '\n')
