"""Semantic labels of a YOLO with masks, as Ultralytics exports it (YOLACT: Bolya, ICCV 2019).

One output is (N, 4 + classes + masks, anchors): centre and size in pixels, scores in [0, 1],
coefficients. The other is (N, masks, h, w): prototypes, whose combination by the coefficients is
positive on the object. A pixel gets the class of the best object whose box and mask contain it;
duplicates of an object agree in that, so nothing has to be suppressed. What no object covers is
one more class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from mtscene_ros.models.spec import TensorSpec
from training.graphs.wrapped import Nodes, labels_specs, reduced_max, target_size

OBJECTS = 100  # at most, per image
MIN_SCORE = 0.25  # Ultralytics' own default


@dataclass(frozen=True, slots=True)
class YoloMasks:
    """Names and shapes of the two outputs. shape: masks, h, w of the prototypes; anchors: their
    number; size_px: height and width of the image; opset: of the file."""

    detections: str
    prototypes: str
    classes: int
    shape: tuple[int, int, int]
    anchors: int
    size_px: tuple[int, int]
    opset: int


def yolo_masks(
    outputs: dict[str, NDArray[Any]], classes: int, size_px: tuple[int, int], opset: int
) -> YoloMasks:
    """Raises ValueError for outputs of another layout."""
    detections = next((n for n, v in outputs.items() if v.ndim == 3), '')
    prototypes = next((n for n, v in outputs.items() if v.ndim == 4), '')
    if len(outputs) != 2 or not detections or not prototypes:
        shown = ', '.join(f'{n} {v.shape}' for n, v in outputs.items())
        raise ValueError(f'The file returns {shown}; choose one with --tensor.')
    rows, anchors = outputs[detections].shape[1:]
    masks, height, width = outputs[prototypes].shape[1:]
    if rows != 4 + classes + masks:
        why = (
            f'--classes names {classes}'
            if rows < anchors
            else 'export it without NMS, from YOLOv8 or newer'
        )
        raise ValueError(
            f'{detections} is {outputs[detections].shape} beside {masks} prototypes; of '
            f'Ultralytics it would be (N, 4 + classes + {masks}, anchors): {why}.'
        )
    shape = masks, height, width
    return YoloMasks(detections, prototypes, classes, shape, anchors, size_px, opset)


def add_yolo_outputs(graph: onnx.GraphProto, yolo: YoloMasks) -> list[TensorSpec]:
    """Puts the decoding behind the graph: labels and confidence at the size of the input."""
    nodes, (masks, height, width) = Nodes(graph), yolo.shape
    nodes.count = 1000  # names after those of the input
    boxes, score, kind, weights = best_objects(nodes, yolo)
    flat = nodes.constant([0, masks, height * width], np.int64)
    planes = nodes.add('Reshape', [yolo.prototypes, flat])
    covered = nodes.add('Greater', [nodes.add('MatMul', [weights, planes]), zero(nodes)])
    for axis, centers_px in enumerate(pixel_centers(yolo)):
        near = within(nodes, boxes, axis, centers_px)
        covered = nodes.add('And', [covered, near])
    last = nodes.constant([2], np.int64)
    value = nodes.add('Cast', [covered], to=TensorProto.FLOAT)
    value = nodes.add('Mul', [value, nodes.add('Unsqueeze', [score, last])])
    most = reduced_max(nodes, value, 1, yolo.opset)
    which = nodes.add('ArgMax', [value], axis=1, keepdims=0)
    label = nodes.add('GatherElements', [kind, which], axis=1)
    is_there = nodes.add('GreaterOrEqual', [most, nodes.constant(MIN_SCORE, np.float32)])
    nothing = nodes.constant(yolo.classes, np.int64)
    label = nodes.add('Where', [is_there, label, nothing])
    absent = nodes.add('Sub', [nodes.constant(1, np.float32), most])
    sure = nodes.add('Where', [is_there, most, absent])
    sure = nodes.add('Round', [nodes.add('Mul', [sure, nodes.constant(255, np.float32)])])
    for tensor, output in ((label, 'semantic_labels'), (sure, 'semantic_confidence')):
        enlarged(nodes, tensor, output, yolo)
    graph.node.extend(nodes.nodes)
    return labels_specs(graph, yolo.size_px)


def best_objects(nodes: Nodes, yolo: YoloMasks) -> tuple[str, str, str, str]:
    """Returns boxes (N, K, 4), scores (N, K), classes (N, K) and coefficients (N, K, masks)."""
    count, end = min(OBJECTS, yolo.anchors), 4 + yolo.classes
    scores = rows_of(nodes, yolo.detections, 4, end)
    best = reduced_max(nodes, scores, 1, yolo.opset)
    nodes.count += 1
    score, index = f'mtscene_score_{nodes.count}', f'mtscene_index_{nodes.count}'
    k = nodes.constant([count], np.int64)
    nodes.nodes.append(helper.make_node('TopK', [best, k], [score, index], axis=1))
    kind = nodes.add('ArgMax', [scores], axis=1, keepdims=0)
    kind = nodes.add('GatherElements', [kind, index], axis=1)
    wide = nodes.add('Unsqueeze', [index, nodes.constant([1], np.int64)])
    found = []
    for first, last in ((0, 4), (end, end + yolo.shape[0])):
        shape = nodes.constant([1, last - first, 1], np.int64)
        rows = rows_of(nodes, yolo.detections, first, last)
        taken = nodes.add('GatherElements', [rows, nodes.add('Expand', [wide, shape])], axis=2)
        found.append(nodes.add('Transpose', [taken], perm=[0, 2, 1]))
    return found[0], score, kind, found[1]


def rows_of(nodes: Nodes, tensor: str, first: int, last: int, axis: int = 1) -> str:
    ends = [nodes.constant([value], np.int64) for value in (first, last, axis)]
    return nodes.add('Slice', [tensor, *ends])


def zero(nodes: Nodes) -> str:
    return nodes.constant(0, np.float32)


def pixel_centers(yolo: YoloMasks) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns x and y of the prototypes' pixels in the image, (1, 1, h * w)."""
    _, height, width = yolo.shape
    x = (np.arange(width) + 0.5) * yolo.size_px[1] / width
    y = (np.arange(height) + 0.5) * yolo.size_px[0] / height
    both = np.meshgrid(x, y)
    return both[0].reshape(1, 1, -1).astype('f4'), both[1].reshape(1, 1, -1).astype('f4')


