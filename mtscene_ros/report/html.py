"""Builds the parts that all HTML pages share: style, document, tables and embedded pictures.

The pages load nothing from elsewhere.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

STYLE = """
:root { color-scheme: light dark; --line: #d8dce2; --soft: #5c6470; --card: #ffffff; --page: #f3f4f6; --ink: #15181d; --accent: #2456c9;
  --good: #17733d; --bad: #b3261e; --bar: #2456c91f }
@media (prefers-color-scheme: dark) {
  :root { --line: #363c46; --soft: #9aa3b0; --card: #1b1e24; --page: #121418; --ink: #e8eaee; --accent: #7fa6ff;
  --good: #6fd08f; --bad: #ff8b80; --bar: #7fa6ff2e } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1480px; margin: 0 auto; padding: 28px 24px 60px }
h1 { font-size: 26px; margin: 0 } h2 { font-size: 18px; margin: 36px 0 12px } .soft { color: var(--soft) }
h3 { font-size: 15px; font-weight: 600; margin: 0 0 10px }
section, figure, .tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(122px, 1fr)); gap: 12px; margin: 20px 0 }
.tile { padding: 12px 16px } .tile b { display: block; font-size: 23px; font-variant-numeric: tabular-nums }
.tile span { color: var(--soft); font-size: 13px }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 16px }
.columns section { padding: 14px 18px; overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: 4px 0 4px 16px; border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left; padding-left: 0 } th { font-weight: 500; color: var(--soft) }
tr:last-child td { border-bottom: 0 } .total td { font-weight: 600 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0 } dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 0 0 20px; font-size: 14px }
.legend i { display: inline-block; width: 14px; height: 14px; border-radius: 3px; margin-right: 6px; vertical-align: -2px;
  border: 1px solid var(--line) }
.frame { padding: 14px; margin-bottom: 20px } .frame header { display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 0 4px 10px }
.pictures { display: grid; grid-template-columns: 1fr 1fr; gap: 12px }
figure { margin: 0; overflow: hidden } figure img { display: block; width: 100% }
figcaption { display: flex; gap: 14px; justify-content: space-between; padding: 5px 12px; font-size: 13px; color: var(--soft);
  align-items: center }
.bar { flex: 0 1 320px; display: grid; grid-template-columns: auto 1fr auto; gap: 8px; align-items: center }
.bar img { height: 10px; border-radius: 3px } svg { width: 100%; height: 120px; display: block }
@media (max-width: 900px) { .pictures { grid-template-columns: 1fr } .columns { grid-template-columns: 1fr } }
"""  # noqa: E501
QUALITY = 88
MIME = {'jpg': 'image/jpeg', 'png': 'image/png'}


def page(title: str, body: Iterable[str], style: str = '', script: str = '') -> str:
    """Returns a whole document; style and script are added to the shared ones, title is text."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{STYLE}{style}</style><main>{"".join(body)}</main>'
        f'{f"<script>{script}</script>" if script else ""}</html>\n'
    )


def tiles(values: Iterable[tuple[str, str]]) -> str:
    """Returns tiles of (value, caption) pairs, both HTML."""
    inside = ''.join(f'<div class="tile"><b>{b}</b><span>{s}</span></div>' for b, s in values)
    return f'<div class="tiles">{inside}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table, whose cells are HTML."""
    body = ''.join(f'<tr>{"".join(f"<td>{cell}</td>" for cell in row)}</tr>' for row in rows)
    return f'<table><tr>{"".join(f"<th>{cell}</th>" for cell in head)}</tr>{body}</table>'


def section(title: str, *inside: str) -> str:
    """Returns a card; title is plain text, its content HTML."""
    return f'<section><h3>{escape(title)}</h3>{"".join(inside)}</section>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Returns a list of (name, value) pairs, both plain text."""
    return f'<dl>{"".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in pairs)}</dl>'


def figure(source: str, caption: str) -> str:
    """Returns a picture with a caption.

    source: a data URI; caption: HTML, whose text before the first tag describes the picture.
    """
    alt = caption.partition('<')[0]
    return f'<figure><img src="{source}" alt="{alt}"><figcaption>{caption}</figcaption></figure>'


def data_uri(rgb: NDArray[np.uint8], kind: str, quality: int = QUALITY) -> str:
    """Encodes an (H, W, 3) RGB picture as a data URI; kind: 'jpg' or 'png'."""
    how = [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == 'jpg' else []
    data = cv2.imencode(f'.{kind}', rgb[..., ::-1], how)[1].tobytes()
    return f'data:{MIME[kind]};base64,{base64.b64encode(data).decode()}'
