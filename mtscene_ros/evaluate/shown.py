"""Chosen frames of an evaluated bag: image and truth read again from the bag, what the model said
from predictions.mcap."""

from __future__ import annotations
