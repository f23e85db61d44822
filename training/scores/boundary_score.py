"""The odsF of boundaries, computed as `mtscene_ros.evaluate.scores.boundary_meter` does.

An image contributes only sums, so several processes work on images and the sums are added."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np
from torch import Tensor

from mtscene_ros.evaluate.scores import boundary_meter
from mtscene_ros.evaluate.scores.boundary_meter import THRESHOLDS, Counts, counts, ods
from mtscene_ros.models.child_process import spawning
from training.scores.task_metrics import gathered_from_all

OTHERWISE = boundary_meter.MAX_DIST
MAX_DIST = {
    'pascal_context': 0.0075,
    'nyud': 0.011,
}  # fraction of the image's diagonal, by data set


class BoundaryTensorMeter:
    """Scores a probability (H, W) against truth 0, 1, 255 unknown. odsF in percent is the F
    measure at the one threshold that is best for the whole data set."""

    def __init__(self, max_dist: float, jobs: int = 1) -> None:
        self.max_dist = max_dist
        # starts fresh processes, because forking a process that uses torch may hang
        self.pool = ProcessPoolExecutor(jobs, spawning()) if jobs > 1 else None
        self.waiting: list[Future[Counts]] = []
        self.total: Counts = np.zeros((4, len(THRESHOLDS)))

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        image = prediction.float().cpu().numpy(), truth.cpu().numpy().astype(np.uint8)
        if self.pool is None:
            self.total += counts(*image, self.max_dist)
        else:
            self.waiting.append(self.pool.submit(counts, *image, self.max_dist))

    def result(self) -> dict[str, float]:
        self.total += sum(job.result() for job in self.waiting)
        self.waiting.clear()
        if self.pool is not None:
            self.pool.shutdown()
        return ods(np.sum(gathered_from_all(self.total), axis=0))
