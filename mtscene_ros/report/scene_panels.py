"""Draws a scene as one picture: panels with captions, and a legend of the classes.

Labels and boxes share a panel over the image; every further task has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.draw import (
    blend_labels,
    depth_rgb,
    normals_rgb,
    overlay,
    resized,
    write_plate,
)
from mtscene_ros.types import (
    DepthMap,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    Result,
    Scene,
    SemanticClass,
    ValueMap,
)

Picture = NDArray[np.uint8]

OVER_IMAGE = ('semantic', 'boxes3d')
GROUND_RGB, TEXT_RGB = (24, 27, 32), (235, 237, 240)
WIDE = 2.2  # from this ratio of width to height on, panels stand below each other
MOST_CLASSES = 24  # of a legend with all classes; longer tables show those in the image
ROW_PX, CHIP_PX, GAP_PX = 22, 12, 14
SCALE = 0.42  # of the legend's letters
SCALED_PX = 1280  # a wider picture has a larger legend, up to twice as large


@dataclass(frozen=True, slots=True)
class PanelStyle:
    """tasks: the results to draw, in their order; longest_px: the longer side of a panel;
    depth_max_m: the depth that has the last colour."""

    tasks: tuple[str, ...]
    longest_px: int = 960
    depth_max_m: float = 60.0


def scene_picture(scene: Scene, style: PanelStyle) -> Picture:
    """Returns all panels and the legend as one (H, W, 3) RGB picture of even size.

    The size depends on the image's size, the tasks and the model only, so that the pictures of a
    video fit each other. Results that the scene lacks are grey panels which say so.
    """
    width_px, height_px = panel_size(scene, style)
    panels = [over_image(scene, style)] if set(OVER_IMAGE) & set(style.tasks) else []
    panels += [panel(scene, task, style) for task in style.tasks if task not in OVER_IMAGE]
    sized = [resized(picture, (height_px, width_px)) for picture in panels]
    together = np.concatenate(sized, axis=0 if width_px > WIDE * height_px else 1)
    labels = scene.results.get('semantic')
    if 'semantic' in style.tasks and isinstance(labels, LabelMap):
        strip = legend(shown_classes(labels), together.shape[1])
        together = np.concatenate([together, strip], axis=0)
    return even(np.asarray(together, np.uint8))


def panel_size(scene: Scene, style: PanelStyle) -> tuple[int, int]:
    """Returns (width, height) in pixels; a small image is not enlarged."""
    height_px, width_px = scene.frame.rgb.shape[:2]
    scale = min(1.0, style.longest_px / max(width_px, height_px))
    return max(2, round(width_px * scale)), max(2, round(height_px * scale))


def over_image(scene: Scene, style: PanelStyle) -> Picture:
    """Draws labels and boxes over the image, those of them that are wanted."""
    wanted = {k: v for k, v in scene.results.items() if k in style.tasks and k in OVER_IMAGE}
    width_px, height_px = panel_size(scene, style)
    frame = scene.frame
    small = replace(
        frame,
        rgb=resized(frame.rgb, (height_px, width_px)),
        intrinsics=frame.intrinsics and frame.intrinsics.resized(width_px, height_px),
    )
    labels = wanted.get('semantic')
    if isinstance(labels, LabelMap):
        wanted['semantic'] = labels_of_size(labels, width_px, height_px)
    return overlay(replace(scene, frame=small, results=wanted, output_intrinsics=None))


def labels_of_size(labels: LabelMap, width_px: int, height_px: int) -> LabelMap:
    """Resizes labels by nearest neighbour."""
    if labels.labels.shape == (height_px, width_px):
        return labels
    ids = at_nearest(labels.labels, width_px, height_px)
    return LabelMap(ids, np.zeros((height_px, width_px), np.uint8), labels.classes)


def at_nearest(values: NDArray[Any], width_px: int, height_px: int) -> NDArray[Any]:
    """Returns a copy, (height_px, width_px), of the nearest values of an (H, W) array."""
    size = width_px, height_px
    return np.array(cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT))


def small_scene(scene: Scene, longest_px: int, longest_depth_px: int) -> Scene:
    """Returns labels, depth and boxes of a scene with images of at most that size.

    Labels and depth are those of the nearest pixels. No image is shared with the scene, so that
    another thread can draw the result.
    """
    width_px, height_px = panel_size(scene, PanelStyle((), longest_px))
    frame, results = scene.frame, dict(scene.results)
    # Linear: a mean over all pixels of a 1080p image takes five times as long.
    rgb = np.array(cv2.resize(frame.rgb, (width_px, height_px)), np.uint8)
    intrinsics = frame.intrinsics and frame.intrinsics.resized(width_px, height_px)
    kept: dict[str, Result] = {}
    labels, depth = results.get('semantic'), results.get('depth')
    if isinstance(labels, LabelMap):
        ids = at_nearest(labels.labels, width_px, height_px)
        kept['semantic'] = LabelMap(ids, np.zeros(ids.shape, np.uint8), labels.classes)
    if isinstance(depth, DepthMap):
        size = panel_size(scene, PanelStyle((), longest_depth_px))
        kept['depth'] = DepthMap(at_nearest(depth.depth_m, *size))
    if 'boxes3d' in results:
        kept['boxes3d'] = results['boxes3d']
    small = replace(frame, rgb=rgb, intrinsics=intrinsics, unseen=None)
    return Scene(small, kept)


def panel(scene: Scene, task: str, style: PanelStyle) -> Picture:
    """Draws one result that does not lie over the image, with its caption."""
    width_px, height_px = panel_size(scene, style)
    result = scene.results.get(task)
    if result is None:
        missing = np.full((height_px, width_px, 3), 128, np.uint8)
        return captioned(missing, f'no {task}')
    picture = drawn(scene, result, style)
    # Sizes differ where maps are computed at another scale than the panel.
    sized = np.asarray(
        cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8
    )
    far = f', dark blue: {style.depth_max_m:g} m and more'
    return captioned(sized, task + (far if isinstance(result, DepthMap) else ''))


def depth_panel(scene: Scene, style: PanelStyle) -> Picture:
    return panel(scene, 'depth', style)


def drawn(scene: Scene, result: Result, style: PanelStyle) -> Picture:
    """Draws a map in its own size."""
    if isinstance(result, LabelMap):
        return blend_labels(resized(scene.frame.rgb, result.labels.shape), result)
    if isinstance(result, DepthMap):
        return depth_rgb(result.depth_m, style.depth_max_m)
    if isinstance(result, NormalMap):
        return normals_rgb(result.normals)
    if isinstance(result, ProbabilityMap):
        return grey(result.probability)
    if isinstance(result, ValueMap):
        low, high = float(np.nanmin(result.values)), float(np.nanmax(result.values))
        return grey((result.values - np.float32(low)) / np.float32(max(high - low, 1e-9)))
    return scene.frame.rgb  # boxes lie over the image


def grey(share: NDArray[np.float32]) -> Picture:
    """Draws (H, W) from 0, black, to 1, white."""
    return np.repeat(np.rint(255 * np.nan_to_num(share)).astype(np.uint8)[..., None], 3, 2)


def captioned(picture: Picture, text: str) -> Picture:
    """Writes the text into the upper left corner."""
    write_plate(picture, text, np.array([0.0, 0.0]))
    return picture


def even(picture: Picture) -> Picture:
    """Pads to even numbers of rows and columns, which video encoders require."""
    odd = [(0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)]
    return np.pad(picture, odd, 'edge') if any(b for _, b in odd) else picture


# -- legend --------------------------------------------------------------------------------------


def shown_classes(labels: LabelMap) -> Sequence[SemanticClass]:
    """Returns the whole table, or of a long one the most frequent classes of this image."""
    if len(labels.classes) <= MOST_CLASSES:
        return labels.classes
    counts = np.bincount(labels.labels.ravel(), minlength=1 << 16)
    frequent = sorted(labels.classes, key=lambda c: -int(counts[c.id]))
    return frequent[:MOST_CLASSES]


def legend(classes: Sequence[SemanticClass], width_px: int) -> Picture:
    """Draws colours and names in equal columns, as high as that needs."""
    zoom = min(max(width_px / SCALED_PX, 1.0), 2.0)
    row_px, chip_px, gap_px = (round(zoom * size) for size in (ROW_PX, CHIP_PX, GAP_PX))
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, zoom * SCALE
    sizes = [cv2.getTextSize(c.name, font, scale, 1)[0][0] for c in classes]
    column_px = max(sizes, default=0) + chip_px + 2 * gap_px
    columns = max(1, min(width_px // column_px, len(classes)))
    strip = np.full((ceil(len(classes) / columns) * row_px, width_px, 3), GROUND_RGB, np.uint8)
    for k, c in enumerate(classes):
        x, top = k % columns * column_px + gap_px // 2, k // columns * row_px
        middle = top + row_px // 2
        strip[middle - chip_px // 2 : middle + chip_px // 2, x : x + chip_px] = c.color_rgb
        at = (x + chip_px + gap_px // 2, middle + chip_px // 2 - 1)
        cv2.putText(strip, c.name, at, font, scale, TEXT_RGB, 1, cv2.LINE_AA)
    return strip
