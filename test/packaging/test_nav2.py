"""config/nav2_*.yaml: what nav2's semantic segmentation layer makes of the node's topics."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mtscene_ros.cli.demo_run import RATE_HZ, SEED
from mtscene_ros.models.catalogue import spec_of_file
from mtscene_ros.ros.params import complaint
from mtscene_ros.worlds.drive import drive_sequence

ROOT = Path(__file__).parents[2]
LETHAL, DOUBTFUL, SURE = 254, 57, 200


def parameters_in(file: str) -> dict:
    return yaml.safe_load((ROOT / 'config' / file).read_text())


def costmap() -> dict[str, Any]:
    found: dict[str, Any] = parameters_in('nav2_costmap.yaml')['local_costmap']['local_costmap']
    return found['ros__parameters']


def test_parameters_beside_nav2_are_ours() -> None:
    values = parameters_in('nav2_perception.yaml')['/**']['ros__parameters']
    assert values['output_scale'] == 0.25
    assert [complaint(name, value) for name, value in values.items()] == ['', '']


def test_the_costmap_knows_every_class_of_the_bundled_model_once() -> None:
    source = costmap()['semantic_layer']['camera']
    named = [name for kind in source['class_types'] for name in source[kind]['classes']]
    classes = spec_of_file('').tasks['semantic']['classes']
    assert sorted(named) == sorted(c['name'] for c in classes)


def test_the_costmap_listens_to_our_topics() -> None:
    source = costmap()['semantic_layer']['camera']
    topics = {key: value for key, value in source.items() if key.endswith('_topic')}
    assert topics == {
        'segmentation_topic': '/perception/semantic/image',
        'confidence_topic': '/perception/semantic/confidence',
        'labels_topic': '/perception/semantic/label_info',
        'pointcloud_topic': '/perception/points',
    }


def cost(name: str, confidences: list[int]) -> int:
    """The cost of a tile after one observation of a class per image, as the layer's updateBounds
    has it (kiwicampus/semantic_segmentation_layer, branch jazzy)."""
    source = costmap()['semantic_layer']['camera']
    [kind] = [k for k in source['class_types'] if name in source[k]['classes']]
    is_enough = len(confidences) >= source[kind]['samples_to_max_cost']
    is_sure = sum(confidences) / len(confidences) > source[kind]['mark_confidence']
    return int(source[kind]['max_cost' if is_enough and is_sure else 'base_cost'])


def test_mark_confidence_decides_what_is_lethal() -> None:
    for name in ('car', 'person', 'wall'):
        assert cost(name, [DOUBTFUL] * 5) < LETHAL
        assert cost(name, [SURE]) < LETHAL  # a single image
        assert cost(name, [SURE, SURE]) == LETHAL
    assert cost('vegetation', [SURE] * 5) == 200
    assert cost('vegetation', [DOUBTFUL] * 5) == 100
    assert cost('road', [SURE] * 5) == cost('road', [DOUBTFUL]) == 0


def test_the_demo_shows_something_in_the_costmap() -> None:
    frame = next(drive_sequence(SEED, 60, RATE_HZ, 128, 64))
    camera, depth_m = frame.intrinsics, frame.depth_m
    v, u = np.mgrid[: camera.height_px, : camera.width_px]
    right_m = (u - camera.cx_px) / camera.fx_px * depth_m
    down_m = (v - camera.cy_px) / camera.fy_px * depth_m
    away_m = np.sqrt(right_m**2 + down_m**2 + depth_m**2)
    source = costmap()['semantic_layer']['camera']
    half_m = costmap()['width'] / 2
    seen = (away_m < source['max_obstacle_distance']) & (
        np.maximum(depth_m, abs(right_m)) < half_m
    )
    names = [frame.classes[i].name for i in np.unique(frame.labels[seen])]
    assert {cost(name, [SURE, SURE]) for name in names} == {0, LETHAL}
