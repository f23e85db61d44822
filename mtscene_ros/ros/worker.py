"""The worker's thread: newest images → estimator → messages. Everything done per frame is here.

take → decode the image → estimate one batch → for each camera: filter boxes, track them → publish

An rgb8 image at camera size is not copied here: the network's input is scaled from where the
middleware put the bytes. A map at camera size is made once, copied into a serialized message
(cdr_writer.py), and from there into the middleware's memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from mtscene_ros.backends import BackendError
from mtscene_ros.camera import messages
from mtscene_ros.camera.camera_frames import Level, Remark
from mtscene_ros.camera.images import ImageError
from mtscene_ros.camera.mailbox import Mailbox, Waiting
from mtscene_ros.camera.outputs import FRAME_STATS, OutputContext
from mtscene_ros.ros import cdr_writer
from mtscene_ros.ros.camera_state import CameraState
from mtscene_ros.ros.message_types import new
from mtscene_ros.ros.node_page import NodePage
from mtscene_ros.ros.parameter_values import NodeParams
from mtscene_ros.ros.params import box_filter_of, output_params, policy_of, watch_options
from mtscene_ros.ros.pipeline import PendingImage, Pipeline
from mtscene_ros.ros.transforms import Transforms
from mtscene_ros.ros.troubles import Troubles
from mtscene_ros.temporal.tracking import TrackingOptions
from mtscene_ros.terminal import shown
from mtscene_ros.types import Boxes3D, CameraFrame, Scene, Signal

Pose = NDArray[np.float64]


class Worker:
    """Owns the thread that runs the pipeline.

    pipeline: returns what to run, None while nothing is loaded; called before each batch, so that
    a swap takes effect between two frames. params: returns the current parameters.
    """

    def __init__(
        self,
        node: Node,
        mailbox: Mailbox[bytes],
        cameras: Mapping[str, CameraState],
        pipeline: Callable[[], Pipeline | None],
        params: Callable[[], NodeParams],
        troubles: Troubles,
        transforms: Transforms | None,
        page: NodePage,
    ) -> None:
        self._node, self._mailbox, self.cameras = node, mailbox, cameras
        self._pipeline, self._params, self._troubles = pipeline, params, troubles
        self._transforms, self._page = transforms, page
        self.current: Pipeline | None = None
        self.is_enabled, self._busy_since_s = True, 0.0  # 0: between two batches
        # A hanging worker is abandoned; should it return, it frees the model and logs nothing.
        self.is_abandoned = False
        self._thread = threading.Thread(target=self._run, name='perception-worker', daemon=True)
        self._thread.start()

    def join(self, wait_s: float | None) -> bool:
        """Waits after the mailbox was closed; returns whether the worker ended. None: no limit."""
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def busy_s(self) -> float:
        """Returns how long the current batch has taken so far; 0 between two batches."""
        since_s = self._busy_since_s
        return time.monotonic() - since_s if since_s else 0.0

    def why_idle(self, camera: str, pipeline: Pipeline) -> str:
        """Returns why nothing is computed for a camera; '' where something is."""
        if not self.is_enabled:
            return 'disabled'
        topics = (FRAME_STATS, *(output.topic for output in pipeline.outputs))
        has_subscriber = any(pipeline.is_subscribed(camera, topic) for topic in topics)
        return '' if has_subscriber or self._page.is_watched(camera) else 'no subscribers'

    def _run(self) -> None:
        while not self._mailbox.closed:
            try:
                self._process_once()
            except Exception as error:  # a running node never dies of a frame
                self._warn_unexpected(error)
        if self.is_abandoned and self.current is not None:
            self.current.estimator.backend.close()

    def _process_once(self) -> None:
        if self._pipeline() is None:
            time.sleep(0.02)  # meanwhile the mailbox keeps the newest image
            return
        taken = self._mailbox.take(timeout_s=0.2)
        params = self._params()
        self._apply(params)
        self._switch_pipeline()
        images = [self._prepare(camera, waiting, params) for camera, waiting in taken.items()]
        self._estimate([image for image in images if image is not None], params)

    def _apply(self, params: NodeParams) -> None:
        """Applies parameters that may have changed."""
        self._mailbox.policy = policy_of(params)
        for state in self.cameras.values():
            state.health.frames = params.diagnostics_late_frames
            state.tracker.options = TrackingOptions(max_age_s=params.tracking_max_age_s)

    def _switch_pipeline(self) -> None:
        """Switches to another model if there is one, and closes the old one, unused by now."""
        pipeline = self._pipeline()
        if self.current is not None and pipeline is not self.current:
            self.current.estimator.backend.close()
        self.current = pipeline

    def _prepare(
        self, camera: str, waiting: Waiting[bytes], params: NodeParams
    ) -> PendingImage | None:
        """Returns None where the image need not or cannot be processed."""
        pipeline, start_s = self.current, time.monotonic()
        assert pipeline is not None
        try:
            if self._is_idle(camera, pipeline) or self._is_old(waiting, params):
                self._mailbox.account(camera, 'dropped')
                return None
            outputs = tuple(o for o in pipeline.outputs if pipeline.is_subscribed(camera, o.topic))
            pictures = self._page.due(camera)
            frame, remarks = self.cameras[camera].input.frame(waiting.item)
        except Exception as error:
            self._fail(camera, error, waiting.stamp_ns)
            return None
        self._remark(camera, remarks)
        reach = self.cameras[camera].new_reach(pipeline.estimator, frame)
        if reach:
            self._node.get_logger().info(f'Camera {camera}: {reach}' if camera else reach)
        spent_s = {'receive': start_s - waiting.arrived_s, 'image': time.monotonic() - start_s}
        return PendingImage(frame, outputs, pictures, waiting.arrived_s, spent_s)

    def _is_idle(self, camera: str, pipeline: Pipeline) -> bool:
        state, why = self.cameras[camera], self.why_idle(camera, pipeline)
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
            self._troubles.warn(
                f'An image is {age_ms:.0f} ms old and was dropped (max_age_ms is '
                f'{params.max_age_ms:g}).'
            )
        return age_ms > params.max_age_ms

    def _remark(self, camera: str, remarks: list[Remark], *, further: bool = False) -> None:
        """Logs remarks; further: they add to earlier ones about the same image."""
        state = self.cameras[camera]
        state.remarks = (*(state.remarks if further else ()), *remarks)
        for remark in remarks:
            log = self._troubles.warn if remark.level else self._troubles.warn_once
            log(remark.text)

    def _estimate(self, images: list[PendingImage], params: NodeParams) -> None:
        if not images:
            return
        assert self.current is not None
        self.current.estimator.watch.options = watch_options(params)
        tasks = [image.tasks for image in images]
        scenes, failure, self._busy_since_s = [], None, time.monotonic()
        try:
            scenes = self.current.estimator.estimate([image.frame for image in images], tasks)
        except Exception as error:  # fails the whole batch
            failure = error
        self._busy_since_s = 0.0
        if self.is_abandoned:  # the publishers no longer exist
            return
        if failure is not None:
            for image in images:
                self._fail(image.frame.camera, failure, image.frame.stamp_ns)
            return
        for image, scene in zip(images, scenes, strict=True):
            try:
                camera = image.frame.camera
                used, remarks = self.cameras[camera].judge(scene, params.gate_mode)
                self._remark(camera, remarks, further=True)
                if used is None:
                    self._stop(image, scene)
                    continue
                stage_s = {**image.spent_s, **scene.stage_s, **self._publish(image, used, params)}
            except Exception as error:
                self._fail(image.frame.camera, error, image.frame.stamp_ns)
            else:
                self._account(image, stage_s, params)

    def _stop(self, image: PendingImage, scene: Scene) -> None:
        """Counts an image that gate.mode stopped, and publishes why."""
        camera, header = image.frame.camera, messages.header_of(new, image.frame)
        self._mailbox.account(camera, 'dropped')
        states = self.cameras[camera].alarms.states
        self._publish_stats(camera, header, 0.0, scene.stage_s, states)

    def _publish(self, image: PendingImage, scene: Scene, params: NodeParams) -> dict[str, float]:
        """Returns the seconds for making the messages and for handing them to the middleware."""
        pipeline, camera = self.current, image.frame.camera
        assert pipeline is not None
        start_s, publish_s, header = time.perf_counter(), 0.0, messages.header_of(new, image.frame)
        self._remark(camera, [Remark(Level.WARN, s) for s in scene.warnings], further=True)
        wanted = box_filter_of(params)
        for sentence in wanted.unknown(scene):
            self._troubles.warn_once(sentence)
        scene = self._tracked(wanted.kept(scene), params)
        target = self._pose(params.target_frame, image.frame) if params.target_frame else None
        found = OutputContext(scene, header, output_params(params), new, target)
        direct = replace(found, new=cdr_writer.new) if cdr_writer.is_usual() else found
        for output in image.outputs:
            message = output.make(direct if output.kind in cdr_writer.WRITERS else found)
            if message is not None:
                before_s = time.perf_counter()
                pipeline.publishers[camera][output.topic].publish(message)
                publish_s += time.perf_counter() - before_s
        self._page.offer(scene, image.pictures)
        whole_s = time.perf_counter() - start_s
        return {'serialise': whole_s - publish_s, 'publish': publish_s}

    def _account(self, image: PendingImage, stage_s: dict[str, float], params: NodeParams) -> None:
        camera, latency_s = image.frame.camera, time.monotonic() - image.arrived_s
        state, header = self.cameras[camera], messages.header_of(new, image.frame)
        self._mailbox.account(camera, 'published')
        state.failed_in_a_row = 0
        age_s = (self._node.get_clock().now().nanoseconds - image.frame.stamp_ns) * 1e-9
        state.health.add(is_late=0 < params.diagnostics_max_latency_ms < 1e3 * latency_s)
        state.latencies.add({**stage_s, 'latency': latency_s, 'age': age_s})
        self._publish_stats(camera, header, age_s, stage_s, state.alarms.states)

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
            self._troubles.warn(why_not)
        return pose

    def _publish_stats(
        self,
        camera: str,
        header: Any,
        age_s: float,
        stage_s: Mapping[str, float],
        signals: Sequence[tuple[Signal, bool]] = (),
    ) -> None:
        assert self.current is not None
        counts = self._mailbox.counts(camera)
        message = messages.frame_stats(new, header, camera, age_s, stage_s, counts, signals)
        try:
            self.current.publishers[camera][FRAME_STATS].publish(message)
        except Exception as error:  # this image is accounted for already, and others follow
            self._warn_unexpected(error)

    def _warn_unexpected(self, error: Exception) -> None:
        if self._node.context.ok():  # otherwise the node shuts down
            self._troubles.warn(f'Unexpected {type(error).__name__}: {error}')

    def _fail(self, camera: str, error: Exception, stamp_ns: int) -> None:
        """Counts and logs the failure of one image; the node goes on."""
        self._mailbox.account(camera, 'failed')
        if not self._node.context.ok():
            return  # it failed because the node shuts down
        known = isinstance(error, ImageError | BackendError)
        sentence = shown(str(error) if known else f'Unexpected {type(error).__name__}: {error}')
        state = self.cameras[camera]
        state.failed_in_a_row, state.last_error = state.failed_in_a_row + 1, sentence
        self._troubles.warn(sentence)
        self._publish_stats(camera, messages.header(new, stamp_ns, ''), 0.0, {})
