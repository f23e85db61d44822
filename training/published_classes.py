"""Class tables of the published data sets, in the order of the checkpoints' channels."""

from __future__ import annotations

from mtscene_ros.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.types import SemanticClass


def voc_color(index: int) -> tuple[int, int, int]:
    """Colour map of PASCAL VOC: the index's bits, dealt in turn to red, green and blue, high bits
    first."""
    red = green = blue = 0
    for shift in range(7, -1, -1):
        red |= (index & 1) << shift
        green |= (index >> 1 & 1) << shift
        blue |= (index >> 2 & 1) << shift
        index >>= 3
    return red, green, blue


def table(names: str, first_color: int = 0) -> tuple[SemanticClass, ...]:
    """names: comma-separated, in the order of their ids."""
    listed = names.split(', ')
    return tuple(SemanticClass(i, n, voc_color(i + first_color)) for i, n in enumerate(listed))


NYUD_40 = table(
    'wall, floor, cabinet, bed, chair, sofa, table, door, window, bookshelf, picture, counter, '
    'blinds, desk, shelves, curtain, dresser, pillow, mirror, floor mat, clothes, ceiling, books, '
    'refrigerator, television, paper, towel, shower curtain, box, whiteboard, person, '
    'night stand, toilet, sink, lamp, bathtub, bag, other structure, other furniture, other prop',
    first_color=1,
)
PASCAL_21 = table(
    'background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, dining table, '
    'dog, horse, motorbike, person, potted plant, sheep, sofa, train, tv monitor'
)
HUMAN_PARTS_7 = table('background, head, torso, upper arm, lower arm, upper leg, lower leg')

# By the number of channels that a network predicts.
SEMANTIC = {40: NYUD_40, 21: PASCAL_21, 19: CITYSCAPES_19}
CITYSCAPES_BOXES = DRIVE_BOXES[:6]
