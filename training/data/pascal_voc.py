"""Pascal VOC: SegmentationClass with palette or colour PNGs, else the boxes of Annotations.

    JPEGImages/ID.jpg  SegmentationClass/ID.png  Annotations/ID.xml  [labelmap.txt]
    ImageSets/{Segmentation,Main}/{train,val}.txt

Without labelmap.txt, which CVAT writes, ids mean VOC's 21 classes, or --classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mtscene_ros.datasets.classes import PASCAL_21
from mtscene_ros.datasets.label_files import DataError, folder_of, lines_of, read_indices
from mtscene_ros.models.spec import MALFORMED, brief
from mtscene_ros.terminal import plural
from training.data.drawing import DrawOptions, Mask, Size, box_mask
from training.data.image_search import SUFFIXES, rgb_as_annotated
from training.data.manifest_writer import Account, LabelledFrame
from training.data.mask_folders import VOID, Key, ids_of, read_table
from training.data.shapes import AnnotatedImage, Found, Shape, checked_size, drawn_frames
from training.data.xml_files import Element, read_xml

SETS = ('Segmentation', 'Main')


def voc_frames(source: Path, options: DrawOptions, account: Account) -> Found:
    """source: the folder that holds JPEGImages. Raises DataError."""
    folder_of(source, 'JPEGImages and SegmentationClass or Annotations')
    splits = splits_of(source)
    if not (source / 'SegmentationClass').is_dir():
        return boxes_of(source, splits, options, account)
    table: dict[Key, str] = dict(enumerate(c.name for c in PASCAL_21))
    if (source / 'labelmap.txt').is_file():
        table = read_table(source / 'labelmap.txt')
    elif options.classes:
        table = dict(enumerate(options.classes))
    names = [n for n in dict.fromkeys(table.values()) if n.lower() not in VOID]
    return names, masks_of(source, splits, names, table, account)


def splits_of(source: Path) -> dict[str, str]:
    """Returns id → split, '' where no list says. Raises DataError."""
    found: dict[str, str] = {}
    for split in ('train', 'val', 'test'):
        paths = [source / 'ImageSets' / each / f'{split}.txt' for each in SETS]
        for path in paths:
            if path.is_file() and path.stat().st_size:
                found |= {line.split()[0]: split for line in lines_of(path)}
                break
    return found


def masks_of(
    source: Path,
    splits: dict[str, str],
    names: list[str],
    table: dict[Key, str],
    account: Account,
) -> Iterator[LabelledFrame]:
    strange: dict[Key, int] = {}
    bare = []
    for path in sorted((source / 'SegmentationClass').glob('*.png')):
        image = image_of(source, path.stem)
        if image is None:
            bare.append(path.name)
            continue
        mask = read_indices(path)
        labels = ids_of(mask, names, table, strange, path, account)
        rgb = rgb_as_annotated(image, (mask.shape[0], mask.shape[1]))
        yield LabelledFrame(path.stem, rgb, labels=labels, split=splits.get(path.stem, ''))
    if bare:
        account.remark(
            f'{plural(len(bare), "mask")} without an image left out, such as {bare[0]}.'
        )
    if strange:
        pixels = plural(sum(strange.values()), 'pixel')
        account.remark(f'{pixels} stay unknown: no name for {sorted(strange, key=str)[:5]}.')


def image_of(source: Path, name: str) -> Path | None:
    found = ((source / 'JPEGImages' / name).with_name(name + suffix) for suffix in SUFFIXES)
    return next((path for path in found if path.is_file()), None)


def boxes_of(
    source: Path, splits: dict[str, str], options: DrawOptions, account: Account
) -> Found:
    """Raises DataError."""
    images = []
    for path in sorted((source / 'Annotations').glob('*.xml')):
        root = read_xml(path)
        try:
            size = checked_size(root.findtext('size/width'), root.findtext('size/height'))
            shapes = [box_of(e) for e in root.iterfind('object')]
            name = str(root.findtext('filename') or f'{path.stem}.jpg')
        except MALFORMED as error:
            raise DataError(f'{path} is not an annotation of VOC ({brief(error)}).') from None
        images.append(
            AnnotatedImage(f'JPEGImages/{name}', size, shapes, splits.get(path.stem, ''))
        )
    if not images:
        raise DataError(f'{source} has neither SegmentationClass nor Annotations/*.xml.')
    return drawn_frames(source, images, None, options, account)


def box_of(e: Element) -> Shape:
    """VOC counts pixels from 1, and the last one belongs to the box."""
    edges = [float(str(e.findtext(f'bndbox/{k}'))) for k in ('xmin', 'ymin', 'xmax', 'ymax')]

    def draw(size: Size) -> Mask:
        return box_mask(edges[0] - 1, edges[1] - 1, edges[2], edges[3], size)

    return Shape(str(e.findtext('name')), draw, is_box=True)
