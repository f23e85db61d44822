"""The odsF of boundaries, as on the robot (`mtscene_ros.evaluate.scores.boundary_meter`).

Numbers of one image are sums, so images are worked on in several processes and added up."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from torch import Tensor

from mtscene_ros.evaluate.scores import boundary_meter
from mtscene_ros.evaluate.scores.boundary_meter import THRESHOLDS, Counts, counts, ods
from training.scores.task_metrics import of_every_process

OTHERWISE = boundary_meter.MAX_DIST
MAX_DIST = {'pascal_context': 0.0075, 'nyud': 0.011}  # of the image's diagonal, by data set


class BoundaryTensorMeter:
    """(H, W) probability; truth 0, 1, 255 unknown. odsF in percent: the F measure at the one
    threshold that is best for the whole data set."""

    def __init__(self, max_dist: float, jobs: int = 1) -> None:
        self.max_dist = max_dist
        # Fresh processes: a fork of one that uses torch may hang.
        self.pool = ProcessPoolExecutor(jobs, get_context('spawn')) if jobs > 1 else None
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
        return ods(np.sum(of_every_process(self.total), axis=0))
