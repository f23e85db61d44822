"""What is said about a model file beside its spec: licence, data, scores.

It is optional, in two places, the second wins entry by entry: the file's metadata entry
`mtscene_about` (set by training.export and training.import_checkpoint) and NAME.about.json beside
the file, for what is known only later. Both hold one JSON object:

    {"licence": "Apache-2.0", "trained_on": "...", "intended_use": "...", "limits": "...",
     "scored_on": "...", "scores": {"semantic.miou": 0.79, "depth.abs_rel": 0.074}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

ABOUT_KEY = 'mtscene_about'


@dataclass(frozen=True, slots=True)
class About:
    """'' and {} where nothing is said. licence: SPDX identifier; scores: dotted name → number."""

    licence: str = ''
    trained_on: str = ''
    intended_use: str = ''
    limits: str = ''
    scored_on: str = ''
    scores: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Without what is not said."""
        said = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(said, sort_keys=True, indent=2)


def sidecar_of(model: Path) -> Path:
    return model.with_name(f'{model.stem}.about.json')


def about_of(model: Path, metadata: Mapping[str, str]) -> About:
    """metadata: of the model file. Raises ValueError where an entry is malformed, OSError."""
    texts = {str(model): metadata.get(ABOUT_KEY, '')}
    sidecar = sidecar_of(model)
    if sidecar.exists():
        texts[str(sidecar)] = sidecar.read_text()
    said: dict[str, Any] = {}
    for path, text in texts.items():
        said |= _object(text, path) if text else {}
    return About(**said)


def _object(text: str, path: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise ValueError(f'{path}: {ABOUT_KEY} is no JSON ({error}).') from error
    known = {entry.name for entry in fields(About)}
    if not isinstance(raw, dict) or set(raw) - known:
        raise ValueError(f'{path}: {ABOUT_KEY} may hold {", ".join(sorted(known))} only.')
    scores = raw.get('scores', {})
    texts = [value for name, value in raw.items() if name != 'scores']
    if not isinstance(scores, dict) or not all(isinstance(value, str) for value in texts):
        raise ValueError(f'{path}: {ABOUT_KEY} holds texts, and scores as names with numbers.')
    return {**raw, 'scores': dict(flat(scores))} if 'scores' in raw else raw


def flat(scores: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, float]]:
    """{'depth': {'abs_rel': 0.1}} → ('depth.abs_rel', 0.1), what is no number left out."""
    for name, value in scores.items():
        if isinstance(value, Mapping):
            yield from flat(value, f'{prefix}{name}.')
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f'{prefix}{name}', float(value)
