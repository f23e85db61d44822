"""`mtscene bench`: latency, throughput, memory and operations of model files, side by side.

The candidates take turns, so that other load on the machine affects them alike; the memory of each
is measured in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtscene_ros.backends import BackendError, BackendOptions
from mtscene_ros.backends.machine import machine
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.child_process import code_command
from mtscene_ros.models.operations import count_macs
from mtscene_ros.terminal import counted, plural
from mtscene_ros.types import CameraFrame
from mtscene_ros.worlds.drive import drive_frame

WARM_UP = 5
STAGES = ('prepare', 'infer', 'decode')
MEMORY_SCRIPT = """
import re, sys
from mtscene_ros.cli.benchmark import camera_frames
from mtscene_ros import open_model
model, backend, threads, width, height = sys.argv[1:]
opened = open_model(model, backend, threads=int(threads))
for frame in camera_frames(3, int(width), int(height)):
    opened.estimate(frame.rgb, intrinsics=frame.intrinsics)
# Not ru_maxrss: a child process inherits its parent's.
print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])
"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One participant of the comparison."""

    model: str
    backend: str
    threads: int

    @property
    def name(self) -> str:
        return f'{Path(self.model).name or "bundled"}, {self.backend}, {self.threads} threads'


def camera_frames(count: int, width_px: int, height_px: int) -> list[CameraFrame]:
    """Returns `count` frames: a few generated images at camera size, repeated."""
    frames = []
    for index in range(min(count, 8)):
        world = drive_frame(seed=9, index=index)
        rgb = np.asarray(cv2.resize(world.rgb, (width_px, height_px)), np.uint8)
        camera = world.intrinsics.resized(width_px, height_px)
        frames.append(CameraFrame(rgb, camera, index, 'camera_optical_frame'))
    return [frames[i % len(frames)] for i in range(count)]


def bench(
    candidates: list[Candidate], frames: int, size_px: tuple[int, int], batch: int = 1
) -> dict[str, Any]:
    """Measures all candidates; the result is ready for JSON. Raises BackendError and SpecError."""
    images = camera_frames(frames + WARM_UP, *size_px)
    estimators = {
        c: open_estimator(c.model, c.backend, BackendOptions(c.threads)) for c in candidates
    }
    stages_ms: dict[Candidate, dict[str, list[float]]] = {c: defaultdict(list) for c in candidates}
    for number, image in enumerate(counted(images, 'image', frames + WARM_UP)):
        for candidate, estimator in estimators.items():
            for name, value_ms in once(estimator, [image] * batch):
                if number >= WARM_UP:
                    stages_ms[candidate][name].append(value_ms)
    return {
        'machine': machine(),
        'image': f'{size_px[0]}x{size_px[1]} px',
        'frames': frames,
        'batch': batch,
        'candidates': [about(c, estimators[c], stages_ms[c], size_px, batch) for c in candidates],
    }


def once(estimator: SceneEstimator, frames: list[CameraFrame]) -> Iterator[tuple[str, float]]:
    """Yields stage and milliseconds for one batch; `decode` sums up all its images."""
    start_s = time.perf_counter()
    scenes = estimator.estimate(frames)
    total_s = time.perf_counter() - start_s
    yield 'prepare', 1e3 * scenes[0].stage_s['prepare']
    yield 'infer', 1e3 * scenes[0].stage_s['infer']
    yield 'decode', 1e3 * sum(scene.stage_s['decode'] for scene in scenes)
    yield 'total', 1e3 * total_s


