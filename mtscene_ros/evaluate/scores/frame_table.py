"""Writes frames.parquet, with one row per image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtscene_ros.evaluate.scores.scorecard import STAGES
from mtscene_ros.models.atomic_file import replacing

NAN = float('nan')


class ParquetError(ValueError):
    """pyarrow is not installed; the message says how to install it."""


@dataclass(slots=True)
class Row:
    """The outcome of one image; stages: in milliseconds; scores: `task.score` → number."""

    index: int
    camera: str
    stamp_ns: int
    status: str = 'published'
    reason: str = ''
    stages: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)


def check_pyarrow() -> Any:
    """Returns the module. Raises ParquetError if it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ParquetError(
            f'frames.parquet needs pyarrow ({error}); run `pip install pyarrow`.'
        ) from error
    return pyarrow


def write_frames(path: Path, rows: list[Row]) -> None:
    """Writes the rows in the order of the images. Raises ParquetError."""
    pyarrow = check_pyarrow()
    rows = sorted(rows, key=lambda row: row.index)
    scores = sorted({name for row in rows for name in row.scores})
    plain: dict[str, Any] = {
        name: [getattr(row, name) for row in rows]
        for name in ('index', 'camera', 'stamp_ns', 'status', 'reason')
    }
    types = {name: pyarrow.string() for name in ('camera', 'status', 'reason')}
    columns = {k: pyarrow.array(v, types.get(k, pyarrow.int64())) for k, v in plain.items()}
    for names, part in ((STAGES, 'stages'), (scores, 'scores')):
        for name in names:
            values = [getattr(row, part).get(name, NAN) for row in rows]
            columns[name] = pyarrow.array(values, pyarrow.float64())
    with replacing(path) as partial_file:
        pyarrow.parquet.write_table(pyarrow.table(columns), partial_file)
