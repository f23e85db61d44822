"""Values of options from their text; argparse makes a sentence of a ValueError."""

from __future__ import annotations

import argparse


def positive(text: str) -> float | int:
    """A number above zero; whole where it is written so."""
    value = float(text) if '.' in text else int(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'{text} is not above zero')
    return value


def remapping(text: str) -> tuple[str, str]:
    """'/a:=/b' → ('/a', '/b')."""
    recorded, published = text.split(':=', 1)
    return recorded, published


def assignment(text: str) -> tuple[str, str]:
    """'depth=/points' → ('depth', '/points')."""
    name, value = text.split('=', 1)
    return name, value
