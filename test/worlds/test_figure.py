from dataclasses import replace

import numpy as np
import pytest

from mtscene_ros.datasets.classes import CITYSCAPES_19, NYUD_40, PASCAL_21
from mtscene_ros.worlds.body import Pose
from mtscene_ros.worlds.figure import figure_frame, interpolated, jittered, relabelled
from mtscene_ros.worlds.parts import Look, slab


def test_frames_show_all_body_parts_and_both_kinds_of_background() -> None:
    frames = [figure_frame(1, i, 96, 96) for i in range(30)]
    assert set(np.unique([f.human_parts for f in frames])) == set(range(7))
    open_air = [bool(np.isinf(f.depth_m).any()) for f in frames]
    assert 5 < sum(open_air) < 25
    for frame in frames:
        np.testing.assert_array_equal(frame.saliency, frame.instances > 0)
        assert frame.saliency is not None
        assert frame.saliency.mean() < 0.7


def test_halfway_between_two_poses() -> None:
    bent = Pose(lean=0.4, knees=(1.0, 0.5))
    assert interpolated(Pose(), bent, 0.5).lean == pytest.approx(0.2)
    assert interpolated(Pose(), bent, 0.5).knees == pytest.approx((0.5, 0.25))
    assert interpolated(Pose(), bent, 0.0).elbows == pytest.approx(Pose().elbows)


def test_knees_and_elbows_never_bend_the_wrong_way() -> None:
    rng = np.random.default_rng(0)
    poses = [jittered(rng, replace(Pose(), elbows=(0.0, 0.0))) for _ in range(50)]
    assert min(min(p.knees + p.elbows) for p in poses) == 0
    assert len({p.hips for p in poses}) == 50


def test_ids_of_other_tables_become_pascal_ids() -> None:
    names = [c.name for c in PASCAL_21]
    solids = [slab(Look((0, 0, 0), 0, label), 0, 1, 1, 0, 1) for label in (24, 4, 0)]
    found = [names[s.look.label] for s in relabelled(solids, NYUD_40)]
    assert found == ['tv monitor', 'chair', 'background']
    car = [slab(Look((0, 0, 0), 0, 13), 0, 1, 1, 0, 1)]
    assert names[relabelled(car, CITYSCAPES_19)[0].look.label] == 'car'
