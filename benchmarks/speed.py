"""Prints one table: models, runtimes, number formats and threads, measured in turns.

    python -m benchmarks.speed [MODEL ...] [--runs 15] [-o FILE]      or: make speed

Each row is one inference of a generated street at the network's size, without preparing and
decoding: the median, and the CPU time of this process for the fastest run, which hardly depends on
what else runs on the machine. The ratio is that of the CPU times to ONNX Runtime's in the file's
own format with as many threads. An INT8 sibling NAME_int8.onnx beside a model is measured as well.
"off" is the largest answer of the self-test in units of its bound for bfloat16: above 1,
`precision: auto` refuses such a row.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mtscene_ros.backends import Backend, BackendError, BackendOptions, auto, open_backend, trial
from mtscene_ros.backends.machine import machine
from mtscene_ros.backends.proof import judged, stored_test
from mtscene_ros.backends.trial import Way
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.catalogue import path_of
from mtscene_ros.models.operations import count_macs
from mtscene_ros.models.self_test import SelfTest

RESULTS = Path(__file__).parent / 'results' / 'speed.md'
MODELS, THREADS = ('drive_lite', 'street_lite', 'room_lite'), (1, 2)
HEAD = (
    '| model | runtime and format | threads | p50 ms | CPU ms | GMAC per CPU s | ratio | off |\n'
    '|---|---|---|---|---|---|---|---|'
)


@dataclass(slots=True)
class Row:
    """One way with one number of threads; wall_ms, cpu_ms: of each run."""

    way: Way
    backend: Backend
    off: float
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def opened(way: Way, threads: int, test: SelfTest) -> Row | None:
    """Returns None, and says why, where a way does not work."""
    options = BackendOptions(threads, precision=way.precision)
    try:
        backend = open_backend(way.backend, way.path, options)
    except BackendError as error:
        print(f'{way}: {error}')
        return None
    found = judged(test, backend.infer, trial.COARSEST)
    return Row(way, backend, max(agreement.value / agreement.bound for agreement in found))


def measure(rows: list[Row], test: SelfTest, runs: int) -> None:
    """Runs all rows in turns; the first round does not count."""
    batch, names = test.rgb[None], [answer.tensor for answer in test.answers]
    for number in range(runs + 1):
        for row in rows:
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            row.backend.infer(batch, names)
            if number:
                row.wall_ms.append(1e3 * (time.perf_counter() - start_s))
                row.cpu_ms.append(1e3 * (time.process_time() - start_cpu_s))


def table_of(path: Path, threads: int, runs: int) -> list[str]:
    """Returns the rows of one model with one number of threads, as Markdown."""
    test = stored_test(path)
    if test is None:
        raise ValueError(f'{path} has no self-test; add one with python -m training.prove.')
    found = trial.ways(
        str(path), not auto.why_not_openvino(BackendOptions()), trial.this_processor()
    )
    rows = [row for way in found if (row := opened(way, threads, test))]
    measure(rows, test, runs)
    gmac = sum(count_macs(path).values()) / 1e9
    base_ms = min(rows[0].cpu_ms)
    lines = []
    for row in rows:
        cpu_ms = min(row.cpu_ms)
        lines.append(
            f'| {path.stem} | {row.way} | {threads} | {np.median(row.wall_ms):.1f} | {cpu_ms:.1f} '
            f'| {1e3 * gmac / cpu_ms:.0f} | {cpu_ms / base_ms:.2f} | {row.off:.2g} |'
        )
        row.backend.close()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('models', nargs='*', default=list(MODELS), metavar='MODEL')
    parser.add_argument('--runs', type=int, default=15)
    parser.add_argument('-o', '--out', type=Path, default=RESULTS)
    options = parser.parse_args()
    lines = [HEAD]
    for model in options.models:
        for threads in THREADS:
            lines += table_of(path_of(model), threads, options.runs)
    before = f'{machine()}, {trial.this_processor().name}; '
    before += ', '.join(f'{name} {version}' for name, version in trial.versions())
    note = 'Made by `make speed`; benchmarks/speed.py says what the columns are.'
    text = '\n'.join(
        ['# Speed of the bundled models on a CPU', '', f'{before}. {note}', '', *lines]
    )
    write_text(options.out, text + '\n')
    print(text)


if __name__ == '__main__':
    main()
