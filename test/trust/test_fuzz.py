"""A sample of each target's inputs at every test run; the whole campaign by `make trust`."""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from patience import PATIENCE_S

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from . import fuzz, fuzz_child
from .fuzz_child import Account, judged, mutated
from .fuzz_target import Target
from .fuzz_targets import NAMES, target_of

# Of these only the first seed is good: weights or metadata are missing, lines are no JSON, markers
# stand where decoders want none.
FIRST_IS_GOOD = ('onnxruntime', 'openvino', 'stored_outputs', 'json_and_lists', 'image_header')
INPUTS = 600  # of a target with share 1


@pytest.mark.filterwarnings('default')  # of libraries
@pytest.mark.parametrize('name', NAMES)
def test_seeds_are_good(name: str) -> None:
    target = target_of(name)
    seeds = target.seeds()
    assert max(map(len, seeds)) <= 60000
    for seed in seeds[:1] if name in FIRST_IS_GOOD else seeds:
        target.run(seed)


@pytest.mark.filterwarnings('default')  # of libraries, about damaged files
@pytest.mark.parametrize('name', NAMES)
def test_sample(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is slow is the campaign's to find: processor time grows where cores are shared."""
    monkeypatch.setattr(fuzz_child, 'LIMIT_S', PATIENCE_S)
    target, made = target_of(name), random.Random(5)
    account = Account(tmp_path)
    one_input = judged(target, account)
    count = max(12, round(INPUTS * target.share))
    for _ in range(count):
        one_input(mutated(made, target.seeds() if target.share > 0.1 else cached(target)))
    assert account.findings == {}
    assert account.done == count


def cached(target: Target, found: dict[int, list[bytes]] = {}) -> list[bytes]:  # noqa: B006
    """Seeds that take long to make."""
    return found.setdefault(id(target), target.seeds())


def test_what_would_be_found(tmp_path: Path) -> None:
    """An unexpected error and a slow input, not a refusal."""

    def run(data: bytes) -> None:
        if data == b'slow':
            end_s = time.process_time() + 1.05
            while time.process_time() < end_s:
                pass
        raise {b'bad': KeyError, b'slow': ValueError}.get(data, ValueError)

    account = Account(tmp_path)
    one_input = judged(Target(list, run, (ValueError,)), account)
    for data in (b'fine', b'bad', b'slow'):
        one_input(data)
    assert sorted(account.findings) == ['KeyError at test_fuzz.py:run', 'slow']
    assert (account.done, account.refused) == (3, 2)


def test_a_process_that_dies_or_hangs_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As seen by the parent: a target that does not exist ends the process at once."""
    outcome = fuzz.run('no such target', 'mutation', 10, 1, tmp_path)
    assert (outcome.inputs, outcome.deaths) == (0, 1)
    assert outcome.findings[0]['what'] == 'the process ended with 1'
    monkeypatch.setattr(fuzz, 'START_S', 0.3)
    outcome = fuzz.run('manifest', 'mutation', 10, 1, tmp_path)
    assert outcome.findings[0]['what'] == 'the process ended with -9'


@pytest.mark.trust
def test_campaign(tmp_path: Path) -> None:
    """A million inputs at TRUST_SCALE 1: no finding, no death, no growth. TRUST_FUZZING names a
    file that keeps what came of it, for docs/reliability.md."""
    pytest.importorskip('atheris', reason='requirements/trust.txt is not installed')
    count = round(1_000_000 * float(os.environ.get('TRUST_SCALE', '1')))
    out = Path(os.environ.get('TRUST_FUZZING', tmp_path / 'fuzzing.json'))
    outcomes = fuzz.main(['--inputs', str(count), '--out', str(out)])
    assert [f for o in outcomes for f in o.findings] == []
    assert sum(o.inputs for o in outcomes) >= count
    for outcome in outcomes:
        assert outcome.slowest_ms < 1000, outcome
        if outcome.engine == 'mutation' and outcome.inputs >= 2000:
            assert outcome.growth_mb < fuzz.GROWTH_MB, outcome


@pytest.mark.trust
def test_our_readers_agree_with_those_of_the_libraries(tmp_path: Path) -> None:
    """A million inputs guided by coverage and as many blind ones at TRUST_SCALE 1: no image is
    decoded that is larger than its header says to us, and protobuf finds no file of weights that
    is hidden from us. TRUST_DIFFERENCES keeps what came of it."""
    pytest.importorskip('atheris', reason='requirements/trust.txt is not installed')
    count = round(1_000_000 * float(os.environ.get('TRUST_SCALE', '1')))
    outcomes = []
    for target in ('image_header', 'external_data'):
        folder = tmp_path / target
        folder.mkdir()
        for engine in ('coverage', 'mutation'):
            outcomes.append(fuzz.run(target, engine, count, 1, folder))
    out = Path(os.environ.get('TRUST_DIFFERENCES', tmp_path / 'differences.json'))
    out.write_text(json.dumps(fuzz.account([asdict(o) for o in outcomes]), indent=1) + '\n')
    assert [f for o in outcomes for f in o.findings] == []
    assert all(o.inputs >= count for o in outcomes)
