"""A campaign: each target by three engines, each in a process of its own that may die.

python -m trust.fuzz --inputs 1000000 [--targets image spec] [--out fuzzing.json] [--add]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from trust.fuzz_child import HEAD
from trust.fuzz_target import scratch_of
from trust.fuzz_targets import NAMES, target_of

ROOT = Path(__file__).parents[2]
STUCK_S = 60.0  # of no further input, on a clock that other programs slow down
START_S = 300.0
# Shares of a target's inputs. The last keeps nothing, so that its memory must not grow.
ENGINES = {'coverage': 0.45, 'structure': 0.05, 'mutation': 0.5}
GROWTH_MB = 8.0  # of resident memory over the second half of the mutations


@dataclass(slots=True)
class Outcome:
    """Of one target and engine. refused: by a sentence; deaths: of the process; slowest_ms: of
    processor time; growth_mb: of resident memory in the second half."""

    target: str
    engine: str
    inputs: int = 0
    refused: int = 0
    deaths: int = 0
    slowest_ms: float = 0.0
    growth_mb: float = 0.0
    peak_mb: float = 0.0
    seconds: float = 0.0
    findings: list[dict[str, str]] = field(default_factory=list)


def run(target: str, engine: str, count: int, seed: int, folder: Path) -> Outcome:
    """Goes on after a death, with another seed, until `count` inputs are through."""
    outcome, start_s = Outcome(target, engine), time.monotonic()
    while outcome.inputs < count and outcome.deaths < 5:
        before = outcome.inputs
        one_process(outcome, count - before, seed + outcome.deaths, folder)
        if outcome.inputs == before:
            break
    outcome.seconds = round(time.monotonic() - start_s, 1)
    return outcome


def one_process(outcome: Outcome, count: int, seed: int, folder: Path) -> None:
    """Watches it: inputs, memory, whether it gets on."""
    for name in ('state', 'ready'):
        (folder / name).unlink(missing_ok=True)
    command = [sys.executable, '-m', 'trust.fuzz_child', outcome.target, outcome.engine]
    command += [str(count), str(seed), str(folder)]
    paths = f'{ROOT / "test"}{os.pathsep}{ROOT}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'
    known = outcome.target in NAMES
    added = {**(target_of(outcome.target).environment if known else {}), 'PYTHONPATH': paths}
    with (folder / 'log').open('ab') as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **added}
        )
        resident = watched(process, folder)
    shutil.rmtree(scratch_of(process.pid), ignore_errors=True)  # the dead do not clear up
    head, data = state_of(folder)
    has_ended = process.returncode == 0
    outcome.inputs += head[0] + has_ended  # the last one is not yet counted
    outcome.refused += head[1]
    outcome.slowest_ms = max(outcome.slowest_ms, head[2] / 1e3)
    for file in folder.glob('findings.*.jsonl'):
        outcome.findings += map(json.loads, file.read_text().splitlines())
        file.unlink()
    if not has_ended:
        outcome.deaths += 1
        what = f'the process ended with {process.returncode}'
        outcome.findings.append({'key': 'death', 'what': what, 'input': data.hex()})
    outcome.peak_mb = round(max([outcome.peak_mb, *(mb for _, mb in resident)]), 1)
    late = [mb for done, mb in resident if done > head[0] / 2]
    outcome.growth_mb = round(late[-1] - late[0], 2) if late else 0.0


def watched(process: subprocess.Popen[bytes], folder: Path) -> list[tuple[int, float]]:
    """(inputs, resident MB) until it ends; killed where it is stuck."""
    found: list[tuple[int, float]] = []
    last, moved_s, begin_s = -1, time.monotonic(), time.monotonic()
    while process.poll() is None:
        time.sleep(0.1)
        now_s, is_ready = time.monotonic(), (folder / 'ready').exists()
        done = state_of(folder)[0][0] if is_ready and (folder / 'state').exists() else -1
        if done != last:
            last, moved_s = done, now_s
            found.append((done, resident_mb(process.pid)))
        if now_s - max(moved_s, begin_s) > (STUCK_S if last >= 0 else START_S):
            process.send_signal(signal.SIGKILL)
            process.wait()
    return [(done, mb) for done, mb in found if done >= 0 and mb > 0]


def resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def state_of(folder: Path) -> tuple[tuple[int, ...], bytes]:
    """What the process has shared, also after its death."""
    path = folder / 'state'
    content = path.read_bytes() if path.exists() else bytes(64)
    head = HEAD.unpack_from(content)
    return head, content[64 : 64 + head[3]]


def campaign(
    inputs: int, targets: list[str], seed: int, done: Callable[[Outcome], Any]
) -> list[Outcome]:
    """Inputs are divided by the targets' shares. done: told of each outcome at once."""
    shares = {name: target_of(name).share for name in NAMES}
    outcomes = []
    for name in targets:
        engines = dict(ENGINES)
        if target_of(name).structure is None:
            engines['coverage'] += engines.pop('structure')
        folder = Path(tempfile.mkdtemp(prefix=f'fuzz-{name}-'))
        for engine, part in engines.items():
            count = max(20, ceil(inputs * part * shares[name] / sum(shares.values())))
            outcomes.append(run(name, engine, count, seed, folder))
            done(outcomes[-1])
        shutil.rmtree(folder)
    return outcomes


def summary(o: Outcome) -> str:
    reported = [f'\n    {f["what"]} <- {f["input"][:200]}' for f in o.findings]
    return (
        f'{o.target:16} {o.engine:9} {o.inputs:8} inputs, {o.refused} refused, slowest '
        f'{o.slowest_ms:.0f} ms, +{o.growth_mb} MB, peak {o.peak_mb} MB, {o.seconds} s'
        + ''.join(reported)
    )


def account(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the reliability page cites."""
    return {
        'date': time.strftime('%Y-%m-%d', time.gmtime()),
        'machine': f'{platform.machine()}, {os.cpu_count()} cores shared with other programs',
        'python': platform.python_version(),
        'inputs': sum(r['inputs'] for r in runs),
        'refused': sum(r['refused'] for r in runs),
        'deaths': sum(r['deaths'] for r in runs),
        'findings': sum(len(r['findings']) for r in runs),
        'slowest_ms': max(r['slowest_ms'] for r in runs),
        'hours': round(sum(r['seconds'] for r in runs) / 3600, 2),
        'runs': runs,
    }


def main(arguments: list[str] | None = None) -> list[Outcome]:
    """Prints a line per target and engine, and each kind of finding with its shortest input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--inputs', type=int, default=1_000_000, help='of all targets together')
    parser.add_argument('--targets', nargs='+', choices=NAMES, default=list(NAMES))
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--out', type=Path)
    parser.add_argument('--add', action='store_true', help='to the file that is there')
    options = parser.parse_args(arguments)
    runs = json.loads(options.out.read_text())['runs'] if options.add else []

    def done(outcome: Outcome) -> None:
        print(summary(outcome), flush=True)
        runs.append(asdict(outcome))
        if options.out:
            options.out.write_text(json.dumps(account(runs), indent=1) + '\n')

    return campaign(options.inputs, options.targets, options.seed, done)


if __name__ == '__main__':
    sys.exit(any(outcome.findings for outcome in main()))
