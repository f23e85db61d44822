"""Sends many frames through the real node to find growing memory, leaked handles and slowdowns.

    python -m benchmarks.soak stored --frames 100000     a 64x32 px camera and stored outputs
    python -m benchmarks.soak bundled --frames 2000      the bundled model, 320x160 px
    python -m benchmarks.soak gpu --frames 20000         the same on an NVIDIA GPU, 1280x720 px

The node runs in a separate process; this one is the camera and subscribes to every output of the
model. It sends the next image as soon as the last one is accounted for, so that every image is
processed. Latencies are the node's own (~/debug/frame_stats, sum of the stages); memory, handles
and CPU time come from the kernel (/proc). CPU time separates the node's work from other programs'.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from mtscene_msgs.msg import FrameStats
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection3DArray

from mtscene_ros.backends.constant import write
from mtscene_ros.backends.cuda import Cuda, open_driver
from mtscene_ros.backends.machine import machine
from mtscene_ros.models.catalogue import spec_of_file
from mtscene_ros.models.child_process import module_command
from mtscene_ros.models.spec import spec_from_json
from mtscene_ros.worlds import FRAMES

# Kind → backend of the node, size of the camera.
KINDS = {
    'stored': ('constant', (64, 32)),
    'bundled': ('onnxruntime', (320, 160)),
    'gpu': ('onnxruntime_cuda', (1280, 720)),
}
RESULTS = Path(__file__).parent / 'results' / 'soak.json'
LISTENED = {
    'semantic/image': Image,
    'semantic/confidence': Image,
    'depth/image': Image,
    'detections_3d': Detection3DArray,
}
SAMPLES, TENTHS = 100, 10
WARM_UP_SHARE, WARM_UP_FRAMES = 0.1, 1000  # the node's own windows hold 300 frames
START_S = 120.0
LOST_S = 2.0  # an image without an account after this time counts as lost and is sent again
MAX_GROWTH_MB, MAX_SLOWDOWN = 1.0, 1.10  # per 10,000 frames; p99 of last over first tenth


@dataclass(frozen=True, slots=True)
class MemorySample:
    """The node's process after some frames. gpu_free_mb: of the whole GPU, 0 without one."""

    frames: int
    resident_mb: float
    descriptors: int
    threads: int
    cpu_s: float
    gpu_free_mb: float = 0.0


def sample(pid: int, frames: int, cuda: Cuda | None = None) -> MemorySample:
    """Samples a process from /proc, and the GPU."""
    process = Path('/proc') / str(pid)
    status = dict(
        line.split(':', 1) for line in (process / 'status').read_text().splitlines() if ':' in line
    )
    ticks = (process / 'stat').read_text().rsplit(')', 1)[1].split()[11:13]
    return MemorySample(
        frames,
        int(status['VmRSS'].split()[0]) / 1024,
        len(os.listdir(process / 'fd')),
        int(status['Threads']),
        sum(map(int, ticks)) / os.sysconf('SC_CLK_TCK'),
        cuda.free_bytes() / 2**20 if cuda else 0.0,
    )


