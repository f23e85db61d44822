"""Results are whole: one that is cut off, damaged or mixed is never taken for a result."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluate.drives import write_drive
from patience import PATIENCE_S

from mtscene_ros.cli.main import main
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.run.job import jobs_of, run_job
from mtscene_ros.models.child_process import module_command


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drive(tmp_path_factory.mktemp('drive') / 'a.mcap', 1, 3)


def words(drive: Path, tiny_path: str, folder: Path, *more: str) -> list[str]:
    model = ['--model', tiny_path, '--backend', 'onnxruntime', '--threads', '1', '--no-page']
    return ['evaluate', str(drive), *model, '-o', str(folder), *more]


@pytest.fixture(scope='module')
def whole(drive: Path, tiny_path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('whole') / 'r'
    assert main(words(drive, tiny_path, folder)) == 0
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / 'copy')


DAMAGES: dict[str, Callable[[Path], object]] = {
    'done.json is missing': lambda r: (r / 'done.json').unlink(),
    'done.json is empty': lambda r: (r / 'done.json').write_bytes(b''),
    'done.json is a list': lambda r: (r / 'done.json').write_text('[1]'),
    'done.json is deep': lambda r: (r / 'done.json').write_text('[' * 9000),
    'done.json is no text': lambda r: (r / 'done.json').write_bytes(b'\xff'),
    'frames.parquet is missing': lambda r: (r / 'frames.parquet').unlink(),
    'frames.parquet is cut off': lambda r: os.truncate(r / 'frames.parquet', 100),
    'predictions.mcap is missing': lambda r: (r / 'predictions.mcap').unlink(),
    'predictions.mcap is cut off': lambda r: os.truncate(r / 'predictions.mcap', 100),
    'metrics.json is missing': lambda r: (r / 'metrics.json').unlink(),
    'metrics.json is cut off': lambda r: os.truncate(r / 'metrics.json', 100),
    'metrics.json is deep': lambda r: (r / 'metrics.json').write_text('[' * 9000),
    'metrics.json is another one': lambda r: (r / 'metrics.json').write_text(
        (r / 'metrics.json').read_text().replace('"received": 3', '"received": 4')
    ),
}


@pytest.mark.parametrize('name', DAMAGES)
def test_compare_refuses_what_is_not_whole(
    whole: Path, copy: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['compare', str(whole), str(copy)]) == 0
    DAMAGES[name](copy)
    assert main(['compare', str(whole), str(copy)]) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    assert str(copy) in said


@pytest.mark.parametrize('name', DAMAGES)
def test_a_damaged_result_is_evaluated_again(
    drive: Path, tiny_path: str, copy: Path, whole: Path, name: str
) -> None:
    """By itself, and the outcome says why; afterwards it is whole."""
    options = EvaluateOptions(model=tiny_path, backend='onnxruntime', threads=1)
    [job] = jobs_of([drive], options, copy)
    assert run_job(job).resumed
    DAMAGES[name](copy)
    outcome = run_job(job)
    assert (outcome.resumed, outcome.error) == (False, '')
    assert bool(outcome.replaced) == (name != 'done.json is missing')
    assert run_job(job).resumed


def test_a_failure_leaves_no_result_of_another_job(
    drive: Path, tiny_path: str, copy: Path, whole: Path
) -> None:
    missing = str(copy / 'no.onnx')
    assert main(words(drive, missing, copy)) == 2
    assert main(['compare', str(whole), str(copy)]) == 2


def test_an_evaluation_that_is_killed(
    drive: Path, tiny_path: str, copy: Path, whole: Path
) -> None:
    """At several moments: the earlier result stays whole, or there is none; the next run clears
    up and completes."""
    other = ('--min-score', '0.05')
    command = module_command('mtscene_ros.cli', *words(drive, tiny_path, copy, *other))
    for moment in range(3):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        end_s = time.monotonic() + PATIENCE_S
        while not list(copy.glob('.evaluation-*/*'[: 14 + 2 * (moment > 0)])):
            assert time.monotonic() < end_s
        time.sleep(0.02 * moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert main(['compare', str(whole), str(copy)]) in (0, 2)
    assert main(words(drive, tiny_path, copy, *other)) == 0
    assert sorted(path.name for path in copy.iterdir()) == [
        'done.json', 'frames.parquet', 'metrics.json', 'predictions.mcap'
    ]  # fmt: skip
