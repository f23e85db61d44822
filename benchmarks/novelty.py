"""How well novelty tells apart what a model was trained on and what not: areas under the ROC.

python -m benchmarks.novelty --data ../shared/data
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.steady_pictures import Picture, groups
from mtscene_ros.backends import BackendOptions
from mtscene_ros.camera.network_input import prepare
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.models.catalogue import path_of
from mtscene_ros.temporal.image_features import features, needed
from mtscene_ros.temporal.novelty import Novelty, read_novelty, statistics_path
from mtscene_ros.types import CameraFrame

F64 = NDArray[np.float64]
MODELS = ('drive_lite', 'street_lite')
# Least area under the ROC curve of day streets against a kind of pictures.
BOUNDS = {
    'room': 0.95,
    'noise': 0.95,
    'covered': 0.95,
    'upside down': 0.95,
    'night: bdd_stills': 0.8,
    'night, made up': 0.8,
}
MAX_FALSE_ALARMS = 0.01  # on held-out generated streets


def scores(estimator: SceneEstimator, novelty: Novelty, pictures: Iterator[Picture]) -> F64:
    """Returns the novelty of each picture."""
    names, found = needed(estimator.spec), []
    for rgb in pictures:
        frame = CameraFrame(np.ascontiguousarray(rgb), None, 0, '')
        made = prepare(frame, estimator.spec)
        tensors = estimator.backend.infer(made.rgb[None], names)
        outputs = {name: tensors[name][0] for name in names}
        description = features(made.rgb, made.letterbox, outputs, estimator.spec)
        found.append(novelty.score(description))
    return np.array(found)


def roc_area(usual: F64, unusual: F64) -> float:
    """Returns the probability that an unusual picture scores higher; a tie counts half."""
    above = unusual[:, None] > usual[None]
    equal = unusual[:, None] == usual[None]
    return float(above.mean() + equal.mean() / 2)


def measured(model: str, data: Path) -> dict[str, F64]:
    """Returns group → scores; by day, only folders that the statistics were not fitted on."""
    path = path_of(model)
    estimator = open_estimator(str(path), options=BackendOptions(threads=1))
    novelty = read_novelty(path, estimator.spec)
    fitted = json.loads(statistics_path(path).read_text())['fitted_on']
    return {
        name: scores(estimator, novelty, make())
        for name, make in groups(data).items()
        if not (name.startswith('day: ') and name.removeprefix('day: ') in fitted)
    }


def report(model: str, found: dict[str, F64]) -> tuple[list[str], list[str]]:
    """Returns the tables, and a sentence for each bound that is broken."""
    day = np.concatenate([v for name, v in found.items() if name.startswith('day: ')])
    alarms = float((found['generated streets'] > 1).mean())
    lines = [f'| {model} | images | ROC area against day streets | bound |', '|---' * 4 + '|']
    broken = []
    for kind, least in BOUNDS.items():
        kinds = [v for name, v in found.items() if name.startswith(kind)]
        if not kinds:
            continue
        area = roc_area(day, np.concatenate(kinds))
        lines.append(f'| {kind} | {sum(map(len, kinds))} | {area:.3f} | {least} |')
        if area < least:
            broken.append(f'{model}: {kind} has a ROC area of {area:.3f}, below {least}.')
    if alarms > MAX_FALSE_ALARMS:
        broken.append(f'{model}: {100 * alarms:.1f} % of generated streets are beyond the limit.')
    lines += ['', f'| {model} | images | novelty, median | p95 | beyond 1 |', '|---' * 5 + '|']
    for name, values in found.items():
        middle, high = np.quantile(values, (0.5, 0.95))
        share = 100 * (values > 1).mean()
        lines.append(f'| {name} | {len(values)} | {middle:.2f} | {high:.2f} | {share:.1f} % |')
    return lines, broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, default=Path('../shared/data'))
    parser.add_argument('--models', nargs='+', default=list(MODELS))
    options = parser.parse_args()
    broken: list[str] = []
    for model in options.models:
        lines, sentences = report(model, measured(model, options.data))
        print('\n'.join(lines), end='\n\n', flush=True)
        broken += sentences
    print('\n'.join(broken))
    return 1 if broken else 0


if __name__ == '__main__':
    raise SystemExit(main())
