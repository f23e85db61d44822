"""Several recordings: the same results whoever evaluates them, failures that stay alone, going on
where an earlier run stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from evaluate.drives import write_drive

from mtscene_ros.cli.main import main
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.run.fleet import seen_from_here
from mtscene_ros.evaluate.run.job import EvaluationJob, Outcome, jobs_of, names_of, options_of
from mtscene_ros.evaluate.run.many import in_own_process, run_here
from mtscene_ros.evaluate.run.report_folder import read_report
from mtscene_ros.recordings.bags import open_bag


@pytest.fixture(scope='module')
def drives(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two drives, and between them a file that is no recording."""
    folder = tmp_path_factory.mktemp('drives')
    broken = folder / 'broken.mcap'
    broken.write_bytes(b'nothing')
    return [write_drive(folder / 'a.mcap', 1, 4), broken, write_drive(folder / 'b.mcap', 2, 3)]


def words(tiny_path: str, drives: Sequence[Path], report: Path) -> list[str]:
    reported = ['--model', tiny_path, '--backend', 'onnxruntime', '--no-page', '-o', str(report)]
    return ['evaluate', *map(str, drives), *reported]


@pytest.fixture(scope='module')
def one_by_one(
    tmp_path_factory: pytest.TempPathFactory, tiny_path: str, drives: list[Path]
) -> Path:
    """The report of a run with one job at a time; it says that one recording failed."""
    report = tmp_path_factory.mktemp('one') / 'report'
    assert main(words(tiny_path, drives, report)) == 1
    return report


def lasting(report: Path) -> dict[str, Any]:
    """Everything that no clock decides."""
    found: dict[str, Any] = {}
    for name in ('a', 'b'):
        folder = report / 'sequences' / name
        metrics = json.loads((folder / 'metrics.json').read_text())
        del metrics['metrics']['latency'], metrics['sums']['stages']
        rows = pq.read_table(folder / 'frames.parquet')
        kept = [column for column in rows.column_names if not column.endswith('_ms')]
        with open_bag(folder / 'predictions.mcap') as bag:
            printed = [(c.topic, at, bytes(raw)) for c, at, raw in bag.messages()]
        printed = [message for message in printed if not message[0].endswith('frame_stats')]
        found[name] = metrics, repr(rows.select(kept).to_pydict()), printed
    return found


def test_a_failure_stays_alone(one_by_one: Path, drives: list[Path]) -> None:
    report = read_report(one_by_one)
    assert [of.name for of in report.sequences] == ['a', 'b']
    assert list(report.failed) == [str(drives[1])]
    assert 'is it a ROS bag?' in report.failed[str(drives[1])]
    assert report.metrics['counts']['published'] == 7


def test_several_at_once_give_the_same_bit_for_bit(
    one_by_one: Path, tiny_path: str, drives: list[Path], tmp_path: Path
) -> None:
    assert main([*words(tiny_path, drives, tmp_path), '--jobs', '2']) == 1
    assert lasting(tmp_path) == lasting(one_by_one)
    assert len(lasting(tmp_path)['a'][2]) == 4 * 4 + 1  # results, cameras, one class table


def test_another_recording_gives_something_else(one_by_one: Path) -> None:
    """Negative control of the test above."""
    found = lasting(one_by_one)
    assert all(x != y for x, y in zip(found['a'], found['b'], strict=True))


