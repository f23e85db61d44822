"""Which topic carries which result: one table, from which every other name comes."""

import re
from pathlib import Path

from mtscene_ros.camera.outputs import (
    FRAME_STATS,
    LABEL_INFO_TOPICS,
    NAMED_TASKS,
    OUTPUTS,
    label_info_topic,
    result_topic,
)
from mtscene_ros.recordings.truth_topics import truth_label_info_topic, truth_topic

LAUNCH_FILE = Path(__file__).parents[2] / 'launch' / 'replay.launch.py'


def test_every_task_has_the_topic_of_its_result() -> None:
    assert {task: result_topic(task) for task in NAMED_TASKS} == {
        'semantic': 'semantic/image', 'human_parts': 'parts/image', 'depth': 'depth/image',
        'normals': 'normals/image', 'boundary': 'boundary/image', 'saliency': 'saliency/image',
        'boxes3d': 'detections_3d',
    }  # fmt: skip
    assert {o.result_of for o in OUTPUTS} - {''} == set(NAMED_TASKS)


def test_a_task_of_the_users_own() -> None:
    assert result_topic('walkable') == 'own/walkable/image'
    assert label_info_topic('walkable') == 'own/walkable/label_info'
    assert truth_topic('walkable') == '/truth/own/walkable'
    assert truth_label_info_topic('walkable') == '/truth/own/walkable/label_info'


def test_topics_of_the_truth() -> None:
    found = [truth_topic(task) for task in ('semantic', 'human_parts', 'depth', 'boxes3d')]
    assert found == ['/truth/semantic', '/truth/parts', '/truth/depth', '/truth/detections_3d']
    infos = [truth_label_info_topic(task) for task in ('semantic', 'human_parts')]
    assert infos == ['/truth/label_info', '/truth/parts/label_info']


def test_classes_lie_beside_the_labels() -> None:
    infos = {'semantic': 'semantic/label_info', 'human_parts': 'parts/label_info'}
    assert infos == LABEL_INFO_TOPICS


def test_the_launch_file_records_topics_that_exist() -> None:
    """It repeats names: it runs before anything of the package is imported."""
    named = set(re.findall(r"'/perception/([\w/]+)'", LAUNCH_FILE.read_text()))
    known = {o.topic for o in OUTPUTS} | {*LABEL_INFO_TOPICS.values(), FRAME_STATS}
    assert len(named) == 14
    assert named <= known
