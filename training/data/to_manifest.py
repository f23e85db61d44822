"""Converts recordings and annotations of other formats to a folder with a manifest.

python -m training.data.to_manifest bag drive.mcap out --image /camera/image_raw --every 10
python -m training.data.to_manifest coco instances.json out --images photos
python -m training.data.to_manifest label_studio export.json out --images photos
python -m training.data.to_manifest masks labels out --images photos --table colours.txt
python -m training.data.to_manifest yolo data.yaml out --images data_set
python -m training.data.to_manifest cvat annotations.xml out --images photos
python -m training.data.to_manifest labelme photos out
python -m training.data.to_manifest voc VOC2012 out
python -m training.data.to_manifest supervisely project out
python -m training.data.to_manifest kitti KITTI out --layout kitti_tracking --split 0001
python -m training.data.to_manifest nuscenes NUSCENES out --version v1.0-mini --channel CAM_FRONT
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mtscene_ros.cli.arguments import positive
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.terminal import plural
from mtscene_ros.types import Boxes3D
from training.data import DATASETS
from training.data.bag_frames import bag_frames
from training.data.coco_masks import coco_frames
from training.data.cvat import cvat_frames
from training.data.drawing import DrawOptions
from training.data.label_studio import label_studio_frames
from training.data.labelme import labelme_frames
from training.data.manifest_writer import Account, LabelledFrame, Writer
from training.data.mask_folders import mask_frames
from training.data.nuscenes import nuscenes_frames
from training.data.pascal_voc import voc_frames
from training.data.sample import Sample
from training.data.supervisely import supervisely_frames
from training.data.yolo import yolo_frames

Found = tuple[list[str], Iterator[LabelledFrame]]
# Kind of source → reader of the class names and the frames.
DRAWN: dict[str, Callable[[Path, DrawOptions, Account], Found]] = {
    'coco': coco_frames,
    'label_studio': label_studio_frames,
    'masks': mask_frames,
    'voc': voc_frames,
    'yolo': yolo_frames,
    'cvat': cvat_frames,
    'labelme': labelme_frames,
    'supervisely': supervisely_frames,
}


WITH_IMAGES = ('voc', 'labelme', 'supervisely')  # their images lie in the folder of SOURCE


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
    for kind in ('bag', *DRAWN, 'kitti', 'nuscenes'):
        sub = kinds.add_parser(kind)
        sub.add_argument('source', type=Path)
        sub.add_argument('out', type=Path)
        if kind in DRAWN:
            add_drawing(sub, kind)
    kitti = kinds.choices['kitti']
    layouts = ('kitti_object', 'kitti_tracking')
    kitti.add_argument('--layout', choices=layouts, default='kitti_object')
    kitti.add_argument('--split', default='all')
    nuscenes = kinds.choices['nuscenes']
    nuscenes.add_argument('--version', default='v1.0-trainval', help='folder of the tables')
    nuscenes.add_argument('--channel', default='CAM_FRONT')
    bag = kinds.choices['bag']
    bag.add_argument('--every', type=positive, default=1, help='take every n-th image')
    bag.add_argument(
        '--slop-ms',
        type=float,
        help='largest distance in time of an image and its labels; default: half a period',
    )
    for topic in ('image', 'camera-info', 'labels', 'label-info', 'depth', 'boxes'):
        bag.add_argument(f'--{topic}', default='', help='topic')
    return parser.parse_args(arguments)


def add_drawing(parser: argparse.ArgumentParser, kind: str) -> None:
    is_inside = kind in WITH_IMAGES
    parser.add_argument(
        '--images',
        type=Path,
        required=not is_inside,
        help='folder of the images' + ('; default: SOURCE' if is_inside else ''),
    )
    if kind == 'masks':
        parser.add_argument(
            '--table', type=Path, help='lines "R G B NAME", "NAME:R,G,B" or "ID NAME"'
        )
    parser.add_argument(
        '--classes', nargs='+', help="class names in order of their ids; default: the file's"
    )
    parser.add_argument('--background', metavar='NAME', help='class of what nobody has drawn')
    parser.add_argument(
        '--fill-boxes', action='store_true', help='draw boxes that have no mask as masks'
    )
    parser.add_argument(
        '--predictions',
        action='store_true',
        help="take a model's predictions where nobody has annotated",
    )


def frames_of(options: argparse.Namespace, account: Account) -> Found:
    """Raises DataError."""
    if options.kind == 'bag':
        return bag_frames(options.source, options, account)
    if options.kind == 'kitti':
        return [], kitti_frames(options.source, options.layout, options.split)
    if options.kind == 'nuscenes':
        return [], nuscenes_frames(options.source, options.version, options.channel, account)
    inside = options.source if options.source.is_dir() else options.source.parent
    drawing = DrawOptions(
        options.images or inside,
        options.classes,
        options.fill_boxes,
        options.predictions,
        getattr(options, 'table', None),
    )
    return DRAWN[options.kind](options.source, drawing, account)


def convert(options: argparse.Namespace) -> Path:
    """Returns the manifest's path. Raises DataError."""
    if not options.source.exists():
        raise DataError(f'{options.source} does not exist; give the annotations or the recording.')
    account = Account()
    writer = Writer(options.out, background=getattr(options, 'background', None))
    writer.semantic, frames = frames_of(options, account)
    for found in frames:
        writer.add(found)
    path = writer.finish()
    count = len(writer.frames)
    print(
        f'{path}: {plural(count, "frame")}; check the folder with '
        f'`python -m training.check_data manifest {path}`'
    )
    for sentence in (*account.sentences(), *writer.sentences()):
        print(sentence)
    return path


def main(arguments: list[str] | None = None) -> int:
    options = options_from(arguments)
    try:
        convert(options)
    except (ValueError, OSError) as error:  # DataError, BagError and ImageError among them
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
