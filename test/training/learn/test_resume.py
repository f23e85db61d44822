"""An interrupted run ends bit for bit where an uninterrupted one does."""

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from training import train  # noqa: E402
from training.data import worlds  # noqa: E402

STEPS, KILLS = 16, 5
# Forks a process that has imported everything but computed nothing; kills each child at a random
# moment within one and a half steps after it saved something new, at the latest when it has saved
# again: however fast or slow the machine becomes, none comes to the end.
KILLER = """
import os, random, signal, sys, time
from training import train
out, kills, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
last = os.path.join(out, 'last.pt')
moment = lambda: os.stat(last).st_mtime_ns if os.path.exists(last) else 0

def next_save(child):
    before = moment()
    while moment() == before:
        if os.waitpid(child, os.WNOHANG)[0]:
            raise SystemExit('the training ended by itself')
        time.sleep(0.001)
    return time.monotonic()

rng, step_s = random.Random(1), 0.0
for _ in range(kills):
    child = os.fork()
    if child == 0:
        train.main(arguments)
        os._exit(0)
    saved_s = next_save(child)
    step_s = step_s or next_save(child) - saved_s
    end_s, saved = time.monotonic() + rng.uniform(0, 1.5 * step_s), moment()
    while time.monotonic() < end_s and moment() == saved:
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
print(kills)
"""


@pytest.fixture(scope='module')
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('frames')
    for index in range(4):
        worlds.render(index, 5, folder, 128, 64)
    return folder


def arguments(frames: Path, out: Path) -> list[str]:
    options = ['--data', str(frames), '--out', str(out), '--workers', '0', '--save-every', '1']
    return ['test', *options, '--steps', str(STEPS), '--weighting', 'dynamic']


def flat(part: object) -> list[object]:
    if isinstance(part, dict):
        return [leaf for value in part.values() for leaf in flat(value)]
    if isinstance(part, list):
        return [leaf for value in part for leaf in flat(value)]
    return [part]


@pytest.mark.trust  # half a minute; test_loop.py resumes an adaptation bit for bit
def test_killed_five_times(frames: Path, tmp_path: Path) -> None:
    whole = torch.load(train.main(arguments(frames, tmp_path / 'whole')), weights_only=True)
    out = tmp_path / 'killed'
    command = [sys.executable, '-c', KILLER, str(out), str(KILLS), *arguments(frames, out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout.splitlines()[-1] == str(KILLS)
    reached = torch.load(out / 'last.pt', weights_only=True)['step']
    resumed = torch.load(train.main(arguments(frames, out)), weights_only=True)
    assert KILLS <= reached < STEPS  # every child had saved a new checkpoint
    for part in ('network', 'average', 'weights', 'optimizer', 'rng'):
        for a, b in zip(flat(whole[part]), flat(resumed[part]), strict=True):
            same = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
            assert same or (a != a).all()  # the means of DynamicWeights start as NaN
