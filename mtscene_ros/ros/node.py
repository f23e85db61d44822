"""perception_node: lifecycle, parameters, topics and services around the worker; no algorithm.

Executor's thread: subscriptions put serialized images into the mailbox; timers, services,
lifecycle. Worker's thread (worker.py): takes the newest images, runs the estimator, publishes.
Loading thread (loading.py): exists only while a model is opened or its engine is built.
"""

from __future__ import annotations

import sys
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from mtscene_msgs.srv import SwapModel
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

# Humble has ClockType nowhere else.
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump  # type: ignore[attr-defined]
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool

from mtscene_ros.camera.mailbox import Mailbox
from mtscene_ros.camera.outputs import outputs_of
from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.models.catalogue import spec_of_file
from mtscene_ros.models.spec import SpecError
from mtscene_ros.ros import diagnostics
from mtscene_ros.ros.camera_input import CameraInput
from mtscene_ros.ros.camera_state import CameraState
from mtscene_ros.ros.lifecycle import guard_transitions
from mtscene_ros.ros.model_swap import Models
from mtscene_ros.ros.node_page import NodePage
from mtscene_ros.ros.parameter_values import NodeParams
from mtscene_ros.ros.params import declare, policy_of, read, unknown, unknown_overrides
from mtscene_ros.ros.pipeline import Pipeline
from mtscene_ros.ros.process import run
from mtscene_ros.ros.publishers import Publishers
from mtscene_ros.ros.qos import Incompatible, QosError
from mtscene_ros.ros.transforms import Transforms, TransformsError, wanted_transforms
from mtscene_ros.ros.troubles import Troubles
from mtscene_ros.ros.watchdog import LAST_WAIT_S, Watchdog, patience_s
from mtscene_ros.ros.worker import Worker
from mtscene_ros.tasks.task_decoders import decoders_of
from mtscene_ros.temporal.tracking import TrackingError

