"""Writes docs/reliability.md from the measurement files, so that its figures are always theirs.

python -m benchmarks.reliability            write the page
python -m benchmarks.reliability --check    exit code 1 if the page differs from the files
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / 'results'
PAGE = Path(__file__).parents[1] / 'docs' / 'reliability.md'

HEAD = """# Reliability

This page lists what was done to the package to make it fail, how often, and the outcome. Every
figure comes from soak, faults, faults_gpu, fuzzing and fuzzing_differences in
`benchmarks/results`, and `python -m benchmarks.reliability` writes the page; a test compares them.
`make reliability` repeats the faults, `python -m benchmarks.soak` the long runs. On a machine with
a GPU: `TRUST_SCALE=1
TRUST_RESULTS=benchmarks/results/faults_gpu.json python -m pytest test/trust/test_fault_gpu.py`,
`python -m benchmarks.soak gpu` and `python -m benchmarks.digests --backends onnxruntime_cuda`.

## What the node guarantees

* Every image that the node received is published, dropped or failed, and counted as such in
  `~/debug/frame_stats` and `/diagnostics`: `received = published + dropped + failed`, once the
  image being processed and the waiting one are done.
* An image that cannot be used, or whose inference fails, is lost; the node continues with the
  next one. After three in a row, the camera's entry in `/diagnostics` is ERROR.
* NaN in a model's output becomes unknown depth and left-out boxes, with a WARN.
* An inference that takes longer than `watchdog.timeout_s` (10 s) is considered to hang. Since no
  process can stop such a call in itself, the node continues without it: `/diagnostics` and the log
  show an ERROR, images are still counted, services answer. If the call returns, everything is as
  before. `deactivate` and `cleanup` finish within the timeout and abandon the model together with
  its memory; `configure` loads it again. SIGINT and SIGTERM end the process within 5 s with exit
  code 0. (This does not hold for a runtime that hangs while it holds Python's global interpreter
  lock; those that we use release it. Otherwise only SIGKILL helps, which `ros2 launch` sends by
  itself.)
* With `watchdog.exit`, the node ends itself in this case with exit code 1, and `use_respawn` of
  the launch file starts it again. This is the only way back to a working runtime without a
  person. It is off by default, because the robot's own supervision may know better.
* A signal shuts down the ROS context and interrupts nothing else. If it were left to rclpy, SIGINT
  would also raise KeyboardInterrupt, which destroys the executor while a thread of rclpy is about
  to wake it, without a lock. Of 223 nodes that were interrupted while they started to load, three
  at a time on two cores, one crashed like this (SIGSEGV in rcl_trigger_guard_condition). Of 1,142
  since then, three and six at a time, none did.
