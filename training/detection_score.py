"""Cityscapes-3D's official detection score, mDS, by cityscapesScripts 2.3.0 in a process of its
own: it writes a log where it is imported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.distributed

SCRIPT = 'cityscapesscripts.evaluation.evalObjectDetection3d'
KINDS = ('modal', 'amodal')  # 2D boxes that decide what belongs together


class DetectionMeter:
    """Predictions and annotations of each image as files, in one folder for all processes."""

    def __init__(self, folder: Path) -> None:
        self.truth, self.found = folder / 'truth', folder / 'found'
        for part in (self.truth, self.found):
            part.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, objects: list[dict[str, Any]], annotation: Path) -> None:
        """objects: as `vehicle_annotations` gives them; annotation: the gtBbox3d.json."""
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


def official(truth: Path, found: Path, kind: str) -> dict[str, Any]:
    """The script's results. Raises RuntimeError with what it said where it fails."""
    with tempfile.TemporaryDirectory() as where:
        command = [sys.executable, '-W', 'ignore', '-m', SCRIPT, '--noplot']
        command += ['-gt', str(truth.resolve()), '-pred', str(found.resolve())]
        command += ['--results-folder', where, *(['--modal'] if kind == 'modal' else [])]
        done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
        path = Path(where) / 'results.json'
        if done.returncode or not path.is_file():
            last = (done.stderr.strip().splitlines() or ['nothing'])[-1]
            raise RuntimeError(
                f'cityscapesScripts could not score {found}: {last} (`pip install --no-deps '
                'cityscapesScripts==2.3.0`, see requirements/test.txt).'
            )
        results: dict[str, Any] = json.loads(path.read_text())
        return results


def renamed(results: Mapping[str, Any], kind: str) -> dict[str, float]:
    """In percent, as published: mDS, and of each class with objects its score and its AP."""
    scores = {f'mds_{kind}': 100 * float(results['mDetection_Score'])}
    for name, value in results['Detection_Score'].items():
        if results['GT_stats'][name]:
            scores[f'ds_{kind} {name}'] = 100 * float(value)
            scores[f'ap_{kind} {name}'] = 100 * float(results['AP'][name]['auc'])
    return scores
