"""What a model file states besides its spec: licence, data, scores.

All of it is optional and may stand in two places, of which the second wins entry by entry: the
file's metadata entry `mtscene_about` (written by training.export and training.import_checkpoint)
and NAME.about.json beside the file, for what is known only later. Both hold one JSON object:

    {"licence": "Apache-2.0", "trained_on": "...", "intended_use": "...", "limits": "...",
     "scored_on": "...", "scores": {"semantic.miou": 0.79, "depth.abs_rel": 0.074}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mtscene_ros.models.nested import leaves

ABOUT_KEY = 'mtscene_about'


@dataclass(frozen=True, slots=True)
class About:
    """What is stated, '' and {} where nothing is.

    licence: an SPDX identifier; scores: dotted name → number.
    """

    licence: str = ''
    trained_on: str = ''
    intended_use: str = ''
    limits: str = ''
    scored_on: str = ''
    scores: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Returns the JSON object without empty entries."""
        stated = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(stated, sort_keys=True, indent=2)


def sidecar_of(model: Path) -> Path:
    return model.with_name(f'{model.stem}.about.json')


def about_of(model: Path, metadata: Mapping[str, str]) -> About:
    """Reads both places; metadata: that of the model file.

    Raises OSError, and ValueError where an entry is malformed.
    """
    texts = {str(model): metadata.get(ABOUT_KEY, '')}
    sidecar = sidecar_of(model)
    if sidecar.exists():
        texts[str(sidecar)] = sidecar.read_text()
    stated: dict[str, Any] = {}
    for path, text in texts.items():
        stated |= _object(text, path) if text else {}
    return About(**stated)


def _object(text: str, path: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(f'{path}: {ABOUT_KEY} is not JSON ({error}).') from error
    known = {entry.name for entry in fields(About)}
    if not isinstance(raw, dict) or set(raw) - known:
        raise ValueError(f'{path}: {ABOUT_KEY} may hold {", ".join(sorted(known))} only.')
    scores = raw.get('scores', {})
    texts = [value for name, value in raw.items() if name != 'scores']
    if not isinstance(scores, dict) or not all(isinstance(value, str) for value in texts):
        raise ValueError(f'{path}: {ABOUT_KEY} must hold texts, and scores as names with numbers.')
    return {**raw, 'scores': numbers(scores)} if 'scores' in raw else raw


def numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    """{'depth': {'abs_rel': 0.1}} → {'depth.abs_rel': 0.1}; skips whatever is not a number."""
    return {
        name: float(value)
        for name, value in leaves(scores)
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