* The middleware can hang, too. Fast DDS 2.14, which Jazzy uses, can deadlock when many processes
  of a busy machine leave at once (one thread removes a peer and waits for a timer, whose thread
  waits for the first), and when it takes a slow process for a dead one (eProsima/Fast-DDS#6484,
  #6485, ros2/rmw_fastrtps#908). Of fifty nodes on two busy cores, sometimes one or two hang like
  this at their end, while rclpy holds the global interpreter lock. Only a new process helps: 8 s
  after SIGINT or SIGTERM the old one is ended with exit code 1, and prints where its threads were.
  Two seconds later, SIGALRM ends a process whose Python interpreter has already finished.
* A model allocates its GPU memory at the start (`warm_up`), so no image is lost when other
  programs take the rest. A node that starts or changes its model without enough memory says so in
  one sentence; `backend: auto` uses the CPU.
* Files are complete or absent: engines, checkpoints, weights, recordings, pages, tables. They are
  written aside and renamed, and what a killed process leaves the next one removes: a lock says
  whether its owner lives. `mtscene record` stops 64 MB before its disk is full, with a complete
  recording and exit code 1. What a killed one had written, the next one moves to
  `*.unfinished-1.mcap`, and says so.
* A node that is killed leaves up to 70 MB in /dev/shm. The next one of the same user frees it; a
  lock says whether its owner lives.
* The results of an evaluation appear together or not at all. `done.json` is written last and holds
  digests of the files beside it. `mtscene compare` refuses what does not fit them; `mtscene
  evaluate` then evaluates again and says why.
"""

DIFFERENCES = (
    'A finding would be an image that libjpeg or libpng decode at another size than its header '
    'says to us, or a file of weights that protobuf finds in a model and we do not. Half of the '
    'inputs of each target are guided by coverage.'
)

COLUMNS = {
    'stored': 'stored outputs',
    'bundled': 'bundled model, ONNX Runtime, one thread',
    'gpu': 'bundled model, ONNX Runtime with CUDA',
}

SOAK_ROWS = {
    'images': lambda r: f'{r["frames"]:,} at {r["camera"]}',
    'date, machine': lambda r: f'{r["date"]}, {r["machine"].split(", ", 1)[1]}',
    'load average at start and end': lambda r: ' / '.join(
        f'{load:g}' for load in r['load_average_at_start_and_end']
    ),
    'rate': lambda r: f'{r["rate_hz"]:g} Hz, {r["seconds"]:g} s',
    'received = published + dropped + failed': lambda r: (
        f'{r["received"]:,} = {r["published"]:,} + {r["dropped"]} + {r["failed"]}'
    ),
    'resident memory after the warm-up, half-way, at the end': lambda r: (
        ' / '.join(f'{mb:.1f}' for mb in r['resident_mb']) + ' MB'
    ),
    'growth per 10,000 images (limit 1 MB)': lambda r: met(
        r, 'memory', f'{r["growth_mb_per_10000_frames"]:.3f} MB'
    ),
    'growth of GPU memory per 10,000 images': lambda r: (
        f'{r["gpu_growth_mb_per_10000_frames"] + 0.0:.3f} MB'
        if 'gpu_growth_mb_per_10000_frames' in r
        else '—'
    ),
    'file descriptors': lambda r: met(r, 'descriptors', ', '.join(map(str, r['descriptors']))),
    'threads': lambda r: met(r, 'threads', ', '.join(map(str, r['threads']))),
    'latency p50, first and last tenth': lambda r: first_and_last(r['p50_ms_of_each_tenth']),
    'latency p99, first and last tenth (limit +10 %)': lambda r: met(
        r, 'p99', first_and_last(r['p99_ms_of_each_tenth'])
    ),
    'CPU time per image, first and second half': lambda r: first_and_last(
        r['cpu_ms_per_frame_of_each_half']
    ),
}

GROUPS = {
    'backend': 'Runtimes that fail',
    'camera': 'Cameras that misbehave',
    'listeners': 'Subscribers, load, many nodes',
    'churn': 'Subscribers, cameras and models that come and go',
    'model': 'Model and engine files, signals',
    'disk': 'Full disks and SIGKILL',
    'kills': 'SIGKILL at random moments of commands',
    'doors': 'Files, requests and surroundings that go round checks',
    'canary': 'Numbers that must not change',
    'gpu': 'A GPU that other programs fill',
}


def met(result: dict[str, Any], criterion: str, figure: str) -> str:
    return figure if result['met'][criterion] else f'**{figure}: not met**'


def first_and_last(values: list[float]) -> str:
    return f'{values[0]:.2f} / {values[-1]:.2f} ms'


def read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f'{name}.json'
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def soak_section(soak: dict[str, Any] | None) -> list[str]:
    if not soak:
        return ['## Long runs', '', 'Not measured yet.']
    kinds = [kind for kind in COLUMNS if kind in soak]
    lines = ['## Long runs', '', '| | ' + ' | '.join(COLUMNS[k] for k in kinds) + ' |']
    lines.append('|---' * (len(kinds) + 1) + '|')
    for title, cell in SOAK_ROWS.items():
        lines.append(f'| {title} | ' + ' | '.join(cell(soak[k]) for k in kinds) + ' |')
    lines += [
        '',
        'Each image is sent after the last one was accounted for, so that all are processed. '
        "Latencies are the node's own. They vary with other programs on a shared machine, where "
        'CPU time per image is the better measure.',
    ]
    return lines


def fault_section(
    faults: dict[str, Any] | None, title: str = '## Faults while running'
) -> list[str]:
    if not faults:
        return [title, '', 'Not measured yet.']
    outcomes = Counter(test['outcome'] for test in faults['tests'])
    summary = ', '.join(f'{count} {outcome}' for outcome, count in outcomes.most_common())
    size = 'full size' if faults['full_size'] else 'some faults repeated less often, see `times`'
    lines = [title, '', f'{faults["machine"]}, Python {faults["python"]}; {size}; {summary}.']
    for group, about in GROUPS.items():
        tests = [t for t in faults['tests'] if t['group'] == group and t['outcome'] != 'skipped']
        if tests:
            dates = sorted({t['date'] for t in tests if 'date' in t})
            lines += [
                '',
                f'### {about}',
                *(['', f'Measured {" and ".join(dates)}.'] if dates else []),
            ]
            lines += ['', '| fault | required behaviour | times | outcome |']
            lines += ['|---|---|---|---|', *fault_rows(tests)]
    return lines


def fault_rows(tests: list[dict[str, Any]]) -> list[str]:
    """Returns one row per test, with its cases combined."""
    named: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for test in tests:
        named[test['name']].append(test)
    rows = []
    for name, cases in named.items():
        outcomes = Counter(case['outcome'] for case in cases)
        result = ', '.join(
            outcome if len(cases) == 1 else f'{count} {outcome}'
            for outcome, count in outcomes.items()
        )
        result += ''.join(f'; {case["note"]}' for case in cases if 'note' in case)
        count = sum(case['times'] for case in cases)
        rows.append(f'| {name} | {cases[0]["expected"]} | {count:,} | {result} |')
    return rows


def fuzzing_section(
    fuzzing: dict[str, Any] | None, title: str = '## Hostile input', about: str = ''
) -> list[str]:
    if not fuzzing:
        return [title, '', 'Not measured yet.']
    lines = [title, '', *([about, ''] if about else [])]
    lines += [
        f'{fuzzing["date"]}, {fuzzing["machine"]}, Python {fuzzing["python"]}: '
        f'{fuzzing["inputs"]:,} inputs in {fuzzing["hours"]:g} hours, {fuzzing["refused"]:,} '
        f'refused with one sentence, {fuzzing["deaths"]} process '
        f'crash{"es" if fuzzing["deaths"] != 1 else ""}, {fuzzing["findings"]} open '
        f'finding{"s" if fuzzing["findings"] != 1 else ""}; the slowest input took '
        f'{fuzzing["slowest_ms"]:.0f} ms of processor time.',
        '',
        '| target | inputs | refused | crashes | slowest, ms | open findings |',
        '|---|---|---|---|---|---|',
    ]
    targets: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in fuzzing['runs']:
        targets[run['target']].append(run)
    for target, runs in sorted(targets.items()):
        inputs, refused, deaths = (
            sum(r[k] for r in runs) for k in ('inputs', 'refused', 'deaths')
        )
        slowest_ms, left = (
            max(r['slowest_ms'] for r in runs),
            sum(len(r['findings']) for r in runs),
        )
        lines.append(
            f'| {target} | {inputs:,} | {refused:,} | {deaths} | {slowest_ms:.0f} | {left} |'
        )
    return lines


def page() -> str:
    sections = [
        HEAD.strip().splitlines(),
        soak_section(read('soak')),
        fault_section(read('faults')),
        fault_section(read('faults_gpu'), '## Faults with a GPU'),
        fuzzing_section(read('fuzzing')),
        fuzzing_section(
            read('fuzzing_differences'), '## Our readers against those of libraries', DIFFERENCES
        ),
    ]
    return '\n\n'.join('\n'.join(section) for section in sections) + '\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true')
    options = parser.parse_args()
    text = page()
    if options.check:
        return int(not PAGE.exists() or PAGE.read_text() != text)
    PAGE.write_text(text)
    return 0


if __name__ == '__main__':
    sys.exit(main())
