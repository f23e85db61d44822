"""What make would run, without running it."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def announced(target: str, folder: Path) -> list[str]:
    """What a target says before its steps where nothing is installed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith('MAKE')}
    command = ['make', '--dry-run', target, f'VENV={folder / "venv"}']
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    return [line for line in done.stdout.splitlines() if line.startswith("echo '")]


def test_the_demo_announces_every_step_and_how_long_it_takes(tmp_path: Path) -> None:
    lines = announced('demo', tmp_path)
    steps = ('Making the Python environment', 'Downloading', 'Building', 'Starting the node')
    assert len(lines) == len(steps)
    for line, step in zip(lines, steps, strict=True):
        assert line.startswith(f"echo '{step}")
        assert line.endswith(("seconds.'", "minutes.'", "minute.'"))


def test_other_targets_announce_nothing(tmp_path: Path) -> None:
    assert announced('lint', tmp_path) == []
