"""Frames of a manifest in a table: a CSV file, as spreadsheets of any country write it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from mtscene_ros.datasets.label_files import DataError, read_text

CAMERA = ('fx_px', 'fy_px', 'cx_px', 'cy_px')
DIVIDERS = (',', ';', '\t')
NUMBERS = (*CAMERA, 'depth_scale')


def csv_frames(path: Path) -> list[dict[str, Any]]:
    """Reads frames from a CSV file, gathers fx_px, ... and maps.NAME, and skips empty cells and
    rows. Raises DataError."""
    if not path.is_file():
        raise DataError(f'{path} does not exist, but the manifest names it.')
    lines = [line for line in read_text(path).splitlines(keepends=True) if line.strip(';, \t\r\n')]
    if lines and lines[0].lower().startswith('sep='):  # a hint for Excel
        del lines[0]
    head = lines[0] if lines else ''
    divider = max(DIVIDERS, key=head.count)
    try:
        rows = list(csv.DictReader(io.StringIO(''.join(lines)), delimiter=divider))
    except csv.Error as error:
        raise DataError(f'{path} is not a table ({error}).') from None
    return [frame_of_row(row, divider) for row in rows]


def frame_of_row(row: dict[str, Any], divider: str) -> dict[str, Any]:
    """Where semicolons divide, numbers have decimal commas."""
    filled: dict[str, Any] = {
        key.strip(): value.strip()
        for key, value in row.items()
        if key and isinstance(value, str) and value.strip()
    }
    if divider == ';':
        filled |= {key: filled[key].replace(',', '.') for key in NUMBERS if key in filled}
    frame = {k: v for k, v in filled.items() if k not in CAMERA and k[:5] != 'maps.'}
    if camera := {k: v for k, v in filled.items() if k in CAMERA}:
        frame['camera'] = camera
    if maps := {k[5:]: v for k, v in filled.items() if k[:5] == 'maps.'}:
        frame['maps'] = maps
    return frame
