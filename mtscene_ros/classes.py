"""Class tables of the data sets we train on: id, name, colour. At run time classes come from the
model file."""

from __future__ import annotations

from mtscene_ros.types import SemanticClass


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
