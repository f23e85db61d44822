"""Pages of measured results, from the committed files of benchmarks/results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path('benchmarks/results')
MOST_COLUMNS, FEW_ROWS = 10, 6  # a page is not wider; a wide table of few rows is transposed


def result_page(path: Path) -> str | None:
    """Returns a file as a page; None for pictures, and for data beside a page of the same name."""
    if path.suffix == '.md':
        return path.read_text()
    if path.suffix not in ('.json', '.jsonl') or path.with_suffix('.md').exists():
        return None
    text = path.read_text()
    lines = [text] if path.suffix == '.json' else text.splitlines()
    values = [json.loads(line) for line in lines]
    body = _markdown(values[0] if path.suffix == '.json' else values)
    return f'# {path.stem}\n\n{body}\n'


def performance() -> str:
    """The list of all pages, with the first sentence of each."""
    lines = ['# Measured results\n', PERFORMANCE]
    for path in sorted((ROOT / RESULTS).rglob('*')):
        text = result_page(path)
        if text is not None:
            name = '-'.join(path.relative_to(ROOT / RESULTS).with_suffix('.md').parts)
            title, _, rest = text.removeprefix('# ').partition('\n')
            prose = [line for line in rest.splitlines() if line and line[0] not in '|#!<']
            lines.append(f'- [{title}](results/{name}): {prose[0].strip() if prose else ""}')
    return '\n'.join(lines) + '\n'


def _markdown(value: Any) -> str:
    """Numbers and texts in one line, lists of records and records of records as tables."""
    if isinstance(value, list):
        return _table(value)
    simple = [f'{k}: {_text(v)}' for k, v in value.items() if not isinstance(v, dict | list)]
    parts = ['; '.join(simple)] if simple else []
    for key, inner in value.items():
        if not isinstance(inner, dict | list):
            continue
        rows = (
            inner
            if isinstance(inner, list)
            else [{key: k, 'value': v} for k, v in _flat(inner).items()]
        )
        if isinstance(inner, dict) and all(isinstance(v, dict) for v in inner.values()):
            rows = [{key: name, **record} for name, record in inner.items()]
        rows = [row if isinstance(row, dict) else {key: row} for row in rows]
        parts.append(f'## {key}\n\n{_table(rows)}')
    return '\n\n'.join(parts)


def _flat(record: dict[str, Any], prefix: str = '') -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f'{prefix}{key}'
        flat |= _flat(value, f'{name} ') if isinstance(value, dict) else {name: value}
    return flat


def _table(rows: list[dict[str, Any]]) -> str:
    flat = [_flat(row) for row in rows]
    if len(_names(flat)) > MOST_COLUMNS and len(rows) > FEW_ROWS:
        flat = rows  # inner records as text in one cell
    names = _names(flat)
    cells = [
        [_words(name) for name in names],
        *([_text(row.get(name, '')) for name in names] for row in flat),
    ]
    if len(names) > MOST_COLUMNS and len(rows) <= FEW_ROWS:
        cells = [list(column) for column in zip(*cells, strict=True)]
    head, *lines = [f'| {" | ".join(row)} |' for row in cells]
    return '\n'.join([head, f'|{"---|" * len(cells[0])}', *lines])


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _words(key: str) -> str:
    return key.replace('_', ' ')  # so that a narrow column can break it


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ', '.join(map(_text, value))
    if isinstance(value, dict):
        return '; '.join(f'{_words(key)} {_text(inner)}' for key, inner in value.items())
    return f'{value:.4g}' if isinstance(value, float) else str(value).replace('|', '\\|')


PERFORMANCE = """Every page is made from a committed file of `benchmarks/results`, which names its
machine and date. A program in `benchmarks/` repeats each measurement.
"""
