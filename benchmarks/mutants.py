"""Do the tests notice? Small changes of one module, each run against that module's own tests.

    python -m benchmarks.mutants                       the sample that the results are made of
    python -m benchmarks.mutants --modules geometry    one module; the others' results stay
    python -m benchmarks.mutants --per-module 1000     every mutant (hours)

Cosmic Ray makes the mutants (benchmarks/mutant_operators.py); the tests run in a copy of the
repository, one forked process per mutant. The sample is drawn evenly from the operators, because
most mutants of array code change an index and die at once. Exit code 1 where fewer than --least
percent are noticed, or a mutant that is listed as equivalent is.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

from benchmarks.mutant_operators import Mutant, mutants_of, places

ROOT = Path(__file__).parents[1]
# Module, line before and after, reason: changes of which no test could tell.
EQUIVALENT = ROOT / 'benchmarks' / 'equivalent_mutants.json'
RESULTS = ROOT / 'benchmarks' / 'results'
# Name → the module, and the test files that must notice its changes.
MODULES: dict[str, tuple[str, tuple[str, ...]]] = {
    'images': (
        'mtscene_ros/camera/images.py',
        ('test/camera/test_images.py', 'test/camera/test_image_headers.py'),
    ),
    'image_headers': (
        'mtscene_ros/camera/image_headers.py',
        ('test/camera/test_image_headers.py', 'test/camera/test_images.py'),
    ),
    'geometry': ('mtscene_ros/camera/geometry.py', ('test/camera/test_geometry.py',)),
    'letterbox': ('mtscene_ros/camera/letterbox.py', ('test/camera/test_letterbox.py',)),
    'rectify': ('mtscene_ros/camera/rectify.py', ('test/camera/test_rectify.py',)),
    'mailbox': (
        'mtscene_ros/camera/mailbox.py',
        ('test/camera/test_mailbox_accounting.py', 'test/camera/test_mailbox.py'),
    ),
    'tracking': ('mtscene_ros/temporal/tracking.py', ('test/temporal/test_tracking.py',)),
    'spec': ('mtscene_ros/models/spec.py', ('test/models/test_spec.py',)),
    'metrics': (
        'mtscene_ros/evaluate/scores/metrics.py',
        ('test/evaluate/scores/test_metrics.py',),
    ),
    'meters': (
        'mtscene_ros/evaluate/scores/meters.py',
        ('test/evaluate/scores/test_meters_by_hand.py', 'test/evaluate/scores/test_meters.py'),
    ),
    'boxes_meter': (
        'mtscene_ros/evaluate/scores/boxes_meter.py',
        ('test/evaluate/scores/test_boxes_meter.py',),
    ),
    'calibration': (
        'mtscene_ros/evaluate/scores/calibration.py',
        ('test/evaluate/scores/test_motion.py',),
    ),
    'boxes3d': ('mtscene_ros/tasks/boxes3d.py', ('test/tasks/test_decode.py',)),
    'depth': (
        'mtscene_ros/tasks/depth.py',
        ('test/tasks/test_decode.py', 'test/tasks/test_disparity.py'),
    ),
    'fcos3d': ('mtscene_ros/tasks/fcos3d.py', ('test/tasks/test_fcos3d.py',)),
    'labels': (
        'mtscene_ros/tasks/labels.py',
        ('test/tasks/test_decode.py', 'test/tasks/test_dense.py'),
    ),
    'normals': ('mtscene_ros/tasks/normals.py', ('test/tasks/test_dense.py',)),
    'probability': ('mtscene_ros/tasks/probability.py', ('test/tasks/test_dense.py',)),
    'values': ('mtscene_ros/tasks/values.py', ('test/tasks/test_dense.py',)),
    'engine_cache': (
        'mtscene_ros/backends/engine_cache.py',
        ('test/backends/test_engine_cache.py',),
    ),
}
COPIED = ('mtscene_ros', 'training', 'test', 'config', 'pyproject.toml')
# Imported once, before the processes are forked: nothing of ours.
PRELOADED = ('cv2', 'hypothesis', 'numpy', 'onnx', 'scipy.optimize', 'torch')


def copied(into: Path) -> Path:
    """Whatever the tests of MODULES read."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, into / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(ROOT / name, into / name)
    return into


