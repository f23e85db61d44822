"""The worker's thread: newest images → estimator → messages. Everything per frame is in here.

take → deserialise and decode → estimate one batch → per camera: boxes kept, tracked → publish
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from mtscene_ros import messages
from mtscene_ros.backends import BackendError
from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.images import ImageError
from mtscene_ros.mailbox import Mailbox, Policy, Waiting
from mtscene_ros.outputs import Found, Output, OutputParams, confident
from mtscene_ros.ros.camera import CameraInput
from mtscene_ros.ros.kinds import new
from mtscene_ros.ros.parameter_table import NodeParams
from mtscene_ros.ros.transforms import Transforms
from mtscene_ros.ros.troubles import Troubles
from mtscene_ros.statistics import Hysteresis, Latencies
from mtscene_ros.tracking import Tracker
from mtscene_ros.types import Boxes3D, CameraFrame, Scene

STATS = 'debug/frame_stats'
Pose = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What runs now. publishers: camera → topic → publisher."""

    estimator: SceneEstimator
    outputs: tuple[Output, ...]
    publishers: Mapping[str, Mapping[str, Any]]

    def is_listened(self, camera: str, topic: str) -> bool:
        publisher = self.publishers[camera].get(topic)
        return publisher is not None and publisher.get_subscription_count() > 0


@dataclass(slots=True, eq=False)
class CameraState:
    """What is remembered of a camera from frame to frame."""

    input: CameraInput
    tracker: Tracker
    health: Hysteresis
    latencies: Latencies = field(default_factory=Latencies)
    is_idle: bool = False
    last_error: str = ''


