"""Class tables of the data sets for training: id, name, colour. At run time the model file gives
the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.types import UNLABELED, SemanticClass


def _table(*rows: tuple[str, int, int, int]) -> tuple[SemanticClass, ...]:
    return tuple(SemanticClass(i, name, (r, g, b)) for i, (name, r, g, b) in enumerate(rows))


# Cityscapes' 19 train ids with the palette of its authors (Cordts et al., CVPR 2016).
CITYSCAPES_19 = _table(
    ('road', 128, 64, 128),
    ('sidewalk', 244, 35, 232),
    ('building', 70, 70, 70),
    ('wall', 102, 102, 156),
    ('fence', 190, 153, 153),
    ('pole', 153, 153, 153),
    ('traffic light', 250, 170, 30),
    ('traffic sign', 220, 220, 0),
    ('vegetation', 107, 142, 35),
    ('terrain', 152, 251, 152),
    ('sky', 70, 130, 180),
    ('person', 220, 20, 60),
    ('rider', 255, 0, 0),
    ('car', 0, 0, 142),
    ('truck', 0, 0, 70),
    ('bus', 0, 60, 100),
    ('train', 0, 80, 100),
    ('motorcycle', 0, 0, 230),
    ('bicycle', 119, 11, 32),
)

# CamVid's 11 classes in SegNet's order (Badrinarayanan et al., 2017), in Cityscapes' colours.
CAMVID = _table(
    ('sky', 70, 130, 180),
    ('building', 70, 70, 70),
    ('pole', 153, 153, 153),
    ('road', 128, 64, 128),
    ('pavement', 244, 35, 232),
    ('tree', 107, 142, 35),
    ('sign', 220, 220, 0),
    ('fence', 190, 153, 153),
    ('car', 0, 0, 142),
    ('pedestrian', 220, 20, 60),
    ('bicyclist', 255, 0, 0),
)

# The six object classes of Cityscapes-3D (Gählert et al., 2020), in its order, and persons.
# Motorcycle and bicycle boxes include their riders.
DRIVE_BOXES = _table(
    ('car', 0, 0, 142),
    ('truck', 0, 0, 70),
    ('bus', 0, 60, 100),
    ('train', 0, 80, 100),
    ('motorcycle', 0, 0, 230),
    ('bicycle', 119, 11, 32),
    ('person', 220, 20, 60),
)


def _voc_color(index: int) -> tuple[int, int, int]:
    """Returns a colour of PASCAL VOC.

    The bits of the index go to red, green and blue in turn, high bits first.
    """
    red = green = blue = 0
    for shift in range(7, -1, -1):
        red |= (index & 1) << shift
        green |= (index >> 1 & 1) << shift
        blue |= (index >> 2 & 1) << shift
        index >>= 3
    return red, green, blue


def _voc_table(names: str, first_color: int = 0) -> tuple[SemanticClass, ...]:
    """Returns a table with VOC's colours; names: separated by commas, in the order of ids."""
    listed = names.split(', ')
    return tuple(SemanticClass(i, n, _voc_color(i + first_color)) for i, n in enumerate(listed))


# The published data sets' classes, in the order of the checkpoints' channels.
NYUD_40 = _voc_table(
    'wall, floor, cabinet, bed, chair, sofa, table, door, window, bookshelf, picture, counter, '
    'blinds, desk, shelves, curtain, dresser, pillow, mirror, floor mat, clothes, ceiling, books, '
    'refrigerator, television, paper, towel, shower curtain, box, whiteboard, person, '
    'night stand, toilet, sink, lamp, bathtub, bag, other structure, other furniture, other prop',
    first_color=1,
)
PASCAL_21 = _voc_table(
    'background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, dining table, '
    'dog, horse, motorbike, person, potted plant, sheep, sofa, train, tv monitor'
)
HUMAN_PARTS_7 = _voc_table('background, head, torso, upper arm, lower arm, upper leg, lower leg')

# The classes of boxes in SUN RGB-D (Song et al., CVPR 2015, section 5), with NYUD_40's colours.
ROOM_BOXES = tuple(
    SemanticClass(i, NYUD_40[k].name, NYUD_40[k].color_rgb)
    for i, k in enumerate((3, 6, 5, 4, 32, 13, 16, 31, 9, 35))
)
FIGURE_BOXES = (SemanticClass(0, 'person', (220, 20, 60)),)

# Each class of CamVid → the classes of CITYSCAPES_19 that it comprises.
CAMVID_11: dict[str, tuple[str, ...]] = {
    'sky': ('sky',),
    'building': ('building', 'wall'),
    'pole': ('pole',),
    'road': ('road',),
    'pavement': ('sidewalk',),
    'tree': ('vegetation', 'terrain'),
    'sign': ('traffic sign', 'traffic light'),
    'fence': ('fence',),
    'car': ('car', 'truck', 'bus', 'train'),
    'pedestrian': ('person',),
    'bicyclist': ('rider', 'bicycle', 'motorcycle'),
}


def camvid_from_cityscapes() -> NDArray[np.uint8]:
    """Returns a (256,) look-up table; classes that CamVid lacks become UNLABELED."""
    ids = {c.name: c.id for c in CITYSCAPES_19}
    table = np.full(256, UNLABELED, np.uint8)
    for number, names in enumerate(CAMVID_11.values()):
        table[[ids[name] for name in names]] = number
    return table
