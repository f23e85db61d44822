"""Merges several recordings into one score, recomputed from the sums as if they were one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mtscene_ros.evaluate.scores.scorecard import Scorecard
from mtscene_ros.models.nested import plain

# Entries that are kept if they are the same in all recordings.
COMMON = ('format', 'model', 'backend', 'precision', 'mtscene_ros')


def merge(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merges the contents of several metrics.json into one of the same form.

    `bag` counts frames and names the parts; entries of COMMON that differ become None; mDS, which
    cannot be added up, is left out. Raises ValueError without parts and where classes or limits
    differ.
    """
    if not parts:
        raise ValueError('There is no metrics.json to merge.')
    card = Scorecard()
    for part in parts:
        card.add(part['counts'], part['sums'])
    notes = [note for part in parts for note in part['notes']]
    first = parts[0]
    return {
        **{k: first[k] if all(p[k] == first[k] for p in parts) else None for k in COMMON},
        'bag': {
            'name': ', '.join(part['bag']['name'] for part in parts),
            'path': None,
            'frames': sum(part['bag']['frames'] for part in parts),
        },
        'counts': card.counts,
        'notes': list(dict.fromkeys(notes)),
        'metrics': card.metrics(),
        'tables': plain(card.tables()),
        'sums': card.sums(),
    }
