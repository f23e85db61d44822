"""A camera that can misbehave, stored outputs, and the account of every frame."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from conftest import tiny_spec
from patience import PATIENCE_S
from ros.fleet import Fleet, info_of
from sensor_msgs.msg import CameraInfo, Image

from mtscene_ros.backends.constant import write
from mtscene_ros.models.spec import ModelSpec

SEC = 10**9
TOPICS = ('semantic/image', 'depth/image', 'detections_3d', 'debug/frame_stats')
INFO = info_of('', 64, 32, 64.0)
GREY = np.full((32, 64, 3), 80, np.uint8)  # the tiny model: label 10, 40 m canonical, 80 m here


def stored_model(path: Path, spec: ModelSpec | None = None, **behaviour: Any) -> Path:
    """Stored outputs of the tiny model's spec, or a part of it: label 10, 40 m, one car of score
    0.8."""
    spec = spec or tiny_spec()
    fill = {'semantic_labels': 10, 'semantic_confidence': 80, 'depth': 40.0}
    outputs = {
        t.name: np.full((1, *t.shape[1:]), fill.get(t.name, 0), t.dtype) for t in spec.outputs
    }
    if 'boxes3d_code' in outputs:
        outputs['boxes3d_scores'][0, 0, 2, 4] = 0.8
        outputs['boxes3d_code'][0, :, 2, 4] = 0, 0, 20, 4, 2, 1.5, 1, 0
    write(path, spec, outputs, **behaviour)
    return path


def image(rgb: Any, stamp_ns: int, encoding: str = 'rgb8', frame_id: str = '_optical') -> Image:
    """rgb: (H, W, C) uint8, as the encoding has it."""
    message = Image(encoding=encoding, height=rgb.shape[0], width=rgb.shape[1])
    message.step, message.data = rgb[0].nbytes, rgb.tobytes()
    message.header.frame_id = frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, SEC)
    return message


def meet(fleet: Fleet, info: CameraInfo = INFO) -> Any:
    """Until every camera's images get through → the first one's account at that moment."""
    return fleet.connect(dict.fromkeys(fleet.cameras, info))[fleet.cameras[0]]


def send(fleet: Fleet, message: Any, camera: str = '') -> Any:
    """One image → the account after it."""
    stats = fleet.got[camera, 'debug/frame_stats']
    seen = len(stats)
    fleet.images[camera].publish(message)
    fleet.wait(lambda: len(stats) > seen)
    return stats[-1]


def show_until_it_runs(fleet: Fleet, stamps_ns: Iterator[int]) -> Any:
    """Images until diagnostics say so → the node's account after the last one."""
    while True:
        last = send(fleet, image(GREY, next(stamps_ns)))
        found = [s for d in fleet.diagnostics for s in d.status if s.name.endswith('camera')]
        fleet.diagnostics.clear()
        if any((s.level, s.message) == (b'\0', 'running') for s in found):
            return last


def counts(now: Any, before: Any) -> tuple[int, int, int, int]:
    """received, published, dropped, failed since `before`."""
    names = ('received', 'published', 'dropped', 'failed')
    received, published, dropped, failed = (getattr(now, n) - getattr(before, n) for n in names)
    return received, published, dropped, failed


def all_accounted(stats: Any) -> bool:
    return bool(stats.received == stats.published + stats.dropped + stats.failed)


def level_becomes(fleet: Fleet, part: str, level: bytes, timeout_s: float = PATIENCE_S) -> str:
    """Waits for a diagnostic entry at that level → its message."""
    end_s = time.monotonic() + timeout_s
    while (status := fleet.status_of(part)).level != level:
        assert time.monotonic() < end_s, (status.level, status.message)
    return str(status.message)
