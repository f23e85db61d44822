"""Topics of the truth that a recording may carry beside its images: called as the node's outputs,
below /truth, without the `/image` of maps."""

from __future__ import annotations

from mtscene_ros.camera.outputs import label_info_topic, result_topic

TRUTH = '/truth'


def truth_topic(task: str) -> str:
    """'/truth/semantic', '/truth/parts', '/truth/own/TASK'."""
    return f'{TRUTH}/{result_topic(task).removesuffix("/image")}'


def truth_label_info_topic(task: str) -> str:
    """'/truth/parts/label_info', but '/truth/label_info' for the classes of `semantic`."""
    return f'{TRUTH}/label_info' if task == 'semantic' else f'{TRUTH}/{label_info_topic(task)}'
