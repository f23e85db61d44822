"""Converters of option values; argparse turns their ValueErrors into sentences."""

from __future__ import annotations

import argparse


def positive(text: str) -> float | int:
    """Returns a number above zero, an int where the text has no decimal point."""
    value = float(text) if '.' in text else int(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'{text} is not greater than zero')
    return value


def remapping(text: str) -> tuple[str, str]:
    """'/a:=/b' → ('/a', '/b')."""
    recorded, published = text.split(':=', 1)
    return recorded, published


def assignment(text: str) -> tuple[str, str]:
    """'depth=/points' → ('depth', '/points')."""
    name, value = text.split('=', 1)
    return name, value
