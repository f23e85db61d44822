"""Letterboxing, and augmentation that keeps image, intrinsics, depth and boxes consistent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.geometry import matrix_from_quaternion, quaternion_from_matrix
from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.types import Intrinsics
from training.data.sample import Sample, changed_maps

MIRROR = np.array([-1.0, 1.0, 1.0], np.float32)
ASPECTS = (1.2, 3.6)  # of crops with another aspect: from 4:3 cameras to wide ones (KITTI: 3.3)


def augmented(sample: Sample, width_px: int, height_px: int, rng: np.random.Generator) -> Sample:
    """Crops at random, letterboxes to network size, flips at random and changes the colours."""
    sample = letterboxed(random_crop(sample, width_px / height_px, rng), width_px, height_px)
    if rng.random() < 0.5:
        sample = flipped(sample)
    return replace(sample, rgb=photometric(sample.rgb, rng))


def random_crop(sample: Sample, aspect: float, rng: np.random.Generator) -> Sample:
    """Crops at random. A third of the images stays whole; one in five gets an aspect other than
    the network's."""
    height_px, width_px = sample.labels.shape
    choice = rng.random()
    if choice < 0.33:
        return sample
    if choice > 0.8:
        aspect = float(np.exp(rng.uniform(*np.log(ASPECTS))))
    crop_width = min(width_px, height_px * aspect) * rng.uniform(0.6, 1.0)
    size = max(1, round(crop_width)), max(1, round(crop_width / aspect))
    left = int(rng.integers(width_px - size[0] + 1))
    top = int(rng.integers(height_px - size[1] + 1))
    return cropped(sample, left, top, *size)


def cropped(sample: Sample, left: int, top: int, width_px: int, height_px: int) -> Sample:
    window = slice(top, top + height_px), slice(left, left + width_px)
    camera = sample.intrinsics
    moved = replace(
        camera,
        width_px=width_px,
        height_px=height_px,
        cx_px=camera.cx_px - left,
        cy_px=camera.cy_px - top,
    )
    shift_px = np.array([left, top] * 2)
    bounds_px = np.array([width_px, height_px] * 2) - 1
    bbox_px = sample.bbox_px
    return replace(
        sample,
        rgb=sample.rgb[window],
        intrinsics=moved,
        bbox_px=None if bbox_px is None else np.clip(bbox_px - shift_px, 0, bounds_px),
        **changed_maps(sample, lambda _, values, unknown: values[window]),
    )


def letterboxed(sample: Sample, width_px: int, height_px: int) -> Sample:
    """Fits a sample to network size exactly as `Letterbox` does on the robot. Padding is
    unlabelled and its depth unknown."""
    letterbox = Letterbox(
        sample.intrinsics.width_px, sample.intrinsics.height_px, width_px, height_px
    )
    if letterbox.scale == 1.0 and sample.labels.shape == (height_px, width_px):
        return sample
    camera = sample.intrinsics
    center = letterbox.points_to_network(np.array([[camera.cx_px, camera.cy_px]]))[0]
    focal_px = np.array([camera.fx_px, camera.fy_px]) * letterbox.scales
    intrinsics = Intrinsics(width_px, height_px, *focal_px.tolist(), *center.tolist())

    def fitted(name: str, values: NDArray[Any], unknown: float) -> NDArray[Any]:
        if name == 'boundary':
            return padded_boundary(values, letterbox)
        return padded(values, letterbox, unknown)

    bbox_px = sample.bbox_px
    if bbox_px is not None:
        bbox_px = letterbox.points_to_network(bbox_px.reshape(-1, 2)).reshape(-1, 4)
    return replace(
        sample,
        rgb=letterbox.to_network(np.ascontiguousarray(sample.rgb)),
        intrinsics=intrinsics,
        bbox_px=bbox_px,
        **changed_maps(sample, fitted),
    )