class SoakCamera:
    """Sends the next image when the last one is accounted for."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self.node = rclpy.create_node('soak')
        self.latencies_s: list[float] = []
        self.last: FrameStats | None = None
        self.resent, self.is_running, self.got_s = 0, False, time.monotonic()
        self.node.create_subscription(
            FrameStats, '/perception/debug/frame_stats', self._on_stats, 10
        )
        for topic, kind in LISTENED.items():
            self.node.create_subscription(
                kind, f'/perception/{topic}', lambda _: None, 1, raw=True
            )
        self.images = self.node.create_publisher(Image, '/camera/image_raw', 1)
        self.infos = self.node.create_publisher(CameraInfo, '/camera/camera_info', 1)
        self._image, self.info = messages(width_px, height_px)

    def send(self) -> None:
        stamp = self._image.header.stamp
        stamp.sec, stamp.nanosec = divmod(time.time_ns(), 10**9)
        self.images.publish(self._image)

    def _on_stats(self, stats: FrameStats) -> None:
        self.got_s, self.last = time.monotonic(), stats
        if self.is_running:
            self.latencies_s.append(sum(stage.duration_s for stage in stats.stages))
            self.send()


def messages(width_px: int, height_px: int) -> tuple[Image, CameraInfo]:
    """Returns a generated street and its camera."""
    frame = FRAMES['drive'](3, 0, width_px, height_px)
    image = Image(encoding='rgb8', width=width_px, height=height_px, step=3 * width_px)
    image.data = frame.rgb.tobytes()
    camera = frame.intrinsics
    info = CameraInfo(width=width_px, height=height_px)
    info.k = [camera.fx_px, 0.0, camera.cx_px, 0.0, camera.fy_px, camera.cy_px, 0.0, 0.0, 1.0]
    info.p = [*info.k[:3], 0.0, *info.k[3:6], 0.0, *info.k[6:], 0.0]
    image.header.frame_id = info.header.frame_id = 'camera'
    return image, info


@contextmanager
def running_node(model: Path | str, backend: str) -> Iterator[subprocess.Popen[bytes]]:
    given = ['-p', 'threads:=1', '-p', f'backend:={backend}', '-r', 'image:=/camera/image_raw']
    given += ['-p', f'model:={model}'] if model else []
    process = subprocess.Popen(module_command('mtscene_ros.ros.node', '--ros-args', *given))
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def stored_outputs(path: Path) -> None:
    """Stores random outputs for the bundled model's spec at a sixteenth of its size: 64x32 maps
    decode fast, and boxes and labels are present."""
    spec = spec_of_file()
    raw = json.loads(spec.to_json())
    height_px, width_px = spec.height_px, spec.width_px
    for tensor in (raw['input'], *raw['outputs']):
        tensor['shape'] = [n // 8 if n in (height_px, width_px) or n >= 32 else n
                           for n in tensor['shape']]  # fmt: skip
    small = spec_from_json(json.dumps(raw), str(path))
    rng = np.random.default_rng(0)
    outputs = {t.name: np.zeros((1, *t.shape[1:]), t.dtype) for t in small.outputs}
    for tensor in small.outputs:
        if tensor.dtype == 'uint8':
            outputs[tensor.name][:] = rng.integers(0, 19, (1, *tensor.shape[1:]))
    outputs['depth'][:] = rng.uniform(2, 60, outputs['depth'].shape)
    outputs['boxes3d_scores'][0, 0, 2, ::4] = 0.8
    outputs['boxes3d_code'][0, 2:7] = np.array([20, 4, 2, 1.5, 1])[:, None, None]
    write(path, small, outputs)


def soak(
    frames: int, process: subprocess.Popen[bytes], camera: SoakCamera, cuda: Cuda | None
) -> list[MemorySample]:
    """Sends the frames and returns samples at equal intervals."""
    executor = SingleThreadedExecutor()
    executor.add_node(camera.node)
    wait_for_node(process, camera, executor)
    samples, every = [], max(1, frames // SAMPLES)
    camera.is_running, camera.got_s = True, 0.0
    while len(camera.latencies_s) < frames and process.poll() is None:
        if time.monotonic() - camera.got_s > LOST_S:
            camera.resent += bool(camera.latencies_s)
            camera.got_s = time.monotonic()
            camera.send()
        executor.spin_once(timeout_sec=0.1)
        if len(camera.latencies_s) >= len(samples) * every:
            samples.append(sample(process.pid, len(camera.latencies_s), cuda))
            if len(samples) % 10 == 1:
                print(samples[-1], file=sys.stderr, flush=True)
    camera.is_running = False
    samples.append(sample(process.pid, len(camera.latencies_s), cuda))
    return samples


def wait_for_node(
    process: subprocess.Popen[bytes], camera: SoakCamera, executor: SingleThreadedExecutor
) -> None:
    """Waits until the model is loaded and camera_info has arrived."""
    begin_s = time.monotonic()
    while camera.last is None or not camera.last.published:  # the model is not loaded yet
        if process.poll() is not None or time.monotonic() - begin_s > START_S:
            raise SystemExit('The node did not start to publish; see its log above.')
        camera.infos.publish(camera.info)
        camera.send()
        executor.spin_once(timeout_sec=0.2)
    for _ in range(20):
        camera.infos.publish(camera.info)
        executor.spin_once(timeout_sec=0.1)


def verdict(camera: SoakCamera, samples: list[MemorySample]) -> dict[str, Any]:
    """Returns the figures for the criteria, and whether each criterion is met."""
    total = samples[-1].frames
    warm_up = max(WARM_UP_SHARE * total, min(WARM_UP_FRAMES, total / 2))
    warm = [s for s in samples if s.frames >= warm_up]
    growth_mb, gpu_growth_mb = (
        1e4 * float(np.polyfit([s.frames for s in warm], mb, 1)[0])
        for mb in ([s.resident_mb for s in warm], [-s.gpu_free_mb for s in warm])
    )
    last = camera.last
    assert last is not None
    tenths = np.array_split(np.array(camera.latencies_s), TENTHS)
    p50_ms, p99_ms = (
        [round(1e3 * float(np.percentile(t, p)), 3) for t in tenths] for p in (50, 99)
    )
    marks = [warm[0], warm[len(warm) // 2], warm[-1]]
    cpu_ms = [
        round(1e3 * (b.cpu_s - a.cpu_s) / (b.frames - a.frames), 3) for a, b in pairwise(marks)
    ]
    counts = {n: getattr(last, n) for n in ('received', 'published', 'dropped', 'failed')}
    on_gpu = {'gpu_growth_mb_per_10000_frames': round(gpu_growth_mb, 3)}
    return {
        **counts,
        **(on_gpu if samples[-1].gpu_free_mb else {}),
        'lost_on_the_way_and_sent_again': camera.resent,
        'resident_mb': [round(s.resident_mb, 2) for s in marks],
        'growth_mb_per_10000_frames': round(growth_mb, 3),
        'frames_of_warm_up': round(warm_up),
        'descriptors': sorted({s.descriptors for s in warm}),
        'threads': sorted({s.threads for s in warm}),
        'p50_ms_of_each_tenth': p50_ms,
        'p99_ms_of_each_tenth': p99_ms,
        'cpu_ms_per_frame_of_each_half': cpu_ms,
        'met': {
            'memory': max(growth_mb, gpu_growth_mb) < MAX_GROWTH_MB,
            'descriptors': len({s.descriptors for s in warm}) == 1,
            'threads': len({s.threads for s in warm}) == 1,
            'p99': p99_ms[-1] <= MAX_SLOWDOWN * p99_ms[0],
            'account': last.received == last.published + last.dropped + last.failed,
        },
    }


def run(kind: str, frames: int) -> dict[str, Any]:
    """Runs one soak test and returns a record for JSON; rclpy must be initialised."""
    load, begin_s = os.getloadavg()[0], time.monotonic()
    backend, size_px = KINDS[kind]
    cuda = Cuda(open_driver(), 0) if kind == 'gpu' else None
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / 'stored.npz'
        if kind == 'stored':
            stored_outputs(model)
        camera = SoakCamera(*size_px)
        with running_node(model if kind == 'stored' else '', backend) as process:
            samples = soak(frames, process, camera, cuda)
        camera.node.destroy_node()
    spent_s = time.monotonic() - begin_s
    return {
        'date': datetime.now(timezone.utc).isoformat(timespec='minutes'),
        'machine': machine() + (f', {cuda.gpu.name}' if cuda else ''),
        'load_average_at_start_and_end': [round(load, 1), round(os.getloadavg()[0], 1)],
        'camera': f'{size_px[0]}x{size_px[1]} rgb8',
        'frames': samples[-1].frames,
        'seconds': round(spent_s, 1),
        'rate_hz': round(samples[-1].frames / spent_s, 1),
        **verdict(camera, samples),
        'samples': [list(asdict(s).values()) for s in samples[:: max(1, len(samples) // 20)]],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('kind', choices=KINDS)
    parser.add_argument('--frames', type=int, default=100_000)
    parser.add_argument('-o', '--out', type=Path, default=RESULTS)
    options = parser.parse_args()
    profile = Path(__file__).parents[1] / 'config' / 'fastdds.xml'
    os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(profile))
    rclpy.init()
    result = run(options.kind, options.frames)
    rclpy.try_shutdown()
    known = json.loads(options.out.read_text()) if options.out.exists() else {}
    options.out.write_text(json.dumps(known | {options.kind: result}, indent=1) + '\n')
    print(json.dumps({k: v for k, v in result.items() if k != 'samples'}, indent=1))
    return int(not all(result['met'].values()))


if __name__ == '__main__':
    sys.exit(main())
