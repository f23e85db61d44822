"""Which boxes are published: the wanted classes, and a lowest score for all or for one class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mtscene_ros.types import Boxes3D, Scene


class BoxFilterError(ValueError):
    """A list of classes or scores cannot be read; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class BoxFilter:
    """min_score: of all boxes; classes: names of the wanted ones, empty for all; scores: pairs of
    a class and the score that counts for it instead."""

    min_score: float
    classes: tuple[str, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()

    def kept(self, scene: Scene) -> Scene:
        """Returns the scene with the boxes that pass."""
        boxes = scene.results.get('boxes3d')
        if not isinstance(boxes, Boxes3D):
            return scene
        own = dict(self.scores)
        lowest = [
            own.get(c.name, self.min_score) if c.name in (self.classes or (c.name,)) else np.inf
            for c in boxes.classes
        ]
        passes = boxes.scores >= np.array([*lowest, np.inf], np.float32)[boxes.class_ids]
        return replace(scene, results={**scene.results, 'boxes3d': boxes.select(passes)})

    def unknown(self, scene: Scene) -> Iterator[str]:
        """Yields a sentence for each class that the model does not have."""
        boxes = scene.results.get('boxes3d')
        if not isinstance(boxes, Boxes3D):
            return
        known = [c.name for c in boxes.classes]
        for name in dict.fromkeys((*self.classes, *(name for name, _ in self.scores))):
            if name not in known:
                yield f'The model has no boxes of class {name!r}; it has {", ".join(known)}.'


@lru_cache(maxsize=8)
def box_filter(min_score: float, classes: Sequence[str], scores: Sequence[str]) -> BoxFilter:
    """Makes a filter of plain values; the sequences are tuples.

    classes: names, where empty ones count for nothing; scores: NAME:SCORE. Raises BoxFilterError.
    """
    names = tuple(name for name in classes if name)
    return BoxFilter(min_score, names, tuple(score_of(text) for text in scores if text))


def score_of(text: str) -> tuple[str, float]:
    """'car:0.5' → ('car', 0.5). Raises BoxFilterError."""
    name, _, number = text.rpartition(':')
    try:
        score = float(number)
    except ValueError:
        score = -1.0
    if not name or not 0 <= score <= 1:
        raise BoxFilterError(f'{text!r} is not CLASS:SCORE with a score of 0 to 1, as in car:0.5.')
    return name, score