def outcome_of(tree: Path, tests: tuple[str, ...], limit_s: float, log: Path) -> str:
    """'passed', 'failed' or 'timeout' of the tests in a forked process."""
    child = os.fork()
    if not child:
        os._exit(_tested(tree, tests, log))
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _kill(child)  # what the tests have started themselves
            return 'failed' if os.waitstatus_to_exitcode(status) else 'passed'
        time.sleep(0.02)
    _kill(child)
    os.waitpid(child, 0)
    return 'timeout'


class Unshrunk:
    """A failing example need not be made small where nobody reads it."""

    def pytest_collection(self) -> None:
        wanted = (Phase.explicit, Phase.generate)
        settings.register_profile('mutants', settings.default, phases=wanted)
        settings.load_profile('mutants')


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _tested(tree: Path, tests: tuple[str, ...], log: Path) -> int:
    """In the forked process."""
    os.setsid()
    os.chdir(tree)
    os.environ['PYTHONPATH'] = f'{tree}:{tree / "test"}'  # of processes that the tests start
    sys.path[:0] = [str(tree), str(tree / 'test')]
    sys.dont_write_bytecode = True
    with log.open('w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'  # ROS brings six, which take a second
        try:
            plain = ('-x', '-q', '-p', 'no:cacheprovider', '--assert=plain')
            return int(pytest.main([*plain, *tests], plugins=[Unshrunk()]))
        except BaseException:
            return 1


def tried(name: str, tree: Path, count: int, seed: int) -> dict[str, Any]:
    """The outcome of one module. Raises SystemExit where its tests fail as it is."""
    module, tests = MODULES[name]
    path, log = tree / module, tree / f'{name}.log'
    source, begin_s = path.read_text(), time.monotonic()
    if outcome_of(tree, tests, 900, log) != 'passed':
        raise SystemExit(f'{tests} fail without any change:\n{log.read_text()[-3000:]}')
    lines = {line.strip() for line in source.splitlines()}
    if gone := [before for before, _ in equivalent(name) if before not in lines]:
        raise SystemExit(f'{EQUIVALENT} lists lines that {module} has not: {gone}')
    # Loads come and go on a shared machine: a slow one must not be taken for an endless loop.
    limit_s = max(60.0, 8 * (time.monotonic() - begin_s))
    made = mutants_of(source, random.Random(seed))
    chosen = sorted(islice(made, count), key=lambda m: (m.line, m.operator, m.after))
    survivors, reasons, timeouts = list[dict[str, Any]](), equivalent(name), 0
    for mutant in chosen:
        path.write_text(mutant.code)
        outcome = outcome_of(tree, tests, limit_s, log)
        timeouts += outcome == 'timeout'
        if outcome == 'passed':
            survivors.append(described(mutant, reasons))
        path.write_text(source)
    return {
        'module': module,
        'tests': list(tests),
        'places': sum(places(source).values()),
        'sample': len(chosen),
        'killed': len(chosen) - len(survivors),
        'timeouts': timeouts,
        'equivalent': sum('reason' in s for s in survivors),
        'survivors': survivors,
        'killed_though_listed': [
            [m.before, m.after]
            for m in chosen
            if (m.before, m.after) in reasons
            and (m.before, m.after) not in {(s['before'], s['after']) for s in survivors}
        ],
        'seconds': round(time.monotonic() - begin_s),
    }


def equivalent(name: str) -> dict[tuple[str, str], str]:
    """(before, after) → reason."""
    rows = json.loads(EQUIVALENT.read_text())
    return {(r['before'], r['after']): r['reason'] for r in rows if r['module'] == name}


def described(mutant: Mutant, reasons: dict[tuple[str, str], str]) -> dict[str, Any]:
    names = ('line', 'operator', 'before', 'after')
    reason = reasons.get((mutant.before, mutant.after))
    return {n: getattr(mutant, n) for n in names} | ({'reason': reason} if reason else {})


def percent(outcomes: list[dict[str, Any]]) -> float:
    """The share of the mutants that a test noticed, in %; equivalent ones do not count."""
    killed = sum(o['killed'] for o in outcomes)
    return 100 * killed / max(1, sum(o['sample'] - o['equivalent'] for o in outcomes))


def row(name: str, outcome: dict[str, Any]) -> str:
    alive = outcome['sample'] - outcome['killed'] - outcome['equivalent']
    return (
        f'| {name} | {outcome["places"]} | {outcome["sample"]} | {outcome["killed"]} | {alive} '
        f'| {outcome["equivalent"]} | {percent([outcome]):.0f} % |'
    )


def page(results: dict[str, Any]) -> str:
    """Markdown."""
    outcomes: dict[str, dict[str, Any]] = results['modules']
    names = ('places', 'sample', 'killed', 'equivalent')
    total = {n: sum(o[n] for o in outcomes.values()) for n in names}
    lines = [
        '# Mutants: do the tests notice?',
        '',
        f'`make mutants` changes each module in up to {results["per_module"]} small ways (seed '
        f'{results["seed"]}, drawn evenly from the operators) and runs',
        "the module's own tests: "
        f'{percent(list(outcomes.values())):.1f} % of {total["sample"] - total["equivalent"]} '
        'mutants are noticed. Equivalent ones change nothing that can be observed; the reasons',
        'stand in [equivalent_mutants.json](../equivalent_mutants.json).',
        '',
        '| module | places | sample | killed | survived | equivalent | killed of the others |',
        '|---|---|---|---|---|---|---|',
        *(row(name, outcome) for name, outcome in outcomes.items()),
        row('all', total),
        '',
        '## Survivors',
        '',
    ]
    for name, outcome in outcomes.items():
        for s in outcome['survivors']:
            if 'reason' not in s:
                lines.append(f'- {name}: `` {s["before"]} `` → `` {s["after"]} ``')
    return '\n'.join(lines) + '\n'


def kept(out: Path, per_module: int, seed: int, new: dict[str, Any]) -> dict[str, Any]:
    """Written beside the results of other modules, after each one: hours of work."""
    known = (json.loads(out.read_text())['modules'] if out.exists() else {}) | new
    modules = {name: known[name] for name in MODULES if name in known}
    results = {'per_module': per_module, 'seed': seed, 'modules': modules}
    out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + '\n')
    out.with_suffix('.md').write_text(page(results))
    return results


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--modules', nargs='+', choices=MODULES, default=list(MODULES))
    parser.add_argument('--per-module', type=int, default=25)
    parser.add_argument('--seed', type=int, default=19)
    parser.add_argument('--least', type=float, default=92.0, help='percent')
    parser.add_argument('--out', type=Path, default=RESULTS / 'mutants.json')
    options = parser.parse_args(arguments)
    for name in PRELOADED:
        import_module(name)
    gc.freeze()  # pytest collects garbage at its end: not ours
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        for name in options.modules:
            outcome = tried(name, tree, options.per_module, options.seed)
            results = kept(options.out, options.per_module, options.seed, {name: outcome})
            print(row(name, outcome), flush=True)
    outcomes = list(results['modules'].values())
    listed = [pair for o in outcomes for pair in o['killed_though_listed']]
    for before, after in listed:
        print(f'Listed as equivalent, but the tests notice it: {before} → {after}')
    print(f'{percent(outcomes):.1f} % are noticed.')
    return int(bool(listed) or percent(outcomes) < options.least)


if __name__ == '__main__':
    sys.exit(main())
