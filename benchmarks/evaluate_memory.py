"""Measures the memory of `mtscene evaluate` on a recording larger than it may hold in memory.

    python -m benchmarks.evaluate_memory [--gb 2] [--small-gb 0.2] [-o result.json]

Generated frames at camera size (1920x1080, raw) with labels, depth, boxes and TF are repeated
until the recording has the requested size; then a separate process evaluates it. Its peak resident
size, including pages of memory-mapped files, is read from the kernel at the end (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtscene_ros.datasets.moments import Moment
from mtscene_ros.models.child_process import code_command
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.report.recording_page import machine
from mtscene_ros.worlds.as_moment import moment_from_world
from mtscene_ros.worlds.drive import drive_sequence

SIZE_PX = (1920, 1080)
BYTES_PER_FRAME = SIZE_PX[0] * SIZE_PX[1] * (3 + 1 + 4)
PERIOD_NS = 100_000_000
SCRIPT = """
import re, sys
from pathlib import Path
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.evaluate.options import EvaluateOptions
bag, into = map(Path, sys.argv[1:3])
outputs = tuple(sys.argv[3:])
options = EvaluateOptions(backend='onnxruntime', threads=2, progress=False, outputs=outputs)
counts = evaluate_bag(bag, options, into)['counts']
peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]
print(counts['published'], int(peak) * 1024)
"""


def moments(count: int) -> Iterator[Moment]:
    """Yields eight different frames in turn, with increasing stamps."""
    worlds = list(drive_sequence(11, 8, 10.0, 480, 270))
    known = [enlarged(moment_from_world(world)) for world in worlds]
    for index in range(count):
        yield replace(known[index % 8], stamp_ns=known[0].stamp_ns + index * PERIOD_NS)


def enlarged(moment: Moment) -> Moment:
    def resized(values: Any) -> Any:
        return np.asarray(cv2.resize(values, SIZE_PX, interpolation=cv2.INTER_NEAREST))

    assert moment.labels is not None
    assert moment.depth_m is not None
    return replace(
        moment,
        rgb=resized(moment.rgb),
        labels=resized(moment.labels),
        depth_m=resized(moment.depth_m),
        intrinsics=moment.intrinsics.resized(*SIZE_PX),
    )


def measured(gigabytes: float, folder: Path, outputs: list[str]) -> dict[str, Any]:
    bag, report = folder / 'large.mcap', folder / 'report'
    frames = max(2, round(gigabytes * 1e9 / BYTES_PER_FRAME))
    write_recording(bag, moments(frames))
    start_s = time.perf_counter()
    command = code_command(SCRIPT, str(bag), str(report), *outputs)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start_s
    published, peak = map(int, done.stdout.split())
    found = {
        'bag_bytes': bag.stat().st_size,
        'outputs': outputs,
        'frames': frames,
        'published': published,
        'peak_resident_bytes': peak,
        'predictions_bytes': (report / 'predictions.mcap').stat().st_size,
        'frames_per_s': round(frames / seconds, 2),
    }
    bag.unlink()
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--gb', type=float, default=2.0)
    parser.add_argument('--small-gb', type=float, default=0.2)
    parser.add_argument('--folder', type=Path, help='folder with space for twice the recording')
    parser.add_argument(
        '--outputs', nargs='*', default=['*'], help='outputs stored in predictions.mcap'
    )
    parser.add_argument('-o', '--output', type=Path)
    options = parser.parse_args(arguments)
    rows = []
    for gigabytes in (options.small_gb, options.gb):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            rows.append(measured(gigabytes, Path(folder), options.outputs))
            print(json.dumps(rows[-1]), flush=True)
    result = {
        'date': datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        'machine': machine(),
    }
    text = json.dumps({**result, 'model': 'bundled', 'runs': rows}, indent=1)
    if options.output:
        options.output.write_text(text + '\n')


if __name__ == '__main__':
    main()
