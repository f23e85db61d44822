"""perception_node: parameters, topics and one worker around the estimator; no algorithm.

Executor's thread: subscriptions put serialized images into the mailbox; timers, lifecycle.
Worker's thread: takes the newest images, runs the estimator, publishes. There are no others.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import rclpy
from mtscene_msgs.msg import FrameStats
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.utilities import try_shutdown
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from mtscene_ros.backends import BackendError, BackendOptions
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.images import ImageError
from mtscene_ros.mailbox import Mailbox
from mtscene_ros.ros import messages
from mtscene_ros.ros.camera import CameraInput
from mtscene_ros.ros.outputs import OUTPUTS, Output, label_info_topics, own_outputs
from mtscene_ros.ros.params import ParameterError, declare, read
from mtscene_ros.ros.troubles import Troubles
from mtscene_ros.spec import SpecError, classes_from_options
from mtscene_ros.types import Boxes3D, Scene

QOS_OUT = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
QOS_STATS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
QOS_LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
CAMERA = ''  # the one camera of this node; several come with their own topics


class PerceptionNode(LifecycleNode):
    """configure loads the model, activate starts input and worker, deactivate stops both."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__('perception', **node_options)
        self.params = declare(self)
        self._troubles = Troubles(self.get_logger())
        self._estimator: SceneEstimator | None = None
        self._outputs: dict[str, Any] = {}
        self._rows: tuple[Output, ...] = OUTPUTS
        self._input: CameraInput | None = None
        self._mailbox: Mailbox[bytes] = Mailbox((CAMERA,))
        self._worker: threading.Thread | None = None
        self._idle = False
        # Repeated so that a bag that begins in the middle still holds the class map.
        self._label_info_timer = self.create_timer(1.0, self._publish_label_info)

    # -- lifecycle ---------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads and checks the model, announces the topics."""
        options = BackendOptions(threads=self.params.threads)
        try:
            estimator = open_estimator(self.params.model, self.params.backend, options)
            estimator.warm_up()
        except (BackendError, SpecError) as error:
            self.get_logger().fatal(str(error))
            return TransitionCallbackReturn.FAILURE
        self._estimator = estimator
        self._create_outputs(estimator)
        spec = estimator.spec
        self.get_logger().info(
            f'Model {spec.name} {spec.version}: {", ".join(estimator.decoders)} at '
            f'{spec.width_px}x{spec.height_px} px on {estimator.backend.description}'
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribes and starts the worker."""
        super().on_activate(state)
        self._mailbox = Mailbox((CAMERA,))
        self._input = CameraInput(self, CAMERA, self.params.input_is_rectified, self._mailbox.put)
        self._worker = threading.Thread(target=self._work, name='perception-worker', daemon=True)
        self._worker.start()
        self._publish_label_info()
        topics = f'{self._input.image_topic} and {self._input.info_topic}'
        self.get_logger().info(f'Listening to {topics}')
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops the worker after the frame in work; the model stays loaded."""
        self._stop()
        super().on_deactivate(state)
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Frees the model and takes the topics down."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As deactivate and cleanup."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Ends the worker before the handles it publishes through go away."""
        self._stop()
        super().destroy_node()

    def _stop(self) -> None:
        if self._input is not None:
            self._input.close(self)
        self._mailbox.close()
        if self._worker is not None:
            self._worker.join()
        self._input = self._worker = None

    def _release(self) -> None:
        for publisher in self._outputs.values():
            self.destroy_lifecycle_publisher(publisher)
        self._outputs = {}
        if self._estimator is not None:
            self._estimator.backend.close()
            self._estimator = None

    # -- topics ------------------------------------------------------------------------------

    def _create_outputs(self, estimator: SceneEstimator) -> None:
        self._rows = (*OUTPUTS, *own_outputs(estimator.spec))
        for output in self._rows:
            if output.needs(task in estimator.decoders for task in output.tasks):
                self._announce(output.topic, output.message, QOS_OUT)
        self._announce('debug/frame_stats', FrameStats, QOS_STATS)
        for topic in label_info_topics(estimator.spec).values():
            self._announce(topic, LabelInfo, QOS_LATCHED)

    def _announce(self, topic: str, message: type, qos: QoSProfile) -> None:
        overridable = QoSOverridingOptions.with_default_policies()
        self._outputs[topic] = self.create_lifecycle_publisher(
            message, f'~/{topic}', qos, qos_overriding_options=overridable
        )

    def _publish_label_info(self) -> None:
        if self._estimator is None:
            return
        spec = self._estimator.spec
        for task, topic in label_info_topics(spec).items():
            publisher = self._outputs.get(topic)
            if publisher is not None and publisher.is_activated:
                classes = classes_from_options(spec.tasks[task])
                stamp = self.get_clock().now().to_msg()
                publisher.publish(messages.label_info(classes, Header(stamp=stamp)))

    # -- worker's thread ---------------------------------------------------------------------

    def _work(self) -> None:
        while not self._mailbox.closed:
            for camera, serialized in self._mailbox.take().items():
                try:
                    self._process(camera, serialized)
                except (ImageError, BackendError) as error:
                    self._fail(camera, str(error))
                except Exception as error:  # a running node never dies of a message
                    self._fail(camera, f'Unexpected {type(error).__name__}: {error}')

    def _process(self, camera: str, serialized: bytes) -> None:
        assert self._estimator is not None
        assert self._input is not None
        counts = self._mailbox.counts[camera]
        tasks = self._listened_tasks()
        if tasks is None:
            counts.dropped += 1
            return
        start_s = time.perf_counter()
        self.params = read(self)  # some may have changed
        frame, warnings = self._input.frame(serialized)
        for sentence in warnings:
            self._troubles.tell(sentence)
        received_s = time.perf_counter()
        [scene] = self._estimator.estimate([frame], tasks)
        decoded_s = time.perf_counter()
        self._publish(self._confident(scene))
        counts.published += 1
        publish_s = time.perf_counter() - decoded_s
        stage_s = {'receive': received_s - start_s, **scene.stage_s, 'publish': publish_s}
        self._publish_stats(camera, messages.header_of(frame), stage_s)

    def _listened_tasks(self) -> set[str] | None:
        """Tasks that somebody listens to; None while nobody listens to anything."""
        listened = [output for output in self._rows if self._is_listened(output.topic)]
        idle = not listened and not self._is_listened('debug/frame_stats')
        if idle != self._idle:
            self._idle = idle
            self.get_logger().info('idle: no subscribers' if idle else 'awake: subscribers')
        return None if idle else {task for output in listened for task in output.tasks}

    def _is_listened(self, topic: str) -> bool:
        return topic in self._outputs and self._outputs[topic].get_subscription_count() > 0

    def _confident(self, scene: Scene) -> Scene:
        boxes = scene.results.get('boxes3d')
        if not isinstance(boxes, Boxes3D):
            return scene
        confident = boxes.select(boxes.scores >= self.params.min_score)
        return replace(scene, results={**scene.results, 'boxes3d': confident})

    def _publish(self, scene: Scene) -> None:
        header = messages.header_of(scene.frame)
        for output in self._rows:
            if self._is_listened(output.topic):
                message = output.make(scene, header, self.params)
                if message is not None:
                    self._outputs[output.topic].publish(message)

    def _publish_stats(self, camera: str, header: Header, stage_s: dict[str, float]) -> None:
        stamp = header.stamp
        age_s = self.get_clock().now().nanoseconds * 1e-9 - stamp.sec - stamp.nanosec * 1e-9
        counts = self._mailbox.counts[camera]
        self._outputs['debug/frame_stats'].publish(
            messages.frame_stats(header, camera, age_s, stage_s, counts)
        )

    def _fail(self, camera: str, sentence: str) -> None:
        self._mailbox.counts[camera].failed += 1
        self._troubles.tell(sentence)
        self._publish_stats(camera, Header(), {})


def keep_freed_memory() -> None:
    """glibc only: lets it keep freed image buffers instead of returning them to the kernel.

    Fresh pages for every image cost 10 ms of page faults per 1080p frame.
    """
    m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL('libc.so.6')
        libc.mallopt(m_mmap_threshold, 32 << 20)
        libc.mallopt(m_trim_threshold, 512 << 20)
        libc.mallopt(m_top_pad, 64 << 20)


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
        if node.params.autostart and not _started(node):
            return 1
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        try_shutdown()
    return 0


def _started(node: PerceptionNode) -> bool:
    ok = TransitionCallbackReturn.SUCCESS
    return bool(node.trigger_configure() == ok and node.trigger_activate() == ok)


if __name__ == '__main__':
    sys.exit(main())
