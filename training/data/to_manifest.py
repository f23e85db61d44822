"""Converts recordings and annotations of other formats to a folder with a manifest.

python -m training.data.to_manifest bag drive.mcap out --image /camera/image_raw --every 10
python -m training.data.to_manifest coco instances.json out --images photos
python -m training.data.to_manifest label_studio export.json out --images photos
python -m training.data.to_manifest kitti KITTI out --layout kitti_tracking --split 0001
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

from mtscene_ros.datasets.annotations import write_boxes, write_depth, write_image
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.datasets.label_files import DataError, read_rgb
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.recordings.bags import open_bag
from mtscene_ros.recordings.class_names import classes_of
from mtscene_ros.recordings.node_results import (
    camera_info_topic,
    color_images,
    pixels,
    result_of,
    stamp_ns_of,
)
from mtscene_ros.terminal import plural
from mtscene_ros.types import UNLABELED, Boxes3D, DepthMap, Intrinsics, LabelMap
from training.data import DATASETS
from training.data.masks import coco_frames, label_studio_frames
from training.data.sample import Sample

VAL_EVERY = 5  # every fifth frame belongs to `val`


@dataclass(slots=True, eq=False)
class LabelledFrame:
    """One frame with everything that is known about it."""

    name: str
    rgb: NDArray[np.uint8]
    intrinsics: Intrinsics | None = None
    labels: NDArray[np.uint8] | None = None
    depth_m: NDArray[np.float32] | None = None
    boxes: Boxes3D | None = None


@dataclass(slots=True)
class Writer:
    """Writes the files of a manifest's folder; `finish` writes the manifest itself."""

    folder: Path
    semantic: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)

    def add(self, found: LabelledFrame) -> None:
        split = 'val' if len(self.frames) % VAL_EVERY == VAL_EVERY - 1 else 'train'
        frame: dict[str, Any] = {'image': f'images/{found.name}.png', 'split': split}
        self.image(frame['image'], found.rgb[:, :, ::-1])
        if found.intrinsics is not None:
            camera = found.intrinsics
            values = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
            names = ('fx_px', 'fy_px', 'cx_px', 'cy_px')
            frame['camera'] = {n: float(v) for n, v in zip(names, values, strict=True)}
        if found.labels is not None:
            frame['semantic'] = f'semantic/{found.name}.png'
            self.image(frame['semantic'], found.labels)
        if found.depth_m is not None:
            frame['depth'] = f'depth/{found.name}.npy'
            write_depth(found.depth_m, self.path(frame['depth']))
        if found.boxes is not None:
            frame['boxes3d'] = f'boxes3d/{found.name}.json'
            write_boxes(found.boxes, self.path(frame['boxes3d']))
            names_of_boxes = [c.name for c in found.boxes.classes]
            self.boxes += [n for n in names_of_boxes if n not in self.boxes]
        self.frames.append(frame)

    def path(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def image(self, name: str, values: NDArray[Any]) -> None:
        write_image(self.path(name), values)

    def finish(self) -> Path:
        """Writes the manifest and returns its path. Raises DataError if there are no frames."""
        if not self.frames:
            raise DataError('Found no frame to convert; check topics and paths.')
        found = {'semantic': self.semantic, 'boxes3d': self.boxes, 'frames': self.frames}
        path = self.folder / 'manifest.yaml'
        text = yaml.safe_dump({k: v for k, v in found.items() if v}, sort_keys=False)
        write_text(path, text)
        return path


def bag_frames(path: Path, options: argparse.Namespace, writer: Writer) -> Iterator[LabelledFrame]:
    """Yields images with the labels, depths and boxes of the same stamp. Raises DataError."""
    with open_bag(path) as bag:
        image = options.image or next(iter(color_images(bag)), '')
        if image not in bag.topics:
            raise DataError(
                f'{path} has no topic {image!r}; it has {", ".join(sorted(bag.topics))}.'
            )
        parts = {'semantic': options.labels, 'depth': options.depth, 'boxes3d': options.boxes}
        parts = {task: topic for task, topic in parts.items() if topic}
        info = options.camera_info or camera_info_topic(image)
        stamps, camera, writer.semantic = scan_bag(bag, image, info, options.label_info)
        # Holds only incomplete frames, so that long recordings fit into memory.
        waiting: dict[int, dict[str, Any]] = {t: {} for t in sorted(stamps)[:: options.every]}
        topics = (image, *parts.values())
        for connection, _, raw in bag.messages([c for c in bag.connections if c.topic in topics]):
            stamp_ns = stamp_ns_of(bag, raw)
            if stamp_ns in waiting:
                messages = waiting[stamp_ns]
                messages[connection.topic] = bag.deserialize(raw, connection.msgtype)
                if len(messages) == len(topics):
                    yield bag_frame(stamp_ns, waiting.pop(stamp_ns), image, parts, camera)
        for stamp_ns, messages in waiting.items():
            if image in messages:
                yield bag_frame(stamp_ns, messages, image, parts, camera)


def scan_bag(
    bag: AnyReader, image: str, info: str, label_info: str
) -> tuple[set[int], Intrinsics | None, list[str]]:
    """Returns the stamps of the images, the camera, and the names of the classes."""
    stamps: set[int] = set()
    camera: Intrinsics | None = None
    classes: list[str] = []
    topics = (image, info, label_info)
    for connection, _, raw in bag.messages([c for c in bag.connections if c.topic in topics]):
        if connection.topic == image:
            stamps.add(stamp_ns_of(bag, raw))
        elif connection.topic == info:
            camera = camera or intrinsics_of(bag.deserialize(raw, connection.msgtype))
        else:
            classes = [c.name for c in classes_of(bag.deserialize(raw, connection.msgtype))]
    return stamps, camera, classes


def bag_frame(
    stamp_ns: int,
    messages: dict[str, Any],
    image: str,
    parts: dict[str, str],
    camera: Intrinsics | None,
) -> LabelledFrame:
    found = LabelledFrame(str(stamp_ns), pixels(messages[image]), camera)
    for task, topic in parts.items():
        if topic in messages:
            result = result_of(task, messages[topic], ())
            if isinstance(result, LabelMap):
                found.labels = np.minimum(result.labels, UNLABELED).astype(np.uint8)
            elif isinstance(result, DepthMap):
                found.depth_m = result.depth_m
            elif isinstance(result, Boxes3D):
                found.boxes = result
    return found


def intrinsics_of(info: Any) -> Intrinsics | None:
    """Returns the intrinsics; None if the camera is not calibrated."""
    if not info.k[0] > 0:
        return None
    return Intrinsics(info.width, info.height, info.k[0], info.k[4], info.k[2], info.k[5])


def kitti_frames(folder: Path, layout: str, split: str) -> Iterator[LabelledFrame]:
    data_set = DATASETS[layout]
    for name in data_set.names(folder, split):
        sample = data_set.read(folder, name)
        has_depth = bool(np.isfinite(sample.depth_m).any())
        yield LabelledFrame(
            name.replace('/', '_'),
            sample.rgb,
            sample.intrinsics,
            depth_m=sample.depth_m if has_depth else None,
            boxes=drive_boxes(sample),
        )


def drive_boxes(sample: Sample) -> Boxes3D:
    assert sample.quaternions_xyzw is not None
    scores = np.ones(len(sample.class_ids), np.float32)
    turned = sample.quaternions_xyzw
    return Boxes3D(sample.class_ids, scores, sample.centers_m, sample.sizes_m, turned, DRIVE_BOXES)


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest='kind', required=True)
    for kind in ('bag', 'coco', 'label_studio', 'kitti'):
        sub = kinds.add_parser(kind)
        sub.add_argument('source', type=Path)
        sub.add_argument('out', type=Path)
        if kind in ('coco', 'label_studio'):
            sub.add_argument('--images', type=Path, required=True, help='folder of the images')
            sub.add_argument(
                '--classes',
                nargs='+',
                help="class names in order of their ids; default: the file's",
            )
        if kind == 'kitti':
            sub.add_argument(
                '--layout', choices=('kitti_object', 'kitti_tracking'), default='kitti_object'
            )
            sub.add_argument('--split', default='all')
        if kind == 'bag':
            sub.add_argument('--every', type=int, default=1, help='take every n-th image')
            for topic in ('image', 'camera-info', 'labels', 'label-info', 'depth', 'boxes'):
                sub.add_argument(f'--{topic}', default='', help='topic')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> Path:
    """Returns the manifest's path."""
    options = options_from(arguments)
    writer = Writer(options.out)
    if options.kind == 'bag':
        for found in bag_frames(options.source, options, writer):
            writer.add(found)
    elif options.kind == 'kitti':
        for found in kitti_frames(options.source, options.layout, options.split):
            writer.add(found)
    else:
        read = coco_frames if options.kind == 'coco' else label_studio_frames
        writer.semantic, masks = read(options.source, options.images, options.classes)
        for path, labels in masks:
            writer.add(LabelledFrame(path.stem, read_rgb(path), labels=labels))
    path = writer.finish()
    count = len(writer.frames)
    print(
        f'{path}: {plural(count, "frame")}; check the folder with '
        f'`python -m training.check_data manifest {path}`'
    )
    return path


if __name__ == '__main__':
    main()
