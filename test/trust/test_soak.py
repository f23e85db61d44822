"""A sample of benchmarks/soak.py, and its judgement."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from trust.conftest import times

from benchmarks import soak

STATS = SimpleNamespace(received=100, published=99, dropped=1, failed=0)


def camera(latencies_s: list[float]) -> Any:
    return SimpleNamespace(first=STATS, last=STATS, latencies_s=latencies_s, resent=0)


def samples(slope_mb: float, descriptors: int = 20) -> list[soak.MemorySample]:
    """100 in 100,000 frames; slope_mb: in 10,000."""
    return [
        soak.MemorySample(
            k, 200 + slope_mb * k / 1e4, descriptors if k > 5e4 else 20, 19, k * 1e-3
        )
        for k in range(0, 100_001, 1000)
    ]


def test_what_is_met() -> None:
    found = soak.verdict(camera([0.001] * 1000), samples(0.5))
    assert found['growth_mb_per_10000_frames'] == pytest.approx(0.5)
    assert (found['frames_of_warm_up'], found['cpu_ms_per_frame_of_each_half']) == (10_000, [1, 1])
    assert all(found['met'].values())


def test_what_is_not_met() -> None:
    slower = [0.001] * 900 + [0.0012] * 100
    assert not soak.verdict(camera(slower), samples(0.5))['met']['p99']
    assert not soak.verdict(camera(slower), samples(1.5))['met']['memory']
    assert not soak.verdict(camera(slower), samples(0, 21))['met']['descriptors']


def test_a_process_is_measured() -> None:
    before = soak.sample(os.getpid(), 0)
    with open('/dev/null') as file:
        after = soak.sample(os.getpid(), 1)
        assert after.descriptors == before.descriptors + 1, file
    assert 10 < after.resident_mb < 10_000
    assert after.threads >= 1


@pytest.mark.parametrize('kind', ['stored', pytest.param('bundled', marks=pytest.mark.trust)])
def test_a_run_through_the_real_node(kind: str) -> None:
    """No latencies here, which other programs disturb: memory, handles and the account."""
    frames = {'stored': times(30_000, 2000), 'bundled': 2000}[kind]
    found = soak.run(kind, frames)
    assert found['met'] | {'p99': True, 'memory': True} == dict.fromkeys(found['met'], True)
    settled = [s[1] for s in found['samples']][len(found['samples']) // 2 :]
    assert settled[-1] - settled[0] < 1.0, settled  # MB
    assert found['failed'] == 0
    assert found['received'] >= frames
