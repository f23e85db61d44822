"""An interrupted run ends where an uninterrupted one does, bit for bit."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from training import train  # noqa: E402
from training.data import worlds  # noqa: E402


@pytest.fixture(scope='module')
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('frames')
    for index in range(4):
        worlds.render(index, 5, folder, 128, 64)
    return folder


def run(frames: Path, out: Path, steps: int) -> dict[str, object]:
    options = ['--data', str(frames), '--out', str(out), '--workers', '0', '--steps', str(steps)]
    state: dict[str, object] = torch.load(
        train.main(['test', *options, '--save-every', '1']), weights_only=True
    )
    return state


def saved_ns(out: Path) -> int:
    file = out / 'last.pt'
    return file.stat().st_mtime_ns if file.exists() else 0


def flat(part: object) -> list[object]:
    if isinstance(part, dict):
        return [leaf for value in part.values() for leaf in flat(value)]
    if isinstance(part, list):
        return [leaf for value in part for leaf in flat(value)]
    return [part]


def test_killed_run_ends_as_if_never_interrupted(frames: Path, tmp_path: Path) -> None:
    whole = run(frames, tmp_path / 'whole', 40)
    out, rng, kills = tmp_path / 'killed', random.Random(1), 0
    command = [sys.executable, '-m', 'training.train', 'test', '--data', str(frames)]
    command += ['--out', str(out), '--workers', '0', '--steps', '40', '--save-every', '1']
    while kills < 3:
        before = saved_ns(out)
        process = subprocess.Popen(command)
        while saved_ns(out) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        kills += process.wait() == -9
    resumed = run(frames, out, 40)
    for part in ('network', 'average', 'optimizer'):
        for a, b in zip(flat(whole[part]), flat(resumed[part]), strict=True):
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
