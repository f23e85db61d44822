"""Seconds per stage of the line, from RGB image to Scene, on generated frames.

python benchmarks/line_latency.py [--model FILE] [--threads 2] [--frames 100] [--size 1242x375]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import defaultdict

import cv2
import numpy as np

from mtscene_ros.backends import BackendOptions
from mtscene_ros.estimator import open_estimator
from mtscene_ros.types import CameraFrame, Intrinsics
from mtscene_ros.worlds.drive import drive_frame

PERCENTILES = (50, 95, 99)


def camera_frames(count: int, width_px: int, height_px: int) -> list[CameraFrame]:
    """A few generated images at camera size, repeated."""
    frames = []
    for index in range(min(count, 8)):
        world = drive_frame(seed=9, index=index)
        rgb = np.asarray(cv2.resize(world.rgb, (width_px, height_px)), np.uint8)
        fx = world.intrinsics.fx_px * width_px / world.intrinsics.width_px
        camera = Intrinsics(width_px, height_px, fx, fx, width_px / 2, height_px / 2)
        frames.append(CameraFrame(rgb, camera, index, 'camera_optical_frame'))
    return [frames[i % len(frames)] for i in range(count)]


def measure(model: str, threads: int, frames: list[CameraFrame]) -> dict[str, list[float]]:
    """Milliseconds of every stage for every frame; the first five frames warm up."""
    estimator = open_estimator(model, options=BackendOptions(threads=threads))
    stages_ms: dict[str, list[float]] = defaultdict(list)
    for number, frame in enumerate(frames[:5] + frames):
        start_s = time.perf_counter()
        [scene] = estimator.estimate([frame])
        total_s = time.perf_counter() - start_s
        if number >= 5:
            for name, seconds in {**scene.stage_s, 'total': total_s}.items():
                stages_ms[name].append(seconds * 1e3)
    return stages_ms


def main() -> None:
    """Prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--frames', type=int, default=100)
    parser.add_argument('--size', default='1242x375')
    arguments = parser.parse_args()
    width_px, height_px = (int(n) for n in arguments.size.split('x'))
    cv2.setNumThreads(arguments.threads)
    frames = camera_frames(arguments.frames, width_px, height_px)
    stages_ms = measure(arguments.model, arguments.threads, frames)
    report = {
        'machine': f'{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}',
        'threads': arguments.threads,
        'size': arguments.size,
        'frames_per_s': round(1e3 / float(np.median(stages_ms['total'])), 1),
        **{
            f'{name}_ms_p{p}': round(float(np.percentile(values, p)), 2)
            for name, values in stages_ms.items()
            for p in PERCENTILES
        },
    }
    sys.stdout.write(json.dumps(report) + '\n')


if __name__ == '__main__':
    main()
