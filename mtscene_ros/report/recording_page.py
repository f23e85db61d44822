"""Writes one self-contained HTML page about a recording of the node's inputs and outputs."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import replace
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.draw import birdseye, depth_rgb, overlay, shown_shape
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.recordings.node_results import Recording, ShownFrame, read_recording
from mtscene_ros.report.html import data_uri, facts, figure, page, tiles
from mtscene_ros.terminal import plural
from mtscene_ros.types import Boxes3D, DepthMap, Intrinsics, LabelMap, Result, Scene

SHOWN_WIDTH_PX = 960


def write_report(bag: Path, html: Path, shown: int = 6, node: str = '', image: str = '') -> None:
    """Writes the page for a recording, with pictures of `shown` frames.

    node, image: whose results and which images, '' to find them. Raises BagError.
    """
    recording = read_recording(bag, shown, node, image)
    for sentence in recording.notes:
        print(sentence, file=sys.stderr)
    depth_max_m = depth_range_m([m.scene for m in recording.shown])
    parts = [
        f'<h1>mtscene_ros</h1><div class="soft">{escape(bag.name)} · '
        f'{escape(recording.image_topic)} · written {time.strftime("%Y-%m-%d %H:%M %Z")}</div>',
        _tiles(recording),
        _missing(recording),
        f'<div class="columns">{_latency_table(recording)}{_about(recording)}</div>',
        '<h2>Frames</h2>',
        _legend(recording),
        *(_frame(m, recording.input_ns[0], depth_max_m) for m in recording.shown),
    ]
    html.parent.mkdir(parents=True, exist_ok=True)
    write_text(html, page(f'mtscene_ros: {bag.name}', parts))


def depth_range_m(scenes: list[Scene]) -> float:
    """Returns the end of the depth scale: a round number that covers 95 % of the pixels."""
    maps = [s.results['depth'] for s in scenes if 'depth' in s.results]
    depths = [d.depth_m[np.isfinite(d.depth_m)] for d in maps if isinstance(d, DepthMap)]
    far_m = np.percentile(np.concatenate([*depths, [0.0]]), 95)
    return next((m for m in (5.0, 10.0, 20.0, 40.0) if far_m <= m), 80.0)


# -- summary -------------------------------------------------------------------------------------


def _tiles(recording: Recording) -> str:
    counts, total_ms = recording.counts, 1000 * recording.total_s
    images = len(recording.input_ns)
    if not counts:  # without frame_stats nobody knows what became of the other images
        return tiles(
            [
                (f'{recording.answered} of {images}', 'images with results'),
                (f'{rate_hz(recording.input_ns):.1f} Hz', 'image rate (by stamp)'),
            ]
        )
    published, dropped, failed = (counts.get(k, 0) for k in ('published', 'dropped', 'failed'))
    lost = max(0, images - counts.get('received', 0))
    values = [
        (f'{published} of {images}', 'images with results'),
        (str(dropped), 'dropped'),
        (str(failed), 'failed'),
        (str(lost), 'never received'),
        (f'{rate_hz(recording.input_ns):.1f} Hz', 'image rate (by stamp)'),
        (f'{rate_hz(recording.done_ns):.1f} Hz', 'result rate (as recorded)'),
    ]
    if not recording.counts:
        values = [(str(images), 'images'), values[4]]
    if len(total_ms):
        p50, p99 = np.percentile(total_ms, (50, 99))
        values += [
            (f'{p50:.0f} ms', 'latency, median'),
            (f'{p99:.0f} ms', 'latency, 99th percentile'),
        ]
    return tiles(values)


def _missing(recording: Recording) -> str:
    """Says what a reader would look for in vain."""
    if not recording.missing:
        return ''
    return f'<section>Not in the recording: {escape("; ".join(recording.missing))}.</section>'


def rate_hz(times_ns: list[int]) -> float:
    """Returns the mean rate between the first and the last time; 0 for fewer than two times."""
    span_ns = max(times_ns) - min(times_ns) if times_ns else 0
    return (len(times_ns) - 1) / (span_ns * 1e-9) if span_ns else 0.0


def _latency_table(recording: Recording) -> str:
    if not recording.stage_s:
        return (
            '<section>The recording contains no frame_stats, so latency and drops are not known; '
            'record /perception/debug/frame_stats as well.</section>'
        )
    stages = [(name, np.asarray(s), '') for name, s in recording.stage_s.items()]
    rows = ''
    for name, seconds, kind in (*stages, ('total', recording.total_s, ' class="total"')):
        p50, p95, p99 = 1000 * np.percentile(seconds, (50, 95, 99))
        rows += (
            f'<tr{kind}><td>{escape(name)}</td><td>{p50:.1f}</td><td>{p95:.1f}</td>'
            f'<td>{p99:.1f}</td><td>{1000 * seconds.max():.1f}</td></tr>'
        )
    return (
        '<section><table><tr><th>latency in the node, ms</th><th>p50</th><th>p95</th><th>p99</th>'
        f'<th>max</th></tr>{rows}</table></section>'
    )


def _about(recording: Recording) -> str:
    model = next((line for line in recording.log if line.startswith('Model ')), None)
    other = [line for line in recording.log if line != model]
    pairs = [('model', (model or 'not in the recording').removeprefix('Model '))]
    pairs += [('machine', machine()), ('image topic', recording.image_topic)]
    pairs += [('recording', line) for line in recording.notes]
    pairs += [('node log', line) for line in other[:6]]
    return f'<section>{facts(pairs)}{_chart(1000 * recording.total_s)}</section>'


def machine() -> str:
    """Returns processor, cores that this process may use, system and version of Python."""
    name = platform.processor() or platform.machine()
    if os.path.exists('/proc/cpuinfo'):
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        name = next((x.split(':')[1].strip() for x in lines if x.startswith('model name')), name)
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    )
    return (
        f'{name}, {plural(cores, "core")}, {platform.system()}, Python {platform.python_version()}'
    )


def _chart(total_ms: NDArray[np.float64]) -> str:
    """Draws the latency of every frame as a line."""
    if len(total_ms) < 2:
        return ''
    top = float(total_ms.max())
    x = np.linspace(0, 600, len(total_ms))
    points = ' '.join(
        f'{a:.1f},{b:.1f}' for a, b in zip(x, 115 - 100 * total_ms / top, strict=True)
    )
    return (
        f'<div class="soft" style="margin-top:12px">total latency of each frame, 0 to {top:.0f} ms'
        '</div><svg viewBox="0 0 600 120" preserveAspectRatio="none">'
        '<path d="M0 115H600" stroke="var(--line)"/><polyline fill="none" stroke="var(--accent)" '
        f'stroke-width="1.5" vector-effect="non-scaling-stroke" points="{points}"/></svg>'
    )


# -- frames --------------------------------------------------------------------------------------


def _legend(recording: Recording) -> str:
    seen: set[int] = set()
    for shown_frame in recording.shown:
        labels = shown_frame.scene.results.get('semantic')
        if isinstance(labels, LabelMap):
            seen |= set(np.unique(labels.labels).tolist())
    items = ''.join(
        f'<span><i style="background:rgb{c.color_rgb}"></i>{escape(c.name)}</span>'
        for c in recording.classes
        if c.id in seen
    )
    return f'<div class="legend">{items}</div>'


def _frame(shown_frame: ShownFrame, first_ns: int, depth_max_m: float) -> str:
    scene = _enlarged(shown_frame.scene)
    boxes, true_boxes = scene.results.get('boxes3d'), shown_frame.truth.get('boxes3d')
    depth, size = scene.results.get('depth'), scene.frame.rgb.shape[1::-1]
    pictures = [figure(data_uri(scene.frame.rgb, 'jpg'), 'camera')]
    drawn = {'semantic': 'semantic labels', 'boxes3d': '3D boxes'}
    shown = ' and '.join(what for task, what in drawn.items() if task in scene.results)
    if shown:
        pictures.append(figure(data_uri(overlay(scene), 'jpg'), shown))
    if isinstance(depth, DepthMap):
        colored = data_uri(depth_rgb(depth.depth_m, depth_max_m), 'jpg')
        pictures.append(figure(colored, f'depth{scale_bar(depth_max_m)}'))
    if isinstance(boxes, Boxes3D):
        truth = true_boxes if isinstance(true_boxes, Boxes3D) else None
        range_m = min(60.0, depth_max_m)
        above = birdseye(boxes, truth, size, range_m, scene.frame.intrinsics)
        caption = "bird's-eye view" + (' (truth: grey)' if truth is not None else '')
        pictures.append(figure(data_uri(above, 'png'), caption))
    seconds = (scene.frame.stamp_ns - first_ns) * 1e-9
    head = [f'<b>{seconds:.2f} s</b>', *_comparison(shown_frame)]
    return (
        f'<section class="frame"><header>{"".join(f"<span>{f}</span>" for f in head)}</header>'
        f'<div class="pictures">{"".join(pictures)}</div></section>'
    )


def _enlarged(scene: Scene) -> Scene:
    """Resizes a scene to SHOWN_WIDTH_PX, so that lines and text are sharp."""
    frame = scene.frame
    size = shown_shape(frame.rgb.shape, SHOWN_WIDTH_PX)[::-1]
    scale = size[0] / frame.rgb.shape[1]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    rgb = np.asarray(cv2.resize(frame.rgb, size, interpolation=how), np.uint8)
    i = frame.intrinsics
    intrinsics = i and Intrinsics(
        *size,
        i.fx_px * scale,
        i.fy_px * scale,
        (i.cx_px + 0.5) * scale - 0.5,
        (i.cy_px + 0.5) * scale - 0.5,
    )
    results: dict[str, Result] = dict(scene.results)
    labels, depth = results.get('semantic'), results.get('depth')
    if isinstance(labels, LabelMap):
        maps = [
            cv2.resize(m, size, interpolation=cv2.INTER_NEAREST_EXACT)
            for m in (labels.labels, labels.confidence)
        ]
        results['semantic'] = LabelMap(
            np.asarray(maps[0], np.uint8), np.asarray(maps[1], np.uint8), labels.classes
        )
    if isinstance(depth, DepthMap):
        depth_m = cv2.resize(depth.depth_m, size, interpolation=cv2.INTER_NEAREST_EXACT)
        results['depth'] = DepthMap(np.asarray(depth_m, np.float32))
    return Scene(replace(frame, rgb=rgb, intrinsics=intrinsics), results)


def _comparison(shown_frame: ShownFrame) -> list[str]:
    """Returns numbers about the results, more of them where the truth is recorded."""
    results, true = shown_frame.scene.results, shown_frame.truth
    facts = []
    boxes, true_boxes = results.get('boxes3d'), true.get('boxes3d')
    if isinstance(boxes, Boxes3D):
        of = f' (truth: {len(true_boxes)})' if isinstance(true_boxes, Boxes3D) else ''
        facts.append(f'{plural(len(boxes), "box", "boxes")}{of}')
    labels, true_labels = results.get('semantic'), true.get('semantic')
    if (
        isinstance(labels, LabelMap)
        and isinstance(true_labels, LabelMap)
        and labels.classes == true_labels.classes
    ):
        facts.append(f'pixel accuracy {100 * np.mean(labels.labels == true_labels.labels):.1f} %')
    depth, true_depth = results.get('depth'), true.get('depth')
    if isinstance(depth, DepthMap) and isinstance(true_depth, DepthMap):
        both = np.isfinite(depth.depth_m) & np.isfinite(true_depth.depth_m)
        want = true_depth.depth_m[both]
        error = np.abs(depth.depth_m[both] - want) / want
        facts.append(f'depth AbsRel {error.mean():.3f}' if len(want) else 'no depth to compare')
    return [f'<span class="soft">{fact}</span>' for fact in facts]


def scale_bar(max_m: float) -> str:
    """Returns the colour scale of depth, from 0 to max_m metres, as HTML."""
    ramp = np.linspace(0, max_m, 256, dtype=np.float32)[None]
    image = data_uri(depth_rgb(ramp, max_m), 'png')
    return f'<span class="bar">0<img style="width:100%" src="{image}" alt="">{max_m:.0f} m</span>'
