"""Averages what a teacher predicts on several views of a frame, and says how far they agree.

Views are the whole frame, its mirror image and crops of it. Depths and boxes belong to an assumed
camera whose focal length equals the frame's width: a network predicts canonical depth
(`training/tasks/depth.py`), so another focal length scales the result and changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.datasets.classes import CITYSCAPES_19
from mtscene_ros.tasks.boxes3d import OUTPUTS, CenterOptions, decode_centers
from mtscene_ros.tasks.depth import camera_scale
from mtscene_ros.types import CameraFrame, Intrinsics
from training.config import CompactConfig
from training.graphs.deploy import normalised
from training.tasks import task_of
from training.tasks.depth import BEYOND
from training.unlabelled.merged_boxes import Guesses, guesses_from, merged, mirrored

Maps = NDArray[np.float32]
LONG_SIDE_PX = 640  # of a frame while it is labelled and learned
CROP_SHARE = 0.62  # of the frame's width
DOUBT = 0.35  # standard deviation of the logarithm of depth above which it counts as unknown
STREET_SIZES_PX = (512, 768)  # long sides at which the street teacher looks


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle in pixels of the frame; is_mirrored: whether the view is flipped."""

    left: int
    top: int
    width: int
    height: int
    is_mirrored: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What one teacher says about a frame. probabilities: (C, H/2, W/2) of the classes; log_depth,
    deviation: (H/2, W/2) mean and standard deviation over the views, NaN where no view answers;
    boxes: merged. The last three are None for a teacher that predicts labels only."""

    probabilities: Maps
    log_depth: Maps | None = None
    deviation: Maps | None = None
    boxes: Guesses | None = None


def reduced(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scales an (H, W, 3) image to LONG_SIDE_PX, with even sizes."""
    scale = LONG_SIDE_PX / max(rgb.shape[:2])
    height, width = (2 * round(side * scale / 2) for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def assumed_camera(width_px: int, height_px: int) -> Intrinsics:
    return Intrinsics.centered(width_px, height_px, width_px)


def views_of(width_px: int, height_px: int, aspect: float) -> list[Crop]:
    """Returns the whole frame, its mirror image and three crops of the network's aspect ratio."""
    whole = Crop(0, 0, width_px, height_px)
    width = min(round(CROP_SHARE * width_px), round(height_px * aspect))
    height = min(height_px, round(width / aspect))
    top = (height_px - height) // 2
    lefts = (0, (width_px - width) // 2, width_px - width)
    crops = [Crop(left, top, width, height, k == 1) for k, left in enumerate(lefts)]
    return [whole, replace(whole, is_mirrored=True), *crops]


def opinion(network: nn.Module, config: CompactConfig, rgb: NDArray[np.uint8]) -> Opinion:
    """Asks a compact network about all views; rgb: as `reduced` returns it."""
    height, width = rgb.shape[:2]
    crops = views_of(width, height, config.width_px / config.height_px)
    half = height // 2, width // 2
    total = np.zeros((len(config.classes), *half), np.float32)
    sums = np.zeros((3, *half), np.float32)  # of views, logarithms, their squares
    weight = np.zeros(half, np.float32)
    found: list[Guesses] = []
    for crop in crops:
        probabilities, log_depth, boxes = predicted(network, config, rgb, crop)
        rows = slice(crop.top // 2, crop.top // 2 + probabilities.shape[1])
        columns = slice(crop.left // 2, crop.left // 2 + probabilities.shape[2])
        total[:, rows, columns] += probabilities
        weight[rows, columns] += 1
        known = np.isfinite(log_depth)
        filled = np.where(known, log_depth, 0)
        sums[:, rows, columns] += np.stack([known, filled, filled**2])
        found.append(boxes)
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = sums[1] / sums[0]
        deviation = np.sqrt(np.maximum(sums[2] / sums[0] - mean**2, 0))
    covered = [(c.left, c.top, c.left + c.width, c.top + c.height) for c in crops]
    together = merged(found, covered, assumed_camera(width, height))
    probabilities = np.asarray(total / weight, np.float32)
    return Opinion(probabilities, mean.astype(np.float32), deviation.astype(np.float32), together)


def predicted(
    network: nn.Module, config: CompactConfig, rgb: NDArray[np.uint8], crop: Crop
) -> tuple[Maps, Maps, Guesses]:
    """Returns probabilities and ln depth of one view at half its size, and boxes in the optical
    frame of the whole image."""
    frame = view_of(rgb, crop)
    letterbox = Letterbox(crop.width, crop.height, config.width_px, config.height_px)
    with torch.inference_mode():
        late, _ = network(normalised(torch.from_numpy(letterbox.to_network(frame.rgb))[None]))
        decoded = {
            key: value[0].numpy()
            for name in ('depth', 'boxes3d')
            for key, value in task_of(name, config).dense_decode(late[name], config).items()
        }
        probabilities = late['semantic'].softmax(1)[0].numpy()
    coarse = replace(letterbox, output_scale=0.5)
    fine = np.stack([coarse.to_camera(p, smooth=True) for p in probabilities])
    depth_m = coarse.to_camera(decoded['depth'], smooth=True)
    log_depth = np.log(np.where(depth_m >= config.max_m, config.max_m * BEYOND, depth_m))
    log_depth += np.log(camera_scale(frame, letterbox, config.focal_px))
    scores, code = (decoded[name] for name in OUTPUTS)
    boxes = guesses_from(decode_centers(scores, code, options_of(config), letterbox, frame))
    if crop.is_mirrored:
        return fine[:, :, ::-1], log_depth[:, ::-1], mirrored(boxes)
    return fine, log_depth, boxes


def view_of(rgb: NDArray[np.uint8], crop: Crop) -> CameraFrame:
    """Cuts out a view, with the intrinsics of the assumed camera for that part."""
    part = rgb[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    part = np.ascontiguousarray(part[:, ::-1] if crop.is_mirrored else part)
    whole = assumed_camera(rgb.shape[1], rgb.shape[0])
    left = rgb.shape[1] - crop.width - crop.left if crop.is_mirrored else crop.left
    camera = replace(
        whole,
        width_px=crop.width,
        height_px=crop.height,
        cx_px=whole.cx_px - left,
        cy_px=whole.cy_px - crop.top,
    )
    return CameraFrame(part, camera, 0, 'camera_optical')


def options_of(config: CompactConfig) -> CenterOptions:
    return CenterOptions(
        config.box_classes,
        config.box_stride_px,
        config.focal_px,
        config.min_score,
        config.max_boxes,
        config.max_m,
    )


def street_opinion(teacher: nn.Module, rgb: NDArray[np.uint8]) -> Opinion:
    """Asks `training.networks.espnetv2` for labels at two sizes, one of them mirrored."""
    height, width = rgb.shape[:2]
    half = height // 2, width // 2
    total = torch.zeros(1, len(CITYSCAPES_19), *half)
    for number, long_px in enumerate(STREET_SIZES_PX):
        size = [
            max(32, 32 * round(long_px * s / max(height, width) / 32)) for s in (height, width)
        ]
        image = normalised(torch.from_numpy(cv2.resize(rgb, size[::-1]))[None])
        image = image.flip(3) if number else image
        with torch.inference_mode():
            logits: Tensor = teacher(image)[:, : len(CITYSCAPES_19)]
        probabilities = F.interpolate(logits.softmax(1), half, mode='bilinear')
        total += probabilities.flip(3) if number else probabilities
    return Opinion((total[0] / len(STREET_SIZES_PX)).numpy())
