"""What the node keeps of each camera from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtscene_ros.camera.camera_frames import Level, Remark
from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.ros.camera_input import CameraInput
from mtscene_ros.ros.latency import Hysteresis, Latencies, Rate
from mtscene_ros.ros.overload import Load
from mtscene_ros.tasks.reach import reach_sentence
from mtscene_ros.temporal.alarms import Alarms
from mtscene_ros.temporal.gate import EFFECTS, weakened
from mtscene_ros.temporal.tracking import Tracker
from mtscene_ros.types import CameraFrame, Intrinsics, Scene


@dataclass(slots=True, eq=False)
class CameraState:
    """A camera's input, tracker and counts; the worker's thread writes, diagnostics read.

    reach: a sentence on how far the model sees with the camera's lens.
    """

    input: CameraInput
    tracker: Tracker = field(default_factory=Tracker)
    alarms: Alarms = field(default_factory=Alarms)
    stopped: int = 0  # images that gate.mode stopped; they count as dropped
    health: Hysteresis = field(default_factory=lambda: Hysteresis(1))
    latencies: Latencies = field(default_factory=Latencies)
    received: Rate = field(default_factory=Rate)
    published: Rate = field(default_factory=Rate)
    load: Load = field(default_factory=Load)
    why_idle: str = ''
    remarks: tuple[Remark, ...] = ()  # about the last image
    failed_in_a_row: int = 0
    last_error: str = ''
    intrinsics: Intrinsics | None = None  # of the last image that had some
    reach: str = ''

    def new_reach(self, estimator: SceneEstimator, frame: CameraFrame) -> str:
        """Returns how far the model sees, where the lens has changed since the last image."""
        if frame.intrinsics is None or frame.intrinsics == self.intrinsics:
            return ''
        text = reach_sentence(estimator.spec, frame, stretched=estimator.stretched)
        is_new, self.intrinsics, self.reach = text != self.reach, frame.intrinsics, text
        return text if is_new else ''

    def judge(self, scene: Scene, gate_mode: str) -> tuple[Scene | None, list[Remark]]:
        """Returns what of a scene is published, None where gate.mode stops it, and remarks on the
        alarms that are raised."""
        raised = self.alarms.update(scene.signals)
        remarks = [Remark(Level.WARN, signal.text + EFFECTS[gate_mode]) for signal in raised]
        if raised and gate_mode == 'stop':
            self.stopped += 1
            return None, remarks
        return weakened(scene, raised) if raised and gate_mode == 'confidence' else scene, remarks
