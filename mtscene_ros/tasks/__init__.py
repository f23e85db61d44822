"""Decoding, one file per task: raw tensors of one image → a result in camera pixels and metres.

Nothing in here may know a runtime, a message or a recording; training/tasks has the twins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.models.spec import Options
from mtscene_ros.tasks import boxes3d, depth, normals
from mtscene_ros.tasks.labels import LabelTask
from mtscene_ros.tasks.probability import ProbabilityTask
from mtscene_ros.tasks.values import ValueTask
from mtscene_ros.types import CameraFrame, Result

Outputs = Mapping[str, NDArray[Any]]  # tensors of one image, without the batch axis
Decode = Callable[[Outputs, Letterbox, CameraFrame], Result]


class Task(Protocol):
    """What every module in this folder offers, or a dataclass in it that serves several tasks.

    OUTPUTS: the tensors it reads; NEEDS_INTRINSICS: whether it is skipped for an uncalibrated
    camera; decoder: reads and checks the task's options once and returns the function that decodes
    an image.
    """

    @property
    def OUTPUTS(self) -> tuple[str, ...]: ...  # noqa: N802

    @property
    def NEEDS_INTRINSICS(self) -> bool: ...  # noqa: N802

    def decoder(self, options: Options) -> Decode: ...


TASKS: dict[str, Task] = {
    'semantic': LabelTask('semantic'),
    'human_parts': LabelTask('human_parts'),
    'depth': depth,
    'normals': normals,
    'boundary': ProbabilityTask('boundary'),
    'saliency': ProbabilityTask('saliency'),
    'boxes3d': boxes3d,
}

# Tasks that a user defines (training/adapt.py), by the `kind` in their options.
OWN_KINDS: dict[str, Callable[[str], Task]] = {'labels': LabelTask, 'values': ValueTask}


def task_of(name: str, options: Options) -> Task:
    """Returns the task of a name. Raises KeyError if neither its name nor its kind is known."""
    if name in TASKS:
        return TASKS[name]
    return OWN_KINDS[str(options.get('kind'))](name)