def test_a_ray_cluster_gives_the_same_bit_for_bit(
    one_by_one: Path, tiny_path: str, drives: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip('ray', reason='Ray (extra `fleet`) is not installed')
    requested = [*words(tiny_path, drives, tmp_path), '--ray', 'local']
    done = subprocess.run(
        [sys.executable, '-m', 'mtscene_ros.cli', *requested], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert 'broken failed: Recording' in done.stderr
    assert lasting(tmp_path) == lasting(one_by_one)


def test_no_cluster_is_one_sentence() -> None:
    pytest.importorskip('ray', reason='Ray (extra `fleet`) is not installed')
    code = (
        'from mtscene_ros.evaluate.run.fleet import run_on_ray, FleetError\n'
        'try: list(run_on_ray([], "127.0.0.1:9"))\n'
        'except FleetError as error: print(error)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.startswith("No Ray cluster answers at '127.0.0.1:9'")


def test_a_rerun_goes_on(
    one_by_one: Path, tiny_path: str, drives: list[Path], tmp_path: Path
) -> None:
    """What is there stays; what failed, and what was begun only, is done again."""
    report = tmp_path / 'report'
    shutil.copytree(one_by_one, report)
    jobs = jobs_for(tiny_path, drives, report)
    (jobs[2].folder / 'done.json').unlink()
    before = (jobs[0].folder / 'metrics.json').stat().st_mtime_ns
    outcomes = {o.name: o for o in run_here(jobs, 1)}
    assert {name: o.resumed for name, o in outcomes.items()} == {
        'a': True, 'broken': False, 'b': False,
    }  # fmt: skip
    assert outcomes['broken'].error
    assert (jobs[0].folder / 'metrics.json').stat().st_mtime_ns == before


def jobs_for(
    tiny_path: str, drives: Sequence[Path], report: Path, **requested: Any
) -> list[EvaluationJob]:
    options = EvaluateOptions(model=tiny_path, backend='onnxruntime', **requested)
    return jobs_of(drives, options, report)


def test_only_the_very_same_is_taken_up_again(
    tiny_path: str, drives: list[Path], tmp_path: Path
) -> None:
    """Other options, another model, a recording that changed: another key. Threads: the same."""
    key = jobs_for(tiny_path, drives[:1], tmp_path)[0].key
    assert jobs_for(tiny_path, drives[:1], tmp_path, threads=3)[0].key == key
    assert jobs_for(tiny_path, drives[:1], tmp_path, max_frames=2)[0].key != key
    model = tmp_path / 'model.onnx'
    model.write_bytes(Path(tiny_path).read_bytes() + b' ')
    assert jobs_for(str(model), drives[:1], tmp_path)[0].key != key
    os.utime(drives[0], ns=(1, 1))
    assert jobs_for(tiny_path, drives[:1], tmp_path)[0].key != key


def test_options_and_model_are_kept_beside_the_result(one_by_one: Path, tiny_path: str) -> None:
    options, spec = options_of(one_by_one / 'sequences' / 'a')
    expected = EvaluateOptions(model=tiny_path, backend='onnxruntime', threads=options.threads)
    assert options == expected
    assert spec.name == 'tiny'


def test_a_process_that_is_killed_is_one_failure(
    tiny_path: str, drives: list[Path], tmp_path: Path
) -> None:
    [job] = jobs_for(tiny_path, drives[:1], tmp_path)
    found: list[Outcome] = []
    runner = threading.Thread(target=lambda: found.append(in_own_process(job)))
    runner.start()
    while not (children := multiprocessing.active_children()):
        time.sleep(0.01)
    assert children[0].pid is not None
    os.kill(children[0].pid, signal.SIGKILL)
    runner.join()
    assert 'ended with signal 9' in found[0].error


def test_names(tmp_path: Path) -> None:
    paths = ['x/a.mcap', 'y/a.mcap', 'v1.2_night', 'z/a-2.mcap', 'b.bag']
    assert names_of([tmp_path / p for p in paths]) == ['a', 'a-2', 'v1.2_night', 'a-2-2', 'b']


def test_a_folder_that_the_nodes_do_not_share_is_said(
    tiny_path: str, drives: list[Path], tmp_path: Path
) -> None:
    [job] = jobs_for(tiny_path, drives[:1], tmp_path)
    assert 'all nodes share' in seen_from_here(job, Outcome('a')).error
    assert seen_from_here(job, Outcome('a', 'why')).error == 'why'


def scenario(folder: Path, tiny_path: str, drives: Sequence[Path], criteria: str) -> Path:
    path = folder / 'scenario.yaml'
    bags = ', '.join(str(bag) for bag in drives)
    model = f'model: {tiny_path}\nbackend: onnxruntime'
    path.write_text(f'bags: [{bags}]\n{model}\npass: [{criteria}]\n')
    return path


@pytest.mark.parametrize(
    ('criteria', 'status', 'printed'),
    [
        ('frames.published_share >= 1', 0, ''),
        ('frames.published_share > 1', 1, 'frames.published_share > 1 does not hold: it is 1'),
        ('frames.publshed_share > 1', 2, 'did you mean frames.published_share?'),
    ],
)
def test_criteria_of_a_scenario(
    tiny_path: str,
    drives: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    criteria: str,
    status: int,
    printed: str,
) -> None:
    path = scenario(tmp_path, tiny_path, drives[:1], criteria)
    report = str(tmp_path / 'report')
    assert main(['evaluate', '--scenario', str(path), '--no-page', '-o', report]) == status
    assert printed in capsys.readouterr().err


def test_what_the_command_line_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['evaluate']) == 2
    assert 'nothing to evaluate' in capsys.readouterr().err
    path = str(tmp_path / 's.yaml')
    assert main(['evaluate', '--scenario', path]) == 2
    assert 'does not exist' in capsys.readouterr().err
    assert main(['evaluate', '--scenario', path, '--realtime']) == 2
    assert 'in the file alone' in capsys.readouterr().err
