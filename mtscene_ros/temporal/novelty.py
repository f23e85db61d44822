"""How unlike its training images an image is for a model: the Mahalanobis distance of a
description of image and outputs (Lee et al., A Simple Unified Framework for Detecting
Out-of-Distribution Samples, NeurIPS 2018, eq. 2; theirs is of the encoder's features, which an
exported graph does not give).

The statistics lie beside the model file; training/fit_novelty.py makes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.network_input import NetworkInput
from mtscene_ros.models.spec import MALFORMED, ModelSpec, brief
from mtscene_ros.temporal.image_features import VERSION, features
from mtscene_ros.types import Signal

F64 = NDArray[np.float64]
SUFFIX = '.novelty.json'
MAX_BYTES = 10_000_000  # of a file; that of a model with 40 classes has 100 KB
MAKE = 'make it by `python -m training.fit_novelty`'


class NoveltyError(ValueError):
    """There are no usable statistics; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """The statistics of one model.

    mean: (D,) of the description; factor: (D, D) so that |factor (x - mean)| is the distance;
    limit: distance beyond which an image is unlike the training images; hint: what it may be
    instead.
    """

    mean: F64
    factor: F64
    limit: float
    hint: str

    def score(self, description: F64) -> float:
        """Returns the distance of a description (D,), in limits."""
        return float(np.linalg.norm(self.factor @ (description - self.mean))) / self.limit

    def signal(
        self,
        network_input: NetworkInput,
        outputs: Mapping[str, NDArray[Any]],
        spec: ModelSpec,
        limit: float,
    ) -> Signal:
        """Returns the signal of an image; limit: in limits of the statistics."""
        found = features(network_input.rgb, network_input.letterbox, outputs, spec)
        score = self.score(found)
        text = (
            f'The image is unlike what {spec.name} was trained on ({self.hint}): '
            f'{score:.1f} of {limit:.1f}.'
        )
        return Signal('novelty', score, limit, text)


def statistics_path(model_path: str | Path) -> Path:
    """'drive_lite.onnx' → 'drive_lite.novelty.json'."""
    return Path(model_path).with_suffix(SUFFIX)


def identity(spec: ModelSpec) -> str:
    """Returns what a model file says that it is; other metadata may change."""
    return f'{spec.name} {spec.version} {spec.commit}'


def read_novelty(model_path: str | Path, spec: ModelSpec) -> Novelty:
    """Reads the statistics beside a model file. Raises NoveltyError."""
    path, name = statistics_path(model_path), spec.name
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f'{path.stat().st_size} bytes')
        raw = json.loads(path.read_text())
        mean, factor = (np.array(raw[key], np.float64) for key in ('mean', 'factor'))
        found = Novelty(mean, factor, float(raw['limit']), str(raw['hint'])[:100])
        made_for, version = str(raw['model']), int(raw['features'])
    except FileNotFoundError:
        raise NoveltyError(
            f'novelty.enabled: {name} has no {path.name} beside it; {MAKE}.'
        ) from None
    except (OSError, *MALFORMED) as error:
        raise NoveltyError(f'novelty.enabled: {path} is damaged ({brief(error)}).') from error
    if version != VERSION or made_for != identity(spec):
        raise NoveltyError(f'novelty.enabled: {path} belongs to another model; {MAKE} again.')
    numbers = np.concatenate([mean.ravel(), factor.ravel(), [found.limit]])
    if factor.shape != (mean.size, mean.size) or not np.isfinite(numbers).all():
        raise NoveltyError(f'novelty.enabled: {path} is damaged (its numbers do not fit).')
    return found
