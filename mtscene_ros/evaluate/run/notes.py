"""Remarks on a recording, each once with its count."""

from __future__ import annotations

from collections import Counter

from mtscene_ros.terminal import shown

MAX_NOTES = 50  # sentences with changing numbers must not fill a report


class Notes:
    """Collects remarks in the order of their first occurrence."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, sentence: str) -> None:
        """Adds a remark; the report counts repetitions."""
        sentence = shown(sentence)
        if sentence in self._counts or len(self._counts) < MAX_NOTES:
            self._counts[sentence] += 1

    def sentences(self) -> list[str]:
        return [
            sentence if count == 1 else f'{sentence} ({count} times)'
            for sentence, count in self._counts.items()
        ]