class Worker:
    """line: what to run, None while nothing is loaded; read before each batch, so that another
    one takes over between two frames. params: the current ones."""

    def __init__(
        self,
        node: Node,
        mailbox: Mailbox[bytes],
        cameras: Mapping[str, CameraState],
        line: Callable[[], Line | None],
        params: Callable[[], NodeParams],
        troubles: Troubles,
        transforms: Transforms | None,
    ) -> None:
        self._node, self._mailbox, self.cameras = node, mailbox, cameras
        self._line, self._params, self._troubles = line, params, troubles
        self._transforms = transforms
        self.current: Line | None = None
        self.is_enabled = True
        self._thread = threading.Thread(target=self._run, name='perception-worker', daemon=True)
        self._thread.start()

    def join(self) -> None:
        """After the mailbox was closed."""
        self._thread.join()

    def _run(self) -> None:
        while not self._mailbox.closed:
            if self._line() is None:
                time.sleep(0.02)  # loading: the mailbox keeps the newest meanwhile
                continue
            taken = self._mailbox.take(timeout_s=0.2)
            self._change_over()
            if taken:
                self._process(taken)

    def _change_over(self) -> None:
        """To another model, if there is one: the old one ends here, where nobody uses it."""
        line = self._line()
        if self.current is not None and line is not self.current:
            self.current.estimator.backend.close()
        self.current = line

    def _process(self, taken: dict[str, Waiting[bytes]]) -> None:
        params, begin_s = self._params(), time.monotonic()
        frames: list[CameraFrame] = []
        tasks: list[set[str]] = []
        spent: list[dict[str, float]] = []
        for camera, waiting in taken.items():
            try:
                wanted = self._wanted(camera, waiting, params)
                if wanted is None:
                    self._mailbox.counts[camera].dropped += 1
                    continue
                start_s = time.perf_counter()
                frame, warnings = self.cameras[camera].input.frame(waiting.item)
            except Exception as error:
                self._fail(camera, error)
                continue
            for sentence in warnings:
                self._troubles.tell(sentence)
            waited_s = begin_s - waiting.arrived_s
            spent.append({'receive': waited_s, 'image': time.perf_counter() - start_s})
            frames.append(frame)
            tasks.append(wanted)
        if frames:
            self._estimate(frames, tasks, spent, params)

    def _estimate(
        self,
        frames: list[CameraFrame],
        tasks: list[set[str]],
        spent: list[dict[str, float]],
        params: NodeParams,
    ) -> None:
        assert self.current is not None
        try:
            scenes = self.current.estimator.estimate(frames, tasks)
        except Exception as error:  # of the whole batch
            for frame in frames:
                self._fail(frame.camera, error)
            return
        for scene, before_s in zip(scenes, spent, strict=True):
            try:
                self._publish(scene, before_s, params)
            except Exception as error:  # a running node never dies of a message
                self._fail(scene.frame.camera, error)

    def _wanted(self, camera: str, waiting: Waiting[bytes], params: NodeParams) -> set[str] | None:
        """Tasks that somebody listens to; None where the image is not worth processing."""
        line, state = self.current, self.cameras[camera]
        assert line is not None
        listened = [o for o in line.outputs if line.is_listened(camera, o.topic)]
        is_idle = not self.is_enabled or not (listened or line.is_listened(camera, STATS))
        if is_idle != state.is_idle:
            state.is_idle = is_idle
            name = f'camera {camera}: ' if camera else ''
            reason = 'no subscribers' if self.is_enabled else 'disabled'
            told = f'idle: {reason}' if is_idle else 'awake: subscribers'
            self._node.get_logger().info(name + told)
        if is_idle or self._is_old(waiting, params):
            return None
        return {task for output in listened for task in output.tasks}

    def _is_old(self, waiting: Waiting[bytes], params: NodeParams) -> bool:
        if not params.max_age_ms:
            return False
        age_ms = (self._node.get_clock().now().nanoseconds - waiting.stamp_ns) * 1e-6
        if age_ms > params.max_age_ms:
            self._troubles.tell(f'Images older than max_age_ms ({params.max_age_ms:g}) come in.')
        return age_ms > params.max_age_ms

    def _publish(self, scene: Scene, before_s: dict[str, float], params: NodeParams) -> None:
        line, camera = self.current, scene.frame.camera
        assert line is not None
        start_s = time.perf_counter()
        header = messages.header_of(new, scene.frame)
        scene = self._tracked(confident(scene, params.min_score), params)
        target = self._pose(params.target_frame, scene.frame) if params.target_frame else None
        found = Found(scene, header, output_params(params), new, target)
        made = [
            (line.publishers[camera][output.topic], output.make(found))
            for output in line.outputs
            if line.is_listened(camera, output.topic)
        ]
        serialise_s = time.perf_counter()
        for publisher, message in made:
            if message is not None:
                publisher.publish(message)
        self._mailbox.counts[camera].published += 1
        stage_s = {**before_s, **scene.stage_s, 'serialise': serialise_s - start_s}
        stage_s['publish'] = time.perf_counter() - serialise_s
        self._account(camera, header, stage_s, params)

    def _account(
        self, camera: str, header: Any, stage_s: dict[str, float], params: NodeParams
    ) -> None:
        state, latency_s = self.cameras[camera], sum(stage_s.values())
        age_s = self._node.get_clock().now().nanoseconds * 1e-9
        age_s -= header.stamp.sec + header.stamp.nanosec * 1e-9
        limit_ms = params.diagnostics_max_latency_ms
        state.health.add(is_late=0 < limit_ms < 1e3 * latency_s)
        state.latencies.add({**stage_s, 'latency': latency_s, 'age': age_s})
        self._publish_stats(camera, header, age_s, stage_s)

    def _tracked(self, scene: Scene, params: NodeParams) -> Scene:
        boxes = scene.results.get('boxes3d')
        if not params.tracking_enabled or not isinstance(boxes, Boxes3D):
            return scene
        fixed = self._pose(params.tracking_frame, scene.frame) if params.tracking_frame else None
        tracker = self.cameras[scene.frame.camera].tracker
        named = tracker.update(boxes, scene.frame.stamp_ns, fixed)
        return replace(scene, results={**scene.results, 'boxes3d': named})

    def _pose(self, target: str, frame: CameraFrame) -> Pose | None:
        if self._transforms is None:
            return None
        pose, why_not = self._transforms.target_from_source(target, frame.frame_id, frame.stamp_ns)
        if why_not:
            self._troubles.tell(why_not)
        return pose

    def _publish_stats(
        self, camera: str, header: Any, age_s: float, stage_s: dict[str, float]
    ) -> None:
        assert self.current is not None
        counts = self._mailbox.counts[camera]
        self.current.publishers[camera][STATS].publish(
            messages.frame_stats(new, header, camera, age_s, stage_s, counts)
        )

    def _fail(self, camera: str, error: Exception) -> None:
        known = isinstance(error, ImageError | BackendError)
        sentence = str(error) if known else f'Unexpected {type(error).__name__}: {error}'
        self._mailbox.counts[camera].failed += 1
        self.cameras[camera].last_error = sentence
        self._troubles.tell(sentence)
        self._publish_stats(camera, messages.header(new, 0, ''), 0.0, {})


def policy_of(params: NodeParams) -> Policy:
    """How the mailbox gives out images."""
    skew_ms = params.sync_max_skew_ms if params.sync_policy == 'synchronised' else 0.0
    period_ns = 0.98e9 / params.max_rate_hz if params.max_rate_hz else 0.0  # stamps jitter
    return Policy(max_skew_ns=round(1e6 * skew_ms), min_period_ns=round(period_ns))


def output_params(params: NodeParams) -> OutputParams:
    """Those that shape the messages."""
    return OutputParams(
        params.depth_encoding,
        params.probability_encoding,
        params.class_id_format,
        params.target_frame,
    )
