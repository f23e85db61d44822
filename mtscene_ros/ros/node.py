"""perception_node: lifecycle, parameters, topics and services around the worker; no algorithm.

Executor's thread: subscriptions put serialized images into the mailbox; timers, services,
lifecycle. Worker's thread (worker.py): takes the newest images, runs the estimator, publishes.
Loading thread (loading.py): only while a model is opened or its engine built.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from mtscene_msgs.srv import SwapModel
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.utilities import try_shutdown
from std_srvs.srv import SetBool

from mtscene_ros.estimator import SceneEstimator, decoders_of, spec_of_file
from mtscene_ros.mailbox import Mailbox
from mtscene_ros.outputs import outputs_of
from mtscene_ros.ros import diagnostics
from mtscene_ros.ros.camera import CameraInput
from mtscene_ros.ros.lifecycle import guard_transitions
from mtscene_ros.ros.loading import Answer, Loading, opener
from mtscene_ros.ros.memory import keep_freed_memory
from mtscene_ros.ros.params import ParameterError, declare, read, unknown
from mtscene_ros.ros.publishers import Publishers
from mtscene_ros.ros.transforms import Transforms, TransformsError
from mtscene_ros.ros.troubles import Troubles
from mtscene_ros.ros.worker import CameraState, Line, Worker, policy_of
from mtscene_ros.spec import SpecError
from mtscene_ros.statistics import Hysteresis
from mtscene_ros.tracking import Tracker, TrackingOptions

OK, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class PerceptionNode(LifecycleNode):
    """configure begins to load the model, activate starts input and worker, deactivate stops both,
    cleanup frees the model. A model that cannot be opened leads back to unconfigured."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__('perception', **node_options)
        self.params = declare(self)
        self._troubles = Troubles(self.get_logger())
        for sentence in unknown(self._parameter_overrides):
            self.get_logger().warning(sentence)
        self._loading: Loading | None = None
        self._swap: tuple[Loading, Answer] | None = None
        self._line: Line | None = None
        self._topics = Publishers(self)
        self._transforms: Transforms | None = None
        self._mailbox: Mailbox[bytes] = Mailbox(tuple(self.params.cameras))
        self._worker: Worker | None = None
        self.has_failed, self._told_phase = False, ''
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(1.0, self._each_second)
        self.create_timer(0.05, self._look_after_loading)
        self.create_service(SetBool, '~/enable', self._on_enable)
        # A group of its own: while it awaits, rclpy runs nothing else of its group.
        own = MutuallyExclusiveCallbackGroup()
        self.create_service(SwapModel, '~/swap_model', self._on_swap, callback_group=own)
        guard_transitions(self)
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        self._jump = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    # -- lifecycle ---------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Checks what can be at once, announces the topics, begins to load the model."""
        self.params = params = read(self)
        try:
            spec = spec_of_file(params.model)
            decoders_of(spec, params.model)
            if params.target_frame or (params.tracking_enabled and params.tracking_frame):
                self._transforms = self._transforms or Transforms(self)
        except (SpecError, TransformsError) as error:
            self.get_logger().fatal(str(error))
            return FAILURE
        self._topics.announce(spec, self.params.cameras, is_active=False)
        self._loading = Loading(params.model or 'the bundled model', opener(params))
        return OK

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribes and starts the worker; frames wait until the model is loaded."""
        super().on_activate(state)
        params = self.params
        self._mailbox = Mailbox(tuple(params.cameras), policy_of(params))
        options = TrackingOptions(max_age_s=params.tracking_max_age_s)
        cameras = {
            name: CameraState(
                CameraInput(
                    self, name, params.input_is_rectified, self._mailbox.put, self._troubles.tell
                ),
                Tracker(options),
                Hysteresis(params.diagnostics_late_frames),
            )
            for name in params.cameras
        }
        self._worker = Worker(
            self,
            self._mailbox,
            cameras,
            lambda: self._line,
            lambda: read(self),  # some may have changed
            self._troubles,
            self._transforms,
        )
        self._repeat_classes()
        for camera in cameras.values():
            topics = f'{camera.input.image_topic} and {camera.input.info_topic}'
            self.get_logger().info(f'Listening to {topics}')
        return OK

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops the worker after the frame in work; the model stays loaded."""
        self._stop()
        super().on_deactivate(state)
        return OK

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Frees the model, or ends its loading, and takes the topics down."""
        self._release()
        return OK

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As deactivate and cleanup."""
        self._stop()
        self._release()
        return OK

    def destroy_node(self) -> None:
        """Ends worker and loading before the handles that they use go away."""
        self._stop()
        self._cancel_loading(wait_s=2.0)  # an engine's builder is a process of its own
        super().destroy_node()

    def _stop(self) -> None:
        self._mailbox.close()
        if self._worker is not None:
            self._worker.join()
            for camera in self._worker.cameras.values():
                camera.input.close(self)
            current = self._worker.current
            if current is not None and current is not self._line:  # swapped as the worker ended
                current.estimator.backend.close()
        self._worker = None

    def _cancel_loading(self, wait_s: float = 0.0) -> None:
        if self._loading is not None and self._line is None:
            self._loading.cancel(wait_s)
        if self._swap is not None:
            self._swap[0].cancel(wait_s)
            self._swap[1].text = 'The node was cleaned up.'

    def _release(self) -> None:
        self._cancel_loading()
        self._topics.clear()
        if self._line is not None:
            self._line.estimator.backend.close()
        self._line = self._loading = self._swap = None

    # -- models ------------------------------------------------------------------------------

    def _look_after_loading(self) -> None:
        """What the loading threads have to say, on the executor's thread."""
        loading = self._loading
        if loading is not None and self._line is None:
            if loading.is_done and loading.estimator is not None:
                self._take_over(loading.estimator)
            elif loading.is_done:
                self._give_up(loading.error)
            elif loading.phase != self._told_phase:
                self._told_phase = loading.phase
                self.get_logger().info(f'{loading.model}: {loading.phase}')
        if self._swap is not None and self._swap[0].is_done:
            (swap, answer), self._swap = self._swap, None
            if swap.estimator is not None:
                spec, active = swap.estimator.spec, self._worker is not None
                self._topics.announce(spec, self.params.cameras, is_active=active)
                self._take_over(swap.estimator)
                answer.text = ''
            else:
                answer.text = swap.error

    def _take_over(self, estimator: SceneEstimator) -> None:
        old = self._line
        outputs = outputs_of(estimator.spec)
        self._line = Line(estimator, outputs, self._topics.snapshot())
        if old is not None and self._worker is None:  # otherwise the worker does it
            old.estimator.backend.close()
        spec = estimator.spec
        self.get_logger().info(
            f'Model {spec.name} {spec.version}: {", ".join(estimator.decoders)} at '
            f'{spec.width_px}x{spec.height_px} px on {estimator.backend.description}'
        )
        self._repeat_classes()

    def _give_up(self, error: str) -> None:
        """Back to unconfigured, from where another configure may do better."""
        self.get_logger().fatal(error)
        self._loading, self.has_failed = None, True
        if self._worker is not None:
            self.trigger_deactivate()
        self.trigger_cleanup()

    # -- services ----------------------------------------------------------------------------

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> Any:
        response.success, response.message = False, 'the node is not active'
        if self._worker is not None:
            self._worker.is_enabled, response.success = request.data, True
            response.message = 'enabled' if request.data else 'disabled'
        return response

    async def _on_swap(self, request: SwapModel.Request, response: SwapModel.Response) -> Any:
        response.success = False
        if self._line is None or self._swap is not None:
            why = 'another is being loaded' if self._swap or self._loading else 'none is loaded'
            response.message = f'No model can be swapped: {why}.'
            return response
        try:
            decoders_of(spec_of_file(request.model), request.model)
        except SpecError as error:
            response.message = str(error)
            return response
        answer = Answer()
        params = replace(self.params, model=request.model)
        self._swap = (Loading(request.model or 'the bundled model', opener(params)), answer)
        response.message = await answer
        response.success = not response.message
        if response.success and self._line is not None:
            response.message = self._line.estimator.backend.description
        return response

    # -- every second ------------------------------------------------------------------------

    def _repeat_classes(self) -> None:
        if self._line is not None:
            self._topics.repeat_classes(self._line.estimator.spec)

    def _each_second(self) -> None:
        self._repeat_classes()
        name = self.get_fully_qualified_name()
        loading = self._swap[0] if self._swap else self._loading if not self._line else None
        entries = [diagnostics.model_status(name, self._line, loading)]
        if self._worker is not None:
            for camera, state in self._worker.cameras.items():
                missing = diagnostics.missing_input(
                    self, state.input, self._mailbox.silent_s(camera)
                )
                if missing:
                    self._troubles.tell(missing[0].upper() + missing[1:])
                counts = self._mailbox.counts[camera]
                entries.append(diagnostics.camera_status(name, camera, state, counts, missing))
        self._diagnostics.publish(diagnostics.array(self, entries))

    def _on_jump(self, jump: TimeJump) -> None:
        """A bag that starts again: what was remembered belongs to another time."""
        self.get_logger().info('Time jumped back: waiting images, tracks and poses are forgotten.')
        self._mailbox.clear()
        if self._transforms is not None:
            self._transforms.clear()


def main(args: list[str] | None = None) -> int:
    """Runs the node until SIGINT or SIGTERM; 1 if it cannot start."""
    keep_freed_memory()
    sys.setswitchinterval(0.0005)  # the worker's Python must not hold up the executor for 5 ms
    rclpy.init(args=args)
    try:
        node = PerceptionNode()
    except ParameterError as error:
        rclpy.logging.get_logger('perception').fatal(str(error))
        try_shutdown()
        return 1
    try:
        started = node.params.autostart and node.trigger_configure() == OK
        if node.params.autostart and not (started and node.trigger_activate() == OK):
            return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while node.context.ok() and not (node.params.autostart and node.has_failed):
            executor.spin_once(timeout_sec=0.5)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        try_shutdown()
    return int(node.params.autostart and node.has_failed)


if __name__ == '__main__':
    sys.exit(main())
