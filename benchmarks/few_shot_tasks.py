"""The tasks of benchmarks/few_shot.py: frames that teach, and frames that are asked for.

Frames of a recording that teach come from its first part, those that are asked for from its last.
Nothing of them was seen in meta-training, whose episodes have no heights either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from mtscene_ros.datasets.annotations import read_depth, write_image
from mtscene_ros.datasets.classes import CAMVID
from mtscene_ros.datasets.label_files import read_rgb, typical_camera
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.types import UNLABELED
from mtscene_ros.worlds import FRAMES
from training.data import camvid
from training.data.augment import letterboxed
from training.data.kitti_samples import KittiTracking
from training.data.sample import Sample, blank
from training.data.worlds import sample_from_world

WIDTH_PX, HEIGHT_PX = 512, 256
MOST_SHOWN = 20
FAR_M = 60.0
NAME = 'task'  # of the own task in every manifest

Outputs = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class FewShotTask:
    """manifest: of the frames that teach, spread ones first; shown: how many there are; asked:
    others, at the network's size; classes: () for a number per pixel; distance: a number that is
    scored as depth is."""

    name: str
    manifest: Path
    shown: int
    asked: Sequence[Sample]
    classes: tuple[str, ...] = ()
    distance: bool = False

    def scores(self, outputs: Sequence[Outputs]) -> dict[str, Any]:
        truths = np.stack([sample.maps[NAME] for sample in self.asked])
        if self.classes:
            found = at_full_size([output[f'{NAME}_labels'] for output in outputs])
            return class_scores(found, truths, self.classes)
        found = at_full_size([output[NAME] for output in outputs]).astype(np.float64)
        known = np.isfinite(truths)
        if self.distance:
            known &= (truths > 0) & (truths <= FAR_M)
            return {'abs_rel': round(float(np.mean(np.abs(found / truths - 1)[known])), 4)}
        error = np.abs(found - truths)[known].mean()
        spread = np.abs(truths[known] - np.median(truths[known])).mean()
        return {'error_by_median': round(float(error / spread), 4)}


def at_full_size(maps: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """(1, h, w) each, of adapted networks at half the size of the input → (N, H, W)."""
    size = WIDTH_PX, HEIGHT_PX
    labels = maps[0].dtype == np.uint8
    how = cv2.INTER_NEAREST_EXACT if labels else cv2.INTER_LINEAR
    return np.stack([cv2.resize(one[0], size, interpolation=how) for one in maps])


def class_scores(
    found: NDArray[Any], truths: NDArray[np.uint8], classes: tuple[str, ...]
) -> dict[str, Any]:
    """IoU of each class against the rest in per cent, and the mean over those in the truth."""
    known = truths != UNLABELED
    iou = {}
    for number, name in enumerate(classes):
        one, other = (found == number) & known, truths == number
        if other.any():
            iou[name] = round(100 * float((one & other).sum() / (one | other).sum()), 1)
    return {'miou': round(float(np.mean(list(iou.values()))), 1), 'iou': iou}


def spread_order(count: int) -> list[int]:
    """0 to count - 1, so that the first few are spread whatever their number (van der Corput,
    1935): the middle, the quarters, the eighths and so on."""
    steps = [1 / 2**level * (k + 0.5) for level in range(12) for k in range(2**level)]
    return list(dict.fromkeys(int(step * count) for step in steps))


def written(folder: Path, samples: Sequence[Sample], classes: tuple[str, ...]) -> Path:
    """A manifest of frames with one own map."""
    rows = []
    for number, sample in enumerate(samples):
        image = f'{number}.png'
        write_image(folder / image, sample.rgb[:, :, ::-1])
        values = sample.maps[NAME]
        name = f'{number}_map.png' if classes else f'{number}_map.npy'
        if classes:
            write_image(folder / name, values)
        else:
            np.save(folder / name, values.astype(np.float32))
        rows.append({'image': image, 'maps': {NAME: name}})
    about: dict[str, Any] = {'classes': list(classes)} if classes else {}
    text = yaml.safe_dump({'maps': {NAME: about}, 'frames': rows})
    write_text(folder / 'manifest.yaml', text)
    return folder / 'manifest.yaml'


def task_from(
    folder: Path,
    shown: Sequence[Sample],
    asked: Sequence[Sample],
    classes: tuple[str, ...] = (),
    distance: bool = False,
) -> FewShotTask:
    """shown: in the order of a recording."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = np.linspace(0, len(shown) - 1, min(MOST_SHOWN, len(shown))).round().astype(int)
    spread = [shown[chosen[k]] for k in spread_order(len(chosen))]
    path = written(folder, spread, classes)
    fitted = [letterboxed(sample, WIDTH_PX, HEIGHT_PX) for sample in asked]
    return FewShotTask(folder.name, path, len(spread), fitted, classes, distance)


