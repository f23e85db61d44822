"""Remarks on a recording: each once, with how often it was to be made."""

from __future__ import annotations

from collections import Counter

MOST = 50  # different ones; sentences with numbers in them must not fill a report


class Notes:
    """In the order in which they came up."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def tell(self, sentence: str) -> None:
        if sentence in self._counts or len(self._counts) < MOST:
            self._counts[sentence] += 1

    def sentences(self) -> list[str]:
        return [
            sentence if count == 1 else f'{sentence} ({count} times)'
            for sentence, count in self._counts.items()
        ]
