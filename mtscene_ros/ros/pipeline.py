"""What passes between the node and its worker: the model that runs, and one image in progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtscene_ros.camera.outputs import Output
from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.ros.node_page import TASKS
from mtscene_ros.types import CameraFrame


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """The model that runs and what it publishes; publishers: camera → topic → publisher."""

    estimator: SceneEstimator
    outputs: tuple[Output, ...]
    publishers: Mapping[str, Mapping[str, Any]]

    def is_subscribed(self, camera: str, topic: str) -> bool:
        publisher = self.publishers[camera].get(topic)
        return publisher is not None and publisher.get_subscription_count() > 0


@dataclass(frozen=True, slots=True, eq=False)
class PendingImage:
    """One image in progress.

    outputs: those that had a subscriber when the image was taken; pictures: those of the live page
    that somebody was waiting for; spent_s: seconds by stage.
    """

    frame: CameraFrame
    outputs: tuple[Output, ...]
    pictures: tuple[str, ...]
    arrived_s: float
    spent_s: dict[str, float]

    @property
    def tasks(self) -> set[str]:
        """The tasks that outputs and pictures need."""
        wanted = {task for output in self.outputs for task in output.tasks}
        return wanted.union(*(TASKS[picture] for picture in self.pictures))