def about(
    candidate: Candidate,
    estimator: SceneEstimator,
    stages_ms: dict[str, list[float]],
    size_px: tuple[int, int],
    batch: int,
) -> dict[str, Any]:
    """Returns the row of one candidate."""
    p50, p95, p99 = np.percentile(stages_ms['total'], (50, 95, 99)).tolist()
    whole_ms = sum(np.sum(stages_ms[stage]) for stage in STAGES)
    return {
        'name': candidate.name,
        'runtime': estimator.backend.description,
        'total_ms': {'p50': p50, 'p95': p95, 'p99': p99},
        'infer_ms_p50': float(np.median(stages_ms['infer'])),
        'frames_per_s': 1e3 * batch / p50,
        'share': {s: float(np.sum(stages_ms[s]) / whole_ms) for s in STAGES},
        'peak_memory_mb': peak_memory_mb(candidate, size_px),
        'gmac': gmac(candidate.model),
        'samples_ms': [round(ms, 3) for ms in stages_ms['total']],
    }


def peak_memory_mb(candidate: Candidate, size_px: tuple[int, int]) -> float:
    """Returns the peak resident set of a process that does nothing else. Raises BackendError."""
    values = [candidate.model, candidate.backend, candidate.threads, *size_px]
    command = code_command(MEMORY_SCRIPT, *map(str, values))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(f'{candidate.name} failed: {done.stderr.strip().splitlines()[-1]}')
    return int(done.stdout) * 1024 / 1e6


def gmac(model: str) -> float | None:
    """Returns the GMAC for one image; None without an ONNX graph or the package onnx."""
    from mtscene_ros.models.catalogue import BUNDLED_MODEL

    path = Path(model or BUNDLED_MODEL)
    try:
        return sum(count_macs(path).values()) / 1e9 if path.suffix == '.onnx' else None
    except ImportError:
        return None


def table(result: dict[str, Any]) -> str:
    """Returns the result as a Markdown table."""
    lines = [
        f'{plural(result["frames"], "image")} of {result["image"]}, batch {result["batch"]}; '
        f'{result["machine"]}.',
        '',
        '| | p50 ms | p95 ms | p99 ms | images/s | prepare / infer / decode | peak MB | GMAC |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for row in result['candidates']:
        total, gmac_text = row['total_ms'], '' if row['gmac'] is None else f'{row["gmac"]:.2f}'
        shares = ' / '.join(f'{100 * row["share"][s]:.0f} %' for s in STAGES)
        lines.append(
            f'| {row["name"]} | {total["p50"]:.1f} | {total["p95"]:.1f} | {total["p99"]:.1f} | '
            f'{row["frames_per_s"]:.1f} | {shares} | {row["peak_memory_mb"]:.0f} | {gmac_text} |'
        )
    return '\n'.join(lines)


def plot(result: dict[str, Any]) -> str:
    """Returns an SVG with every candidate's latencies in the order of the images."""
    rows, colors = result['candidates'], ('#0969da', '#cf222e', '#1a7f37', '#8250df', '#9a6700')
    top_ms = 1.05 * max(max(row['samples_ms']) for row in rows)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 300" font-family="sans-serif" '
        'font-size="12"><rect width="760" height="300" fill="white"/>'
    ]
    for k in range(5):
        y, ms = 250 - 50 * k, top_ms * k / 4
        parts.append(
            f'<path d="M50 {y}H740" stroke="#ddd"/><text x="5" y="{y}">{ms:.0f} ms</text>'
        )
    for number, row in enumerate(rows):
        samples, color = row['samples_ms'], colors[number % len(colors)]
        step = 690 / max(1, len(samples) - 1)
        points = ' '.join(
            f'{50 + i * step:.1f},{250 - 200 * ms / top_ms:.1f}' for i, ms in enumerate(samples)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}"/>')
        parts.append(f'<text x="50" y="{270 + 14 * number}" fill="{color}">{row["name"]}</text>')
    return '\n'.join([*parts, '</svg>']) + '\n'


def write(result: dict[str, Any], folder: Path) -> None:
    """Writes bench.json, bench.md and bench.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / 'bench.json', json.dumps(result, indent=1) + '\n')
    write_text(folder / 'bench.md', table(result) + '\n')
    write_text(folder / 'bench.svg', plot(result))
