"""Pages of measured results, from the committed files of benchmarks/results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path('benchmarks/results')


def result_page(path: Path) -> str | None:
    """One file as a page; None where it has none: pictures, and data beside a page of its name."""
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
    """The list of all, with what each says first."""
    lines = ['# Measured results\n', PERFORMANCE]
    for path in sorted((ROOT / RESULTS).rglob('*')):
        text = result_page(path)
        if text is not None:
            name = '-'.join(path.relative_to(ROOT / RESULTS).with_suffix('.md').parts)
            title, _, rest = text.removeprefix('# ').partition('\n')
            said = [line for line in rest.splitlines() if line and line[0] not in '|#!<']
            lines.append(f'- [{title}](results/{name}): {said[0].strip() if said else ""}')
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
            inner if isinstance(inner, list) else [{key: k, 'value': v} for k, v in inner.items()]
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
    names = list(dict.fromkeys(name for row in flat for name in row))
    lines = [f'| {" | ".join(names)} |', f'|{"---|" * len(names)}']
    lines += [f'| {" | ".join(_text(row.get(n, "")) for n in names)} |' for row in flat]
    return '\n'.join(lines)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ', '.join(map(_text, value))
    return f'{value:.4g}' if isinstance(value, float) else str(value).replace('|', '\\|')


PERFORMANCE = """Every page is made from a committed file of `benchmarks/results`, which names its
machine and date; the file's own harness in `benchmarks/` takes the measurement again.
"""
