"""Nested mappings, as JSON and YAML hold them, with dotted names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(values: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """{'depth': {'abs_rel': 0.1}, 'fps': 9} → ('depth.abs_rel', 0.1), ('fps', 9)."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', value


def plain(value: Any) -> Any:
    """The same without NaN and infinities, which JSON has not: None instead."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not abs(value) < float('inf'):
        return None
    return value