def within(nodes: Nodes, boxes: str, axis: int, centers_px: NDArray[np.float32]) -> str:
    """Returns (N, K, h * w) bool: whether pixels lie between the sides of the boxes."""
    center, extent = (rows_of(nodes, boxes, k, k + 1, 2) for k in (axis, axis + 2))
    apart = nodes.add('Sub', [nodes.constant(centers_px, np.float32), center])
    half = nodes.add('Mul', [extent, nodes.constant(0.5, np.float32)])
    return nodes.add('LessOrEqual', [nodes.add('Abs', [apart]), half])


def enlarged(nodes: Nodes, flat: str, output: str, yolo: YoloMasks) -> None:
    """(N, h * w) → (N, H, W) uint8, nearest neighbour."""
    _, height, width = yolo.shape
    at = nodes.add('Cast', [flat], to=TensorProto.FLOAT)
    at = nodes.add('Reshape', [at, nodes.constant([-1, 1, height, width], np.int64)])
    size = target_size(nodes, at, *yolo.size_px)
    at = nodes.add('Resize', [at, '', '', size], mode='nearest',
                   coordinate_transformation_mode='half_pixel')  # fmt: skip
    at = nodes.add('Squeeze', [at, nodes.constant([1], np.int64)])
    nodes.add('Cast', [at], output, to=TensorProto.UINT8)


def painted_labels(
    detections: NDArray[Any], prototypes: NDArray[Any], yolo: YoloMasks
) -> NDArray[np.uint8]:
    """Decodes the original's outputs with NumPy, (N, H, W): paints one object after the other, the
    surest last."""
    end, (_, height, width) = 4 + yolo.classes, yolo.shape
    found = np.full((len(detections), height, width), yolo.classes, np.uint8)
    x, y = (values.reshape(height, width) for values in pixel_centers(yolo))
    for labels, rows, planes in zip(found, detections, prototypes, strict=True):
        best = rows[4:end].max(0)
        for k in np.argsort(best, kind='stable'):
            if best[k] < MIN_SCORE:
                continue
            cx, cy, w, h = rows[:4, k]
            inside = (np.abs(x - cx) <= w / 2) & (np.abs(y - cy) <= h / 2)
            covered = np.tensordot(rows[end:, k], planes, 1) > 0
            labels[inside & covered] = rows[4:end, k].argmax()
    rows_up, columns_up = yolo.size_px[0] // height, yolo.size_px[1] // width
    return found.repeat(rows_up, 1).repeat(columns_up, 2)
