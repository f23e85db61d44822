"""SIGKILL at random moments: nothing half is taken for whole, and the next run clears up."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from evaluate.drives import write_drive
from trust.conftest import times

from mtscene_ros.evaluate.run.report_folder import ReportError, check_complete, read_report
from mtscene_ros.recordings.bags import open_bag

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

LOOP = Path(__file__).with_name('kill_loop.py')
ROOT = Path(__file__).parents[2]
Tried = Callable[[int], None]


def messages_of(path: Path) -> int:
    """Read to the end; a damaged or cut-off file raises or says so."""
    with open_bag(path) as bag:
        assert not bag.notes
        return sum(1 for _ in bag.messages())


def evaluation(folder: Path) -> None:
    """Complete, or refused as incomplete."""
    try:
        check_complete(read_report(folder / 'r'))
    except ReportError:
        assert not ((folder / 'r/done.json').exists() and (folder / 'r/metrics.json').exists())
    page = folder / 'r/index.html'
    assert not page.exists() or page.read_text().rstrip().endswith('</html>')


def page(folder: Path) -> None:
    assert (folder / 'r.html').read_text().rstrip().endswith('</html>')


def converted(folder: Path) -> None:
    with open_bag(folder / 'w.mcap') as bag:
        assert bag.topics['/camera/image_raw'].msgcount == 2
    messages_of(folder / 'w.mcap')


def recorded(folder: Path) -> None:
    assert messages_of(folder / 'a.mcap') == 300


def played(folder: Path) -> None:
    """Playing changes nothing."""
    digest = hashlib.sha256((folder / 'input.mcap').read_bytes()).hexdigest()
    assert digest == json.loads((folder / 'digest.json').read_text())


def checkpoint(folder: Path) -> None:
    import torch

    weights = torch.load(folder / 'last.pt', weights_only=True)['weights']
    assert len(weights) == 200_000
    assert weights.unique().numel() == 1


def exported(folder: Path) -> None:
    onnx.checker.check_model(onnx.load(folder / 'm.onnx'))


CHECKS: dict[str, Callable[[Path], None]] = {
    'evaluate': evaluation,
    'report': page,
    'convert': converted,
    'record': recorded,
    'play': played,
    'adapt': checkpoint,
    'export': exported,
}
MOMENTS = 29  # of each command at full size: 203 in a run of all seven


def loop(command: str, folder: Path, drive: Path, model: str) -> subprocess.Popen[str]:
    words = [sys.executable, str(LOOP), command, str(folder), str(drive), model]
    paths = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    quiet = {**os.environ, 'PYTHONPATH': paths, 'PYTHONWARNINGS': 'ignore'}
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet
    )


def ask(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f'{line}\n')
    process.stdin.flush()
    assert process.stdout.readline() == 'done\n'


@pytest.mark.trust
@pytest.mark.parametrize('command', CHECKS)
@pytest.mark.parametrize('run', [1, 2])
def test_kills_of(run: int, command: str, tmp_path: Path, tiny_path: str, tried: Tried) -> None:
    """What is there under its final name is whole, the old or the new; the next run removes
    what is left over."""
    made, drive = random.Random(f'{command}{run}'), write_drive(tmp_path / 'drive.mcap', 1, 3)
    folder = tmp_path / 'products'
    folder.mkdir()
    if command == 'play':
        shutil.copy(drive, folder / 'input.mcap')
        digest = hashlib.sha256(drive.read_bytes()).hexdigest()
        (folder / 'digest.json').write_text(json.dumps(digest))
    count = times(MOMENTS, 1)
    process = loop(command, folder, drive, tiny_path)
    for _ in range(count):
        ask(process, f'{made.uniform(0.0, 1.0):.3f}')
        CHECKS[command](folder)
    ask(process, 'once')
    process.communicate()
    CHECKS[command](folder)
    left = [p.name for p in folder.rglob('*') if p.name.startswith('.') or '.partial' in p.name]
    assert left == []
    tried(count)
