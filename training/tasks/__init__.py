"""The training side of each task, twin of mtscene_ros.tasks: targets, losses, dense decoding.

Decoding that runs on the robot belongs in mtscene_ros.tasks; networks and optimizers live
elsewhere in training.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from training.config import CompactConfig
from training.data.sample import Sample
from training.tasks import boundary, boxes3d, depth, normals, semantic
from training.tasks.own import OwnLabels, OwnValues

Arrays = dict[str, NDArray[Any]]


class TrainingTask(Protocol):
    """The interface of every module in this folder.

    channels: of the preliminary and of the final prediction; initialise: sets their biases;
    targets: arrays of one sample, collated over the batch by key; loss and preliminary_loss:
    prediction (B, C, h, w) and collated targets → scalar; dense_decode: prediction → tensors that
    the deployed graph returns; options: the task's entry in the model file.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802

    def channels(self, config: CompactConfig) -> tuple[int, int]: ...

    def initialise(self, early: nn.Module, late: nn.Module, config: CompactConfig) -> None: ...

    def targets(
        self, sample: Sample, config: CompactConfig, rng: np.random.Generator
    ) -> Arrays: ...

    def loss(self, prediction: Tensor, targets: dict[str, Tensor]) -> Tensor: ...

    def preliminary_loss(self, prediction: Tensor, targets: dict[str, Tensor]) -> Tensor: ...

    def dense_decode(self, prediction: Tensor, config: CompactConfig) -> dict[str, Tensor]: ...

    def options(self, config: CompactConfig) -> dict[str, Any]: ...


TASKS: dict[str, TrainingTask] = {
    'semantic': semantic,
    'depth': depth,
    'boxes3d': boxes3d,
    'normals': normals,
    'boundary': boundary,
}


def task_of(name: str, config: CompactConfig) -> TrainingTask:
    """Returns one of TASKS or one of the configuration's own tasks."""
    for own in config.own_tasks:
        if own.name == name:
            return OwnLabels(own) if own.classes else OwnValues(own)
    return TASKS[name]
