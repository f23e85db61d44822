"""Training side of each task, twin of mtscene_ros.tasks: targets, losses, dense decode."""

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
    """What every module in this folder offers.

    channels: of the preliminary and of the final prediction; initialise: sets their biases;
    targets: arrays of one sample, keys are collated over the batch; loss and preliminary_loss:
    prediction (B, C, h, w) and collated targets → scalar; dense_decode: prediction → what the
    deployed graph returns; options: what the model file says about the task.
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
    """One of TASKS or of the configuration's own."""
    for own in config.own_tasks:
        if own.name == name:
            return OwnLabels(own) if own.classes else OwnValues(own)
    return TASKS[name]