OK, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class PerceptionNode(LifecycleNode):
    """The lifecycle node `perception`.

    `configure` starts loading the model, `activate` starts the inputs and the worker, `deactivate`
    stops both, `cleanup` frees the model. A model that cannot be opened takes the node back to
    unconfigured.
    """

    def __init__(self, **node_options: Any) -> None:
        super().__init__('perception', **node_options)
        self.params = declare(self)
        self._troubles = Troubles(self.get_logger())
        for sentence in unknown(self._parameter_overrides):
            self.get_logger().warning(sentence)
        self._incompatible = Incompatible(self, self._troubles.warn)
        self._topics = Publishers(self, self._incompatible)
        self._models = Models(
            self.get_logger(), self._pipeline_of, lambda: self._worker is not None
        )
        self._transforms: Transforms | None = None
        self._mailbox: Mailbox[bytes] = Mailbox(tuple(self.params.cameras))
        self._worker: Worker | None = None
        self._watchdog = Watchdog(self.get_logger())
        name, logger = self.get_fully_qualified_name(), self.get_logger()
        self._page = NodePage(name, self.params.cameras, logger, self._troubles.warn_once)
        self._page.serve(self.params.web_host, self.params.web_port)
        self.has_failed = self._has_given_up = False
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Not the node's clock: under use_sim_time it stands still until a bag plays.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._each_second, clock=steady)
        self.create_timer(0.05, self._poll_loading, clock=steady)
        self.create_service(SetBool, '~/enable', self._on_enable)
        # A group of its own: while it awaits, rclpy runs nothing else of its group.
        own = MutuallyExclusiveCallbackGroup()
        self.create_service(SwapModel, '~/swap_model', self._on_swap, callback_group=own)
        guard_transitions(self)
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        self._jump = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    @property
    def must_end(self) -> bool:
        """Whether the process must end."""
        return self._has_given_up or (self.params.autostart and self.has_failed)

    # -- lifecycle ---------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Checks what can be checked at once, advertises the topics, starts loading the model."""
        self.params = params = read(self)
        self.has_failed = False
        try:
            spec = spec_of_file(params.model)
            decoders_of(spec, params.model)
            self._transforms = self._transforms or wanted_transforms(self, params)
            self._topics.advertise(spec, params.cameras, is_active=False)
        except (SpecError, TransformsError, TrackingError, QosError) as error:
            self._models.error = str(error)
            self.get_logger().fatal(str(error))
            self._topics.clear()
            return FAILURE
        self._models.load(params)
        return OK

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribes and starts the worker; images wait until the model is loaded."""
        if self._models.pipeline is None and self._models.loading is None:
            self.get_logger().error('No model is loaded: call cleanup and configure first.')
            return FAILURE
        super().on_activate(state)
        params = self.params
        self._mailbox = Mailbox(tuple(params.cameras), policy_of(params))
        cameras: dict[str, CameraState] = {}
        try:
            for name in params.cameras:
                cameras[name] = CameraState(self._input(name, params))
        except QosError as error:
            self.get_logger().fatal(str(error))
            for camera in cameras.values():
                camera.input.close(self)
            super().on_deactivate(state)
            return FAILURE
        self._worker = Worker(
            self,
            self._mailbox,
            cameras,
            lambda: self._models.pipeline,
            lambda: read(self),  # some may have changed
            self._troubles,
            self._transforms,
            self._page,
        )
        self._repeat_classes()
        for sentence in unknown_overrides(self._parameter_overrides, self._parameters):
            self._troubles.warn_once(sentence)
        for camera in cameras.values():
            self.get_logger().info(camera.input.listening)
        return OK

    def _input(self, name: str, params: NodeParams) -> CameraInput:
        return CameraInput(self, name, params, self._mailbox.put, self._incompatible)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops the worker after its current batch; the model stays loaded unless it hangs."""
        self._stop(self._patience_s())
        super().on_deactivate(state)
        return OK

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Frees the model or stops loading it, and removes the publishers."""
        self._models.release()
        self._topics.clear()
        return OK

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Does what deactivate and cleanup do."""
        self._stop(self._patience_s())
        return self.on_cleanup(state)

    def destroy_node(self) -> None:
        """Stops the worker and the loading thread before the handles that they use are gone."""
        self._stop(LAST_WAIT_S)
        self._models.release(wait_s=2.0)  # an engine's builder is a process of its own
        self._page.close()
        super().destroy_node()

    def _patience_s(self) -> float | None:
        busy_s = self._worker.busy_s() if self._worker else 0.0
        return patience_s(busy_s, read(self).watchdog_timeout_s)

    def _stop(self, wait_s: float | None) -> None:
        self._mailbox.close()
        if self._worker is not None:
            has_ended = self._worker.join(wait_s)
            for camera in self._worker.cameras.values():
                camera.input.close(self)
            current = self._worker.current
            if not has_ended:
                self._worker.is_abandoned = True
                self._models.abandon(current)
                self.get_logger().error(
                    'The runtime hangs, so its model and its memory cannot be freed.'
                )
            elif current is not None and current is not self._models.pipeline:  # just swapped
                current.estimator.backend.close()
        self._worker = None

    # -- models ------------------------------------------------------------------------------

    def _pipeline_of(self, estimator: SceneEstimator) -> Pipeline:
        spec, is_active = estimator.spec, self._worker is not None
        self._topics.advertise(spec, self.params.cameras, is_active=is_active)
        return Pipeline(estimator, outputs_of(spec), self._topics.snapshot())

    def _poll_loading(self) -> None:
        """Takes over what the loading threads have finished.

        A model that cannot be loaded takes the node back to unconfigured, from where another
        configure may succeed.
        """
        before = self._models.pipeline
        error = self._models.poll()
        if self._models.pipeline is not before:
            self._repeat_classes()
        if not error:
            return
        self.get_logger().fatal(error)
        self.has_failed = True
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
        response.message = await self._models.swap(self.params, request.model)
        response.success = not response.message
        if response.success and self._models.pipeline is not None:
            response.message = self._models.running
        return response

    def _repeat_classes(self) -> None:
        if self._models.pipeline is not None:
            self._topics.repeat_classes(self._models.pipeline.estimator.spec)

    def _each_second(self) -> None:
        self._repeat_classes()
        name, models = self.get_fully_qualified_name(), self._models
        error = self._check_for_hanging() if models.pipeline else models.error
        entries = [
            diagnostics.model_status(name, models.pipeline, models.loading, error),
            diagnostics.qos_status(name, self._incompatible.sentences()),
        ]
        if self._worker is not None:
            for camera, state in self._worker.cameras.items():
                state.input.follow(self)
                silent_s = self._mailbox.silent_s(camera)
                missing = diagnostics.missing_input(self, state.input, silent_s)
                self._troubles.warn_lasting(f'{camera} input', missing[:1].upper() + missing[1:])
                idle = 'the model is being loaded'
                if models.pipeline is not None:
                    idle = self._worker.why_idle(camera, models.pipeline)
                entries.append(
                    diagnostics.camera_status(name, camera, state, self._mailbox, missing, idle)
                )
                self._troubles.warn_lasting(f'{camera} load', state.load.sentence, 0.0)
        message = diagnostics.array(self, entries)
        self._diagnostics.publish(message)
        self._page.show_status(message)

    def _check_for_hanging(self) -> str:
        """Returns the watchdog's sentence, '' where nothing hangs."""
        params, busy_s = read(self), self._worker.busy_s() if self._worker else 0.0
        hanging = self._watchdog.check(busy_s, params.watchdog_timeout_s)
        self._has_given_up |= bool(hanging) and params.watchdog_exit
        return hanging

    def _on_jump(self, jump: TimeJump) -> None:
        """Forgets what belongs to another time, such as after a bag starts over."""
        self.get_logger().info(
            'Time jumped back: waiting images, tracks and poses were discarded.'
        )
        self._mailbox.clear()
        if self._transforms is not None:
            self._transforms.clear()


def main(args: list[str] | None = None) -> int:
    """Runs the node until SIGINT or SIGTERM; 1 if it cannot start."""
    return run(PerceptionNode, args)


if __name__ == '__main__':
    sys.exit(main())