def with_map(sample: Sample, values: NDArray[Any]) -> Sample:
    return replace(sample, maps={NAME: values})


def street(data: Path, folder: Path) -> FewShotTask | None:
    """CamVid's 11 classes; every fourth frame of val is asked for."""
    if not (data / 'camvid').is_dir():
        return None
    shown, asked = (
        [camvid.read(data / 'camvid', name) for name in camvid.names(data / 'camvid', split)[::by]]
        for split, by in (('train', 6), ('val', 4))
    )
    pairs = [[with_map(sample, sample.labels) for sample in part] for part in (shown, asked)]
    return task_from(folder, pairs[0], pairs[1], tuple(one.name for one in CAMVID))


def lidar(data: Path, folder: Path) -> FewShotTask | None:
    """Distance along z of KITTI's LiDAR points, which every third of 31 frames has."""
    kitti = data / 'kitti_tracking_0001'
    if not kitti.is_dir():
        return None
    reader = KittiTracking()
    samples = [reader.read(kitti, name) for name in reader.names(kitti, '0001')]
    ranges = [
        with_map(sample, sample.depth_m) for sample in samples if np.isfinite(sample.depth_m).any()
    ]
    half = (len(ranges) + 1) // 2
    return task_from(folder, ranges[:half], ranges[half:], distance=True)


def room_walk(name: str, data: Path, folder: Path) -> FewShotTask | None:
    """Distance along z of an RGB-D camera's walk through one room."""
    walk = data / 'rgbd_rooms' / name
    if not walk.is_dir():
        return None
    paths = sorted((walk / 'rgb').iterdir())
    first, last = paths[: len(paths) * 6 // 10], paths[len(paths) * 7 // 10 :]
    shown = [depth_sample(walk, path) for path in first[:: max(1, len(first) // 40)]]
    asked = [depth_sample(walk, path) for path in last[::4]]
    return task_from(folder, shown, asked, distance=True)


def depth_sample(walk: Path, path: Path) -> Sample:
    rgb = read_rgb(path)
    depth_m = read_depth(walk / 'depth' / f'{path.stem}.png', 1000.0)
    size = (rgb.shape[1], rgb.shape[0])
    depth_m = cv2.resize(depth_m, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return with_map(blank(rgb, typical_camera((rgb.shape[0], rgb.shape[1]))), depth_m)


def heights(world: str, data: Path, folder: Path) -> FewShotTask | None:
    """Metres above the camera's height of what a generated scene shows, up to 20 m away."""
    shown, asked = (
        [height_sample(world, seed, k) for k in range(count)]
        for seed, count in ((905, MOST_SHOWN), (906, 12))
    )
    return task_from(folder, shown, asked)


def height_sample(world: str, seed: int, number: int) -> Sample:
    sample = sample_from_world(FRAMES[world](seed, number, WIDTH_PX, HEIGHT_PX))
    rows = np.arange(HEIGHT_PX)[:, None]
    camera = sample.intrinsics
    up_m = (camera.cy_px - rows) / camera.fy_px * sample.depth_m
    near = np.isfinite(sample.depth_m) & (sample.depth_m < 20)
    return with_map(sample, np.where(near, up_m, np.nan).astype(np.float32))


Build = Callable[[Path, Path], FewShotTask | None]
TASKS: dict[str, Build] = {
    'camvid': street,
    'kitti_lidar': lidar,
    'kitchen_depth': partial(room_walk, 'kitchen_7scenes'),
    'office_depth': partial(room_walk, 'office_hololens'),
    'room_height': partial(heights, 'room'),
    'drive_height': partial(heights, 'drive'),
}
