"""One page about a data set: its counts, and frames with their labels drawn over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.draw import blend_labels, depth_rgb, draw_boxes, resized
from mtscene_ros.camera.geometry import optical_from_level_box, quaternion_from_matrix
from mtscene_ros.datasets.class_tables import Classes
from mtscene_ros.report.html import data_uri, figure, page, section
from mtscene_ros.types import UNLABELED, Boxes3D, LabelMap
from training.data.by_name import Tables
from training.data.sample import Sample

PICTURES = 10
WIDTH_PX = 640  # of a picture, at most
Picture = NDArray[np.uint8]


@dataclass(slots=True, eq=False)
class ShownSamples:
    """Ten samples, spread over all; count: how many frames there are."""

    count: int
    samples: dict[str, Sample] = field(default_factory=dict)

    def add(self, number: int, name: str, sample: Sample) -> None:
        step = max(1, self.count / PICTURES)
        if number >= len(self.samples) * step and len(self.samples) < PICTURES:
            self.samples[name] = sample


def data_page(title: str, text: str, shown: ShownSamples, tables: Tables) -> str:
    """text: the report as for a terminal."""
    figures = [
        figure(data_uri(picture, 'jpg'), f'{escape(name)}, {escape(task)}')
        for name, sample in shown.samples.items()
        for task, picture in pictures_of(sample, tables).items()
    ]
    body = [
        f'<h1>{escape(title)}</h1>',
        section('Counts', f'<pre>{escape(text)}</pre>'),
        legend(tables),
        '<div class="columns">',
        *figures,
        '</div>',
    ]
    return page(title, body, 'figure img { width: 100% } pre { overflow-x: auto }')


def legend(tables: Tables) -> str:
    entries = [
        f'<span><i style="background:rgb{c.color_rgb}"></i>{escape(c.name)}</span>'
        for c in (*tables.semantic, *tables.boxes)
    ]
    return f'<div class="legend">{"".join(entries)}</div>'


def pictures_of(sample: Sample, tables: Tables) -> dict[str, Picture]:
    """Returns task → picture for the labels that the sample has; `image` where it has none."""
    found: dict[str, Picture] = {}
    if tables.semantic and (sample.labels != UNLABELED).any():
        found['semantic'] = labels_over(sample.rgb, sample.labels, tables.semantic)
    known = sample.depth_m[np.isfinite(sample.depth_m)]
    if len(known):
        found['depth'] = depth_rgb(sample.depth_m, float(np.percentile(known, 99)))
    if sample.has_boxes and tables.boxes:
        found['boxes3d'] = draw_boxes(
            sample.rgb, boxes_of(sample, tables.boxes), sample.intrinsics
        )
    for name, values in sample.maps.items():
        classes = tables.maps.get(name, ())
        found[name] = labels_over(sample.rgb, values, classes) if classes else grey(values)
    small = (round(sample.rgb.shape[0] * WIDTH_PX / sample.rgb.shape[1]), WIDTH_PX)
    shown = found or {'image': np.ascontiguousarray(sample.rgb)}
    return {task: resized(p, small) if p.shape[1] > WIDTH_PX else p for task, p in shown.items()}


def labels_over(rgb: Picture, labels: NDArray[np.uint8], classes: Classes) -> Picture:
    confidence = np.full_like(labels, 255)
    return blend_labels(np.ascontiguousarray(rgb), LabelMap(labels, confidence, classes))


def grey(values: NDArray[np.float32]) -> Picture:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    share = np.nan_to_num((values - low) / max(high - low, 1e-9))
    return np.repeat((255 * share).astype(np.uint8)[..., None], 3, 2)


def boxes_of(sample: Sample, classes: Classes) -> Boxes3D:
    turned = sample.quaternions_xyzw
    if turned is None:
        turned = quaternion_from_matrix(optical_from_level_box(sample.yaw_rad))
    scores = np.ones(len(sample.class_ids), np.float32)
    return Boxes3D(sample.class_ids, scores, sample.centers_m, sample.sizes_m, turned, classes)
