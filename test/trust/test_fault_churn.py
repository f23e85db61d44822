"""What comes and goes for months: models, listeners, cameras. Memory and handles stay."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from mtscene_msgs.srv import SwapModel
from ros.fleet import Fleet
from sensor_msgs.msg import Image
from trust.conftest import times
from trust.tools import GREY, SEC, image, meet, send, stored_model

from benchmarks.soak import MemorySample, sample

Start = Callable[..., subprocess.Popen[str]]
Tried = Callable[[int], None]
MOST_GROWTH_MB = 4.0  # over the second half; a model of a few MB that stays would exceed it


def check(samples: list[MemorySample]) -> None:
    half = samples[len(samples) // 2 :]
    assert half[-1].resident_mb - half[0].resident_mb < MOST_GROWTH_MB, samples[::10]
    assert max(s.descriptors for s in half) <= half[0].descriptors + 1, samples[::10]
    assert max(s.threads for s in half) <= half[0].threads + 1, samples[::10]


@pytest.mark.trust
def test_models_that_are_swapped(
    start_node: Start, fleet: Fleet, tmp_path: Path, tiny_path: str, tried: Tried
) -> None:
    """Again and again between two files, with an image through each."""
    pid = start_node(model=tiny_path, backend='onnxruntime').pid
    meet(fleet)
    samples, swaps = [], times(100, 10)
    copy = tmp_path / 'copy.onnx'
    copy.write_bytes(Path(tiny_path).read_bytes())
    for k in range(swaps):
        request = SwapModel.Request(model=str(copy) if k % 2 else tiny_path)
        assert fleet.call(SwapModel, 'swap_model', request).success
        assert send(fleet, image(GREY, (10 + k) * SEC)).failed == 0
        samples.append(sample(pid, k))
    tried(swaps)
    check(samples)


@pytest.mark.trust
def test_listeners_and_cameras_that_come_and_go(
    start_node: Start, fleet: Fleet, tmp_path: Path, tried: Tried
) -> None:
    """A listener and a camera each time; the node wakes, works, and forgets them."""
    pid = start_node(model=stored_model(tmp_path / 'm.npz'), backend='constant').pid
    meet(fleet)
    samples, rounds = [], times(100, 10)
    for k in range(rounds):
        camera = fleet.node.create_publisher(Image, '/camera/image_raw', 1)
        listener = fleet.listen('', 'debug/overlay')
        fleet.wait(lambda camera=camera: camera.get_subscription_count() > 0)
        seen = fleet.got['', 'debug/overlay']
        while not seen:
            camera.publish(image(GREY, (10 + k) * SEC))
            fleet.pause(0.05)
        seen.clear()
        fleet.node.destroy_subscription(listener)
        fleet.node.destroy_publisher(camera)
        samples.append(sample(pid, k))
    tried(rounds)
    check(samples)
