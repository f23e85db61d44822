"""Computes mDS, the official detection score of Cityscapes 3D, with cityscapesScripts 2.3.0.

It runs in a process of its own, because it writes a log when it is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtscene_ros.camera.geometry import (
    matrix_from_quaternion,
    quaternion_from_matrix,
    rectangles_in_image,
)
from mtscene_ros.datasets.moments import BASE_FROM_OPTICAL_AXES
from mtscene_ros.models.child_process import module_command
from mtscene_ros.types import Boxes3D, Intrinsics

SCRIPT = 'cityscapesscripts.evaluation.evalObjectDetection3d'


class MdsError(ValueError):
    """cityscapesScripts is missing or failed; the message is one sentence."""


def official(truth: Path, found: Path, kind: str) -> dict[str, Any]:
    """Runs the script and returns its results. Raises MdsError with the last line of its output.

    kind: 'modal' or 'amodal', the 2D boxes by which predictions and truths are matched.
    """
    with tempfile.TemporaryDirectory() as where:
        command = [*module_command(SCRIPT), '--noplot', '-gt', str(truth.resolve())]
        command += ['-pred', str(found.resolve())]
        command += ['--results-folder', where, *(['--modal'] if kind == 'modal' else [])]
        quiet = {**os.environ, 'PYTHONWARNINGS': 'ignore'}
        done = subprocess.run(
            command, cwd=where, env=quiet, capture_output=True, text=True, check=False
        )
        path = Path(where) / 'results.json'
        if done.returncode or not path.is_file():
            last = (done.stderr.strip().splitlines() or ['no output'])[-1]
            raise MdsError(
                f'cityscapesScripts could not score {found}: {last} (`pip install --no-deps '
                'cityscapesScripts==2.3.0`, see requirements/test.txt).'
            )
        results: dict[str, Any] = json.loads(path.read_text())
        return results


def renamed(results: Mapping[str, Any], kind: str) -> dict[str, float]:
    """Returns, in percent as published, mDS and the score and AP of each class with objects."""
    scores = {f'mds_{kind}': 100 * float(results['mDetection_Score'])}
    for name, value in results['Detection_Score'].items():
        if results['GT_stats'][name]:
            scores[f'ds_{kind} {name}'] = 100 * float(value)
            scores[f'ap_{kind} {name}'] = 100 * float(results['AP'][name]['auc'])
    return scores


class MdsFiles:
    """Writes the boxes of each image into `folder` in the format of the script.

    Amodal rectangles are used, because recordings do not contain the visible part of an object.
    """

    def __init__(self, folder: Path) -> None:
        self.truth, self.found, self._count = folder / 'truth', folder / 'found', 0
        for part in (self.truth, self.found):
            part.mkdir(parents=True, exist_ok=True)

    def add(self, boxes: Boxes3D, truth: Boxes3D, names: list[str], camera: Intrinsics) -> None:
        """Adds one image. names: the model's classes, indexed by the class_ids of both."""
        stem, self._count = f'{self._count:08d}', self._count + 1
        sensor = {
            'fx': camera.fx_px, 'fy': camera.fy_px, 'u0': camera.cx_px, 'v0': camera.cy_px,
            'sensor_T_ISO_8855': np.eye(4)[:3].tolist(),
        }  # fmt: skip
        size = {'imgWidth': camera.width_px, 'imgHeight': camera.height_px}
        true = {**size, 'sensor': sensor, 'objects': objects(truth, names, camera), 'ignore': []}
        found = {'objects': objects(boxes, names, camera)}
        (self.truth / f'{stem}_gtBbox3d.json').write_text(json.dumps(true))
        (self.found / f'{stem}_predBbox3d.json').write_text(json.dumps(found))

    def scores(self) -> dict[str, float]:
        """Returns the scores of all images, {} without images. Raises MdsError."""
        return renamed(official(self.truth, self.found, 'amodal'), 'amodal') if self._count else {}


def objects(boxes: Boxes3D, names: list[str], camera: Intrinsics) -> list[dict[str, Any]]:
    """Returns the boxes visible in the image, in a vehicle frame at the camera: x forward, y left,
    z up."""
    rectangles, visible = rectangles_in_image(boxes, camera)
    turns = BASE_FROM_OPTICAL_AXES @ matrix_from_quaternion(boxes.quaternions_xyzw)
    rotations = quaternion_from_matrix(turns)[:, [3, 0, 1, 2]]
    centers_m = boxes.centers_m @ BASE_FROM_OPTICAL_AXES.T
    rows = []
    for i in visible.nonzero()[0].tolist():
        left, top, right, bottom = rectangles[i].tolist()
        rectangle = [left, top, right - left, bottom - top]
        rows.append(
            {
                '2d': {'modal': rectangle, 'amodal': rectangle},
                '3d': {
                    'center': centers_m[i].tolist(),
                    'dimensions': boxes.sizes_m[i].tolist(),
                    'rotation': rotations[i].tolist(),
                    'type': 'recorded',
                    'format': 'CRS_ISO8855',
                },
                'occlusion': 0.0,
                'truncation': 0.0,
                'instanceId': i,
                'label': names[boxes.class_ids[i]],
                'score': float(boxes.scores[i]),
            }
        )
    return rows
