"""Writes a slider over the frames of a report: four pictures and a script that changes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mtscene_ros.evaluate.pages.pictures import PictureStyle, camera_view, encoded, views_of
from mtscene_ros.recordings.node_results import ShownFrame

WIDTH_PX = 448
MOST_BYTES = 10_000_000  # of all frames together
STYLE = """
.four { display: grid; grid-template-columns: repeat(4, 1fr); gap: 10px } .two { display: grid; grid-template-columns: 1fr 1fr; gap: 10px }
@media (max-width: 1000px) { .four { grid-template-columns: 1fr 1fr } }
@media (max-width: 520px) { .four, .two { gap: 6px } figcaption { padding: 3px 6px; font-size: 12px } }
.player { padding: 14px } .player .row { display: flex; flex-wrap: wrap; gap: 8px 18px; align-items: center; margin-bottom: 10px }
.player input[type=range] { flex: 1 1 240px; accent-color: var(--accent) } .player label { white-space: nowrap }
.player button { font: inherit; padding: 2px 14px; border: 1px solid var(--line); border-radius: 6px; background: var(--page); color: var(--ink) }
.player .legend { margin: 12px 2px 0; font-size: 13px } .player output { font-variant-numeric: tabular-nums } figure img { background: var(--line); min-height: 40px }
figure[hidden], .cursor[hidden] { display: none } .player figure { cursor: zoom-in }
.player figure:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
.player figure.large { grid-column: 1 / -1; cursor: zoom-out }
"""  # noqa: E501
SCRIPT = """
const frames = JSON.parse(document.getElementById('frame-data').textContent);
const player = document.querySelector('.player');
const slider = player.querySelector('input[type=range]');
const images = player.querySelectorAll('img'), captions = player.querySelectorAll('figcaption');
const cursors = document.querySelectorAll('[data-timeline]');
const caption = player.querySelector('output'), button = player.querySelector('button');
const task = () => player.querySelector('input[type=radio]:checked').value;
function show() {
  const frame = frames[slider.value], views = frame.views[task()] || [];
  const shown = [[frame.image, 'image'], ...views];
  images.forEach((image, i) => {
    image.parentElement.hidden = !shown[i];
    if (!shown[i]) return;
    [image.src, image.alt] = shown[i];
    captions[i].textContent = shown[i][1];
  });
  caption.textContent = frame.scores ? `${frame.title} · ${frame.scores}` : frame.title;
  slider.setAttribute('aria-valuetext', frame.title);
  for (const chart of cursors) {
    const cursor = chart.querySelector('.cursor');
    const x = 600 * frame.row / Math.max(1, chart.dataset.timeline - 1);
    cursor.removeAttribute('hidden');
    cursor.setAttribute('d', `M${x} 0V100`);
  }
}
let timer = 0;
function play() {
  button.textContent = timer ? 'play' : 'stop';
  timer = timer ? clearInterval(timer) || 0 : setInterval(() => {
    slider.value = (+slider.value + 1) % frames.length;
    show();
  }, 250);
}
function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (wanted.has('frame')) slider.value = wanted.get('frame');
  const radio = player.querySelector(`input[value="${CSS.escape(wanted.get('task') || '')}"]`);
  if (radio) radio.checked = true;
  show();
}
player.addEventListener('input', show);
button.addEventListener('click', play);
for (const chart of cursors) chart.addEventListener('click', event => {
  const box = chart.querySelector('svg').getBoundingClientRect();
  const row = (event.clientX - box.left) / box.width * (chart.dataset.timeline - 1);
  const off = frames.map(frame => Math.abs(frame.row - row));
  slider.value = off.indexOf(Math.min(...off));
  show();
});
function enlarge(figure) {
  figure.setAttribute('aria-pressed', figure.classList.toggle('large'));
}
for (const image of images) image.parentElement.addEventListener('click', () => enlarge(image.parentElement));
addEventListener('keydown', event => {
  const step = {ArrowLeft: -1, ArrowRight: 1}[event.key], figure = event.target.closest('.player figure');
  if (figure && (event.key === 'Enter' || event.key === ' ')) { event.preventDefault(); enlarge(figure); }
  if (!step || event.target.matches('input, [tabindex]:not(figure)')) return;
  slider.value = +slider.value + step;
  show();
});
addEventListener('hashchange', follow);
follow();
"""  # noqa: E501


def slider_frame(
    frame: ShownFrame, row: int, title: str, scores: str, depth_max_m: float
) -> dict[str, Any]:
    """Returns the data with which the script shows one frame, with pictures by task."""
    look = PictureStyle(WIDTH_PX, depth_max_m)
    views = {}
    for task in frame.scene.results:
        of = views_of(task, frame.scene.frame, frame.scene.results, frame.truth, look)
        if of is not None:
            views[task] = [[encoded(picture), name] for picture, name in of.named()]
    image = encoded(camera_view(frame.scene.frame, look))
    return {'row': row, 'title': title, 'scores': scores, 'image': image, 'views': views}


def thinned(frames: Sequence[dict[str, Any]], most: int = MOST_BYTES) -> list[dict[str, Any]]:
    """Keeps every second, fourth and so on frame, until the page is small enough."""
    kept = list(frames)
    while len(kept) > 1 and sum(len(json.dumps(frame)) for frame in kept) > most:
        kept = kept[::2]
    return kept


def player(frames: Sequence[Mapping[str, Any]], legend: str) -> str:
    """Returns the slider and its four pictures, which SCRIPT changes; legend: HTML below them."""
    tasks = list(dict.fromkeys(task for frame in frames for task in frame['views']))
    if not tasks:
        return ''
    radios = ''.join(
        f'<label><input type="radio" name="task" value="{task}"{" checked" * (i == 0)}> '
        f'{escape(task)}</label>'
        for i, task in enumerate(tasks)
    )
    figure = '<figure tabindex="0" role="button" aria-pressed="false" title="enlarge">'
    figures = f'{figure}<img alt=""><figcaption></figcaption></figure>' * 4
    # A script element must not contain "<" as it is.
    data = json.dumps(list(frames)).replace('<', '\\u003c')
    return (
        '<section class="player"><div class="row"><button type="button">play</button>'
        f'<input type="range" min="0" max="{len(frames) - 1}" value="0" '
        f'aria-label="frame of the sequence"><output></output></div>'
        f'<div class="row" role="radiogroup" aria-label="task">{radios}</div>'
        f'<div class="two">{figures}</div>{legend}</section>'
        f'<script type="application/json" id="frame-data">{data}</script>'
    )
