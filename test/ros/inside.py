"""The node in this process, for what cannot be seen from outside; its executor has a thread."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from patience import PATIENCE_S
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo

from mtscene_ros.ros.node import PerceptionNode
from mtscene_ros.ros.pipeline import Pipeline
from mtscene_ros.ros.worker import Worker

from .fleet import Fleet


class Inside:
    """A node named `perception`, configured and active; parameters: those that are not default."""

    def __init__(self, **parameters: Any) -> None:
        parameters = {'threads': 1, 'backend': 'onnxruntime', **parameters}
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        remap = ['--ros-args', '-r', 'image:=/camera/image_raw']
        self.node = PerceptionNode(parameter_overrides=overrides, cli_args=remap)
        self.node.trigger_configure()
        self.node.trigger_activate()
        self.requested: list[frozenset[str]] = []  # tensors of each inference
        self.batches: list[int] = []  # images of each
        self.seen: np.ndarray | None = None  # the last batch
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._is_over = False
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()
        try:
            self.until(lambda: self.node._models.pipeline is not None)
        except AssertionError:
            self.close()
            raise
        self._listen_in()

    @property
    def line(self) -> Pipeline:
        """What runs."""
        assert self.node._models.pipeline is not None
        return self.node._models.pipeline

    @property
    def worker(self) -> Worker:
        """Of the active node."""
        assert self.node._worker is not None
        return self.node._worker

    def until(self, condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
        """Fails the test where the condition does not come true."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end_s
            time.sleep(0.01)

    def stop_clock(self) -> SimpleNamespace:
        """The mailbox's clock: it stands still, now and until the test moves `now_s`."""
        hands = SimpleNamespace(now_s=time.monotonic())
        self.node._mailbox._clock = lambda: hands.now_s
        return hands

    def is_waiting(self, camera: str) -> bool:
        """Whether an image of it lies in the mailbox."""
        return camera in self.node._mailbox._slots

    def connect(self, fleet: Fleet, infos: Mapping[str, CameraInfo]) -> None:
        """Until every camera is heard and its camera_info is there."""
        fleet.wait(lambda: all(p.get_subscription_count() for p in fleet.images.values()))
        for camera, info in infos.items():
            while not self.worker.cameras[camera].input.has_camera_info:
                fleet.infos[camera].publish(info)
                fleet.pause(0.02)
        publishers = self.line.publishers
        fleet.wait(
            lambda: all(bool(publishers[c][t].get_subscription_count()) for c, t in fleet.listened)
        )

    def show(self, fleet: Fleet, camera: str, rgb: np.ndarray, stamp_ns: int) -> None:
        """One image, until what becomes of it is known."""
        before = self.settled(camera)
        fleet.show(camera, rgb, stamp_ns)
        fleet.wait(lambda: self.settled(camera) > before)

    def settled(self, camera: str) -> int:
        """Images whose fate is known."""
        counts = self.node._mailbox.counts(camera)
        return counts.published + counts.dropped + counts.failed

    def close(self) -> None:
        """Ends everything. rclpy takes a lifecycle node's services down when nobody refers to it
        any more; until then later tests would meet them."""
        self._is_over = True
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        del self.node, self._executor, self._thread
        gc.collect()

    def _spin(self) -> None:
        while not self._is_over:
            self._executor.spin_once(timeout_sec=0.05)

    def _listen_in(self) -> None:
        backend = self.line.estimator.backend
        infer = backend.infer

        def reported(batch: Any, names: Any) -> Any:
            self.requested.append(frozenset(names))
            self.batches.append(len(batch))
            self.seen = batch
            return infer(batch, names)

        backend.infer = reported  # type: ignore[method-assign]
