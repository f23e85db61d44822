"""What the node keeps of each camera from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtscene_ros.camera.camera_frames import Remark
from mtscene_ros.ros.camera_input import CameraInput
from mtscene_ros.ros.latency import Hysteresis, Latencies, Rate
from mtscene_ros.ros.overload import Load
from mtscene_ros.tracking import Tracker


@dataclass(slots=True, eq=False)
class CameraState:
    """A camera's input, tracker and counts; the worker's thread writes, diagnostics read."""

    input: CameraInput
    tracker: Tracker = field(default_factory=Tracker)
    health: Hysteresis = field(default_factory=lambda: Hysteresis(1))
    latencies: Latencies = field(default_factory=Latencies)
    received: Rate = field(default_factory=Rate)
    published: Rate = field(default_factory=Rate)
    load: Load = field(default_factory=Load)
    why_idle: str = ''
    remarks: tuple[Remark, ...] = ()  # about the last image
    failed_in_a_row: int = 0
    last_error: str = ''
