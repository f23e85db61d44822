"""mDS, the official detection score of Cityscapes-3D, over a data set.

`mtscene_ros.evaluate.scores.mds` computes it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch.distributed

from mtscene_ros.evaluate.scores.mds import official, renamed

KINDS = ('modal', 'amodal')  # 2D boxes that decide which prediction matches which object


class DetectionMeter:
    """Stores predictions and annotations of each image in one folder for all processes."""

    def __init__(self, folder: Path) -> None:
        self.truth, self.found = folder / 'truth', folder / 'found'
        for part in (self.truth, self.found):
            part.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, objects: list[dict[str, Any]], annotation: Path) -> None:
        """objects: from `vehicle_annotations`; annotation: path of the gtBbox3d.json."""
        stem = name.replace('/', '_')
        (self.found / f'{stem}_predBbox3d.json').write_text(json.dumps({'objects': objects}))
        shutil.copy(annotation, self.truth / f'{stem}_gtBbox3d.json')

    def result(self) -> dict[str, float]:
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        scores: dict[str, float] = {}
        if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
            for kind in KINDS:
                scores |= renamed(official(self.truth, self.found, kind), kind)
        return scores