def padded(
    values: NDArray[Any],
    letterbox: Letterbox,
    padding: float,
    interpolation: int = cv2.INTER_NEAREST_EXACT,
) -> NDArray[Any]:
    """Resizes and pads a map into the letterbox."""
    size = (letterbox.inner_width_px, letterbox.inner_height_px)
    shape = (letterbox.network_height_px, letterbox.network_width_px, *values.shape[2:])
    out = np.full(shape, padding, values.dtype)
    rows = slice(letterbox.top_px, letterbox.top_px + size[1])
    columns = slice(letterbox.left_px, letterbox.left_px + size[0])
    inner = cv2.resize(np.ascontiguousarray(values), size, interpolation=interpolation)
    out[rows, columns] = inner
    return out


def padded_boundary(boundary: NDArray[np.uint8], letterbox: Letterbox) -> NDArray[np.uint8]:
    """Like `padded`, but a line one pixel wide stays connected when the image shrinks."""
    out = padded(boundary, letterbox, 255)
    if letterbox.scale < 1:
        share = padded((boundary == 1).astype(np.float32), letterbox, 0.0, cv2.INTER_AREA)
        out[share >= letterbox.scale / 2] = 1
    return out


def flipped(sample: Sample) -> Sample:
    """Mirrors left to right: u → W - 1 - u, X → -X, heading (cos, 0, -sin) → (-cos, 0, -sin)."""
    camera = sample.intrinsics

    def mirrored(name: str, values: NDArray[Any], unknown: float) -> NDArray[Any]:
        turned = np.ascontiguousarray(values[:, ::-1])
        return turned * MIRROR if name == 'normals' else turned

    quaternions, bbox_px = sample.quaternions_xyzw, sample.bbox_px
    return replace(
        sample,
        rgb=np.ascontiguousarray(sample.rgb[:, ::-1]),
        intrinsics=replace(camera, cx_px=camera.width_px - 1 - camera.cx_px),
        centers_m=sample.centers_m * MIRROR,
        yaw_rad=np.pi - sample.yaw_rad,
        quaternions_xyzw=None if quaternions is None else mirrored_turns(quaternions),
        bbox_px=None if bbox_px is None else mirrored_boxes(bbox_px, camera.width_px),
        **changed_maps(sample, mirrored),
    )


def mirrored_boxes(bbox_px: NDArray[np.float64], width_px: int) -> NDArray[np.float64]:
    out = bbox_px.copy()
    out[:, [0, 2]] = width_px - 1 - bbox_px[:, [2, 0]]
    return out


def mirrored_turns(quaternions_xyzw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mirrors optical_from_box: X of the camera and y of the box (its left) change sign, so that
    headings stay headings and up stays up."""
    rotation = matrix_from_quaternion(quaternions_xyzw)
    return quaternion_from_matrix(np.diag(MIRROR) @ rotation @ np.diag([1.0, -1.0, 1.0]))


def photometric(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Changes contrast, brightness, gamma, white balance and saturation; sometimes adds blur and
    noise."""
    levels = np.arange(256) / 255
    gain = rng.uniform(0.75, 1.3) * rng.uniform(0.93, 1.07, 3)
    curve = (levels[:, None] ** rng.uniform(0.75, 1.35) - 0.5) * gain
    curve += 0.5 + rng.uniform(-0.1, 0.1)
    table = np.clip(curve * 255, 0, 255).astype(np.uint8)  # (256, 3)
    out = np.asarray(cv2.LUT(rgb, table[None]), np.uint8)
    if rng.random() < 0.7:
        gray = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        weight = rng.uniform(0.3, 1.5)
        out = np.asarray(cv2.addWeighted(out, weight, gray, 1 - weight, 0), np.uint8)
    if rng.random() < 0.2:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.2)), np.uint8)
    if rng.random() < 0.3:
        noise = np.empty(out.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, np.zeros(3), np.full(3, rng.uniform(1, 8)))
        out = np.asarray(cv2.add(out, noise, dtype=cv2.CV_8U), np.uint8)
    return out
