"""Nothing is known of pixels that the lens did not see."""

import numpy as np
import pytest

from mtscene_ros.camera.rectify import Distortion, Rectifier
from mtscene_ros.camera.unseen import without_unseen
from mtscene_ros.datasets.classes import DRIVE_BOXES
from mtscene_ros.types import (
    Boxes3D,
    CameraFrame,
    DepthMap,
    Intrinsics,
    LabelMap,
    NormalMap,
    ProbabilityMap,
    ValueMap,
)

CAMERA = Intrinsics(8, 4, 4.0, 4.0, 3.5, 1.5)
LEFT = np.repeat([[True, True, False, False, False, False, False, False]], 4, 0)
FRAME = CameraFrame(np.zeros((4, 8, 3), np.uint8), CAMERA, 0, 'cam', unseen=LEFT)


@pytest.mark.parametrize(('kind', 'unknown'), [(np.uint8, 255), (np.uint16, 65535)])
def test_labels(kind: type, unknown: int) -> None:
    labels = LabelMap(np.full((4, 8), 7, kind), np.full((4, 8), 200, np.uint8), ())
    found = without_unseen(labels, FRAME)
    assert isinstance(found, LabelMap)
    assert (found.labels[0].tolist(), found.labels.dtype) == ([unknown] * 2 + [7] * 6, kind)
    assert found.confidence[0].tolist() == [0, 0] + [200] * 6


def test_numbers_also_at_half_the_size() -> None:
    ones = np.ones((2, 4), np.float32)
    depth, chance, own = DepthMap(ones), ProbabilityMap(ones), ValueMap(ones)
    for result, name in ((depth, 'depth_m'), (chance, 'probability'), (own, 'values')):
        found = getattr(without_unseen(result, FRAME), name)
        assert np.isnan(found).tolist() == [[True, False, False, False]] * 2
    normals = without_unseen(NormalMap(np.ones((4, 8, 3), np.float32)), FRAME)
    assert isinstance(normals, NormalMap)
    assert np.isnan(normals.normals).sum() == 4 * 2 * 3


def test_boxes_are_left_out_where_their_centre_is_unseen() -> None:
    """u = 4 x / z + 3.5: 0.5 (unseen), 3.5, and -4.5 beside the image, of which nobody knows."""
    x = np.array([-7.5, 0.0, -20.0])
    centers = np.stack([x, np.zeros(3), np.full(3, 10.0)], 1)
    boxes = Boxes3D(
        np.zeros(3, np.int64), np.ones(3, np.float32), centers, np.ones((3, 3)),
        np.tile([0, 0, 0, 1.0], (3, 1)), DRIVE_BOXES,
    )  # fmt: skip
    found = without_unseen(boxes, FRAME)
    assert isinstance(found, Boxes3D)
    assert found.centers_m[:, 0].tolist() == [0.0, -20.0]


def test_a_pincushion_has_not_seen_the_corners() -> None:
    """x (1 + 0.5 r^2) at the right edge, x = r = 0.5: 0.5625 of 0.505 that the image has."""
    camera = Intrinsics(101, 101, 100.0, 100.0, 50.0, 50.0)
    unseen = Rectifier(camera, Distortion('plumb_bob', (0.5, 0, 0, 0, 0))).unseen
    assert unseen is not None
    assert unseen[50, 100]
    assert not unseen[50, 94]  # x = 0.44: 0.4826
    assert unseen[50, 97]  # x = 0.47: 0.5219


def test_a_polynomial_that_turns_back_has_not_seen_the_middle_twice() -> None:
    """r (1 - 0.5 r^2) grows until r^2 = 2 / 3: 81.6 px from the middle."""
    camera = Intrinsics(201, 201, 100.0, 100.0, 100.0, 100.0)
    unseen = Rectifier(camera, Distortion('plumb_bob', (-0.5, 0, 0, 0))).unseen
    assert unseen is not None
    assert unseen[100].tolist() == [abs(u - 100) > 81 for u in range(201)]


def test_a_barrel_with_all_pixels_seen_costs_nothing() -> None:
    camera = Intrinsics(101, 101, 100.0, 100.0, 50.0, 50.0)
    assert Rectifier(camera, Distortion('plumb_bob', (-0.1, 0, 0, 0))).unseen is None
