"""The worker's thread: newest images → estimator → messages. Everything per frame is in here.

take → decode the image → estimate one batch → per camera: boxes kept, tracked → publish

Copies of an rgb8 image of camera size: none in here; the network's input is scaled from where the
middleware put the bytes. Copies of a map of camera size: it is made once (depth twice, see
tasks/depth.py), copied into its message (messages.image_message), and by rclpy's publish into the
C message and from there into the middleware's memory.
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

from mtscene_ros.backends import BackendError
from mtscene_ros.camera import messages
from mtscene_ros.camera.camera_frames import Level, Remark
from mtscene_ros.camera.images import ImageError
from mtscene_ros.camera.mailbox import Mailbox, Waiting
from mtscene_ros.camera.outputs import FRAME_STATS, Output, OutputContext, confident
from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.ros.camera_input import CameraInput
from mtscene_ros.ros.latency import Hysteresis, Latencies, Rate
from mtscene_ros.ros.message_types import new
from mtscene_ros.ros.parameter_table import NodeParams
from mtscene_ros.ros.params import output_params, policy_of
from mtscene_ros.ros.transforms import Transforms
from mtscene_ros.ros.troubles import Troubles
from mtscene_ros.tracking import Tracker, TrackingOptions
from mtscene_ros.types import Boxes3D, CameraFrame, Scene

Pose = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
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
    tracker: Tracker = field(default_factory=Tracker)
    health: Hysteresis = field(default_factory=lambda: Hysteresis(1))
    latencies: Latencies = field(default_factory=Latencies)
    received: Rate = field(default_factory=Rate)
    published: Rate = field(default_factory=Rate)
    why_idle: str = ''
    remarks: tuple[Remark, ...] = ()  # on the last image
    failed_in_a_row: int = 0
    last_error: str = ''


@dataclass(frozen=True, slots=True, eq=False)
class PendingImage:
    """One image in work. outputs: those that somebody listened to when it was taken; spent_s: by
    stage so far."""

    frame: CameraFrame
    outputs: tuple[Output, ...]
    arrived_s: float
    spent_s: dict[str, float]


class Worker:
    """line: what to run, None while nothing is loaded; read before each batch, so that another
    one takes over between two frames. params: the current ones."""

    def __init__(
        self,
        node: Node,
        mailbox: Mailbox[bytes],
        cameras: Mapping[str, CameraState],
        line: Callable[[], Pipeline | None],
        params: Callable[[], NodeParams],
        troubles: Troubles,
        transforms: Transforms | None,
    ) -> None:
        self._node, self._mailbox, self.cameras = node, mailbox, cameras
        self._line, self._params, self._troubles = line, params, troubles
        self._transforms = transforms
        self.current: Pipeline | None = None
        self.is_enabled, self._busy_since_s = True, 0.0  # 0: between two batches
        # Of one that hangs: should it come back one day, it frees the model, and says nothing.
        self.is_abandoned = False
        self._thread = threading.Thread(target=self._run, name='perception-worker', daemon=True)
        self._thread.start()

    def join(self, wait_s: float | None) -> bool:
        """After the mailbox was closed: whether it has ended. None = as long as it takes."""
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def busy_s(self) -> float:
        """How long the batch in work has been there; 0 between two."""
        since_s = self._busy_since_s
        return time.monotonic() - since_s if since_s else 0.0

    def why_idle(self, camera: str, line: Pipeline) -> str:
        """Why nothing is computed for a camera; '' where something is."""
        if not self.is_enabled:
            return 'disabled'
        topics = (FRAME_STATS, *(output.topic for output in line.outputs))
        is_heard = any(line.is_listened(camera, topic) for topic in topics)
        return '' if is_heard else 'no subscribers'

    def _run(self) -> None:
        while not self._mailbox.closed:
            try:
                self._turn()
            except Exception as error:  # a running node never dies of a frame
                self._tell_unexpected(error)
        if self.is_abandoned and self.current is not None:
            self.current.estimator.backend.close()

    def _turn(self) -> None:
        if self._line() is None:
            time.sleep(0.02)  # loading: the mailbox keeps the newest meanwhile
            return
        taken = self._mailbox.take(timeout_s=0.2)
        params = self._params()
        self._take_up(params)
        self._change_over()
        jobs = [self._job(camera, waiting, params) for camera, waiting in taken.items()]
        self._estimate([job for job in jobs if job is not None], params)

    def _take_up(self, params: NodeParams) -> None:
        """Parameters that changed while running."""
        self._mailbox.policy = policy_of(params)
        for state in self.cameras.values():
            state.health.frames = params.diagnostics_late_frames
            state.tracker.options = TrackingOptions(max_age_s=params.tracking_max_age_s)

    def _change_over(self) -> None:
        """To another model, if there is one: the old one ends here, where nobody uses it."""
        line = self._line()
        if self.current is not None and line is not self.current:
            self.current.estimator.backend.close()
        self.current = line

    def _job(
        self, camera: str, waiting: Waiting[bytes], params: NodeParams
    ) -> PendingImage | None:
        """None where the image is not worth processing, or cannot be."""
        line, begin_s = self.current, time.monotonic()
        assert line is not None
        try:
            if self._is_idle(camera, line) or self._is_old(waiting, params):
                self._mailbox.account(camera, 'dropped')
                return None
            outputs = tuple(o for o in line.outputs if line.is_listened(camera, o.topic))
            frame, remarks = self.cameras[camera].input.frame(waiting.item)
        except Exception as error:
            self._fail(camera, error, waiting.stamp_ns)
            return None
        self._remark(camera, remarks)
        spent_s = {'receive': begin_s - waiting.arrived_s, 'image': time.monotonic() - begin_s}
        return PendingImage(frame, outputs, waiting.arrived_s, spent_s)

    def _is_idle(self, camera: str, line: Pipeline) -> bool:
        state, why = self.cameras[camera], self.why_idle(camera, line)
        if bool(why) != bool(state.why_idle):
            name = f'camera {camera}: ' if camera else ''
            self._node.get_logger().info(name + (f'idle: {why}' if why else 'awake: subscribers'))
        state.why_idle = why
        return bool(why)

    def _is_old(self, waiting: Waiting[bytes], params: NodeParams) -> bool:
        if not params.max_age_ms:
            return False
        age_ms = (self._node.get_clock().now().nanoseconds - waiting.stamp_ns) * 1e-6
        if age_ms > params.max_age_ms:
            self._troubles.tell(
                f'Images {age_ms:.0f} ms old are dropped (max_age_ms is {params.max_age_ms:g}).'
            )
        return age_ms > params.max_age_ms

    def _remark(self, camera: str, remarks: list[Remark], *, further: bool = False) -> None:
        """further: beside those of the same image that were told before."""
        state = self.cameras[camera]
        state.remarks = (*(state.remarks if further else ()), *remarks)
        for remark in remarks:
            tell = self._troubles.tell if remark.level else self._troubles.tell_once
            tell(remark.text)

    def _estimate(self, jobs: list[PendingImage], params: NodeParams) -> None:
        if not jobs:
            return
        assert self.current is not None
        tasks = [{task for output in job.outputs for task in output.tasks} for job in jobs]
        scenes, failure, self._busy_since_s = [], None, time.monotonic()
        try:
            scenes = self.current.estimator.estimate([job.frame for job in jobs], tasks)
        except Exception as error:  # of the whole batch
            failure = error
        self._busy_since_s = 0.0
        if self.is_abandoned:  # the publishers are gone
            return
        if failure is not None:
            for job in jobs:
                self._fail(job.frame.camera, failure, job.frame.stamp_ns)
            return
        for job, scene in zip(jobs, scenes, strict=True):
            try:
                stage_s = {**job.spent_s, **scene.stage_s, **self._publish(job, scene, params)}
            except Exception as error:
                self._fail(job.frame.camera, error, job.frame.stamp_ns)
            else:
                self._account(job, stage_s, params)

    def _publish(self, job: PendingImage, scene: Scene, params: NodeParams) -> dict[str, float]:
        """Seconds for making the messages and for giving them to the middleware."""
        line, camera = self.current, job.frame.camera
        assert line is not None
        start_s, publish_s = time.perf_counter(), 0.0
        header = messages.header_of(new, job.frame)
        self._remark(camera, [Remark(Level.WARN, s) for s in scene.warnings], further=True)
        scene = self._tracked(confident(scene, params.min_score), params)
        target = self._pose(params.target_frame, job.frame) if params.target_frame else None
        found = OutputContext(scene, header, output_params(params), new, target)
        for output in job.outputs:
            message = output.make(found)
            if message is not None:
                before_s = time.perf_counter()
                line.publishers[camera][output.topic].publish(message)
                publish_s += time.perf_counter() - before_s
        whole_s = time.perf_counter() - start_s
        return {'serialise': whole_s - publish_s, 'publish': publish_s}

    def _account(self, job: PendingImage, stage_s: dict[str, float], params: NodeParams) -> None:
        camera, latency_s = job.frame.camera, time.monotonic() - job.arrived_s
        state, header = self.cameras[camera], messages.header_of(new, job.frame)
        self._mailbox.account(camera, 'published')
        state.failed_in_a_row = 0
        age_s = (self._node.get_clock().now().nanoseconds - job.frame.stamp_ns) * 1e-9
        state.health.add(is_late=0 < params.diagnostics_max_latency_ms < 1e3 * latency_s)
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
        counts = self._mailbox.counts(camera)
        message = messages.frame_stats(new, header, camera, age_s, stage_s, counts)
        try:
            self.current.publishers[camera][FRAME_STATS].publish(message)
        except Exception as error:  # this image is accounted for, and others are still to come
            self._tell_unexpected(error)

    def _tell_unexpected(self, error: Exception) -> None:
        if self._node.context.ok():  # otherwise the node is being shut down
            self._troubles.tell(f'Unexpected {type(error).__name__}: {error}')

    def _fail(self, camera: str, error: Exception, stamp_ns: int) -> None:
        """One image's trouble: counted, told, and the node goes on."""
        self._mailbox.account(camera, 'failed')
        if not self._node.context.ok():
            return  # it failed because the node is being shut down
        known = isinstance(error, ImageError | BackendError)
        sentence = str(error) if known else f'Unexpected {type(error).__name__}: {error}'
        state = self.cameras[camera]
        state.failed_in_a_row, state.last_error = state.failed_in_a_row + 1, sentence
        self._troubles.tell(sentence)
        self._publish_stats(camera, messages.header(new, stamp_ns, ''), 0.0, {})
