"""Learning rates over a run; progress is in [0, 1]."""

from __future__ import annotations

import math


def cosine(progress: float) -> float:
    """Half a cosine that ends at a hundredth."""
    return 0.01 + 0.99 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def poly(progress: float) -> float:
    """Polynomial decay of power 0.9 to zero, as in InvPT and TaskPrompter.

    Source: docs/network-specification.md, section 6.
    """
    return float((1 - min(progress, 1.0)) ** 0.9)


SCHEDULES = {'cosine': cosine, 'poly': poly}


def learning_rate(
    schedule: str, peak: float, progress: float, step: int, warm_up_steps: int
) -> float:
    """Returns the scheduled rate times a linear warm-up."""
    return peak * min(1.0, (step + 1) / max(1, warm_up_steps)) * SCHEDULES[schedule](progress)
