import numpy as np

from mtscene_ros.camera.geometry import matrix_from_quaternion
from mtscene_ros.datasets.classes import NYUD_40, ROOM_BOXES
from mtscene_ros.worlds import household
from mtscene_ros.worlds.furnishing import overlap
from mtscene_ros.worlds.room import random_room, room_frame


def test_class_numbers_are_those_of_the_table() -> None:
    names = {c.name: c.id for c in NYUD_40}
    assert (names['picture'], names['floor mat']) == (household.PICTURES, household.MAT)
    assert (names['person'], names['bag']) == (household.PERSON, household.BAG)
    assert ROOM_BOXES[household.BOX_STAND].name == 'night stand'
    assert ROOM_BOXES[household.BOX_BATHTUB].name == 'bathtub'


def test_rooms_show_every_class() -> None:
    frames = [room_frame(1, i, 64, 48) for i in range(150)]
    assert set(np.unique([f.labels for f in frames])) == set(range(40))
    assert set(np.concatenate([f.boxes.class_ids for f in frames])) == set(range(10))
    assert all(np.isfinite(f.depth_m).all() for f in frames)  # closed on all sides


def test_furniture_is_inside_and_does_not_collide() -> None:
    for seed in range(40):
        room, pose, _ = random_room(np.random.default_rng(seed))
        for k, (center, half) in enumerate(room.floor[1:]):
            assert (center - half > -0.01).all()
            assert (center + half < room.size_m[:2] + 0.01).all()
            for other, its_half in room.floor[: 1 + k]:
                assert (np.abs(center - other) > half + its_half).any()
        assert (pose[:2, 3] > 0.3).all()


def test_wall_areas_overlap_where_both_spans_do() -> None:
    picture = (2, -0.5, 0.5, 1.2, 1.8)
    assert overlap(picture, (2, 0.4, 1.0, 0.0, 1.5))
    assert not overlap(picture, (1, 0.4, 1.0, 0.0, 1.5))
    assert not overlap(picture, (2, 0.6, 1.0, 0.0, 1.5))
    assert not overlap(picture, (2, 0.4, 1.0, 0.0, 1.1))


def test_boxes_stand_upright_and_beds_have_the_size_of_beds() -> None:
    boxes = [room_frame(2, i, 64, 48).boxes for i in range(60)]
    sizes = np.concatenate([b.sizes_m[b.class_ids == household.BOX_BED] for b in boxes])
    assert len(sizes) > 5
    assert (sizes > (1.9, 0.85, 0.4)).all()
    assert (sizes < (2.3, 2.0, 1.6)).all()
    frame = room_frame(2, 0, 64, 48)
    up = matrix_from_quaternion(frame.boxes.quaternions_xyzw)[:, :, 2]
    np.testing.assert_allclose(up @ frame.world_from_optical[2, :3], 1, atol=1e-9)
