"""Writes predictions.mcap: what the node would have published, message by message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mtscene_ros.camera import messages
from mtscene_ros.camera.mailbox import Counts
from mtscene_ros.camera.messages import Message
from mtscene_ros.camera.outputs import (
    COMPRESSED,
    FRAME_STATS,
    LABEL_INFO,
    Output,
    OutputContext,
    OutputParams,
    confident,
    label_info_topics,
    outputs_of,
)
from mtscene_ros.evaluate.options import ALL_OUTPUTS, EvaluateOptions
from mtscene_ros.models.spec import ModelSpec, classes_from_options
from mtscene_ros.recordings.bag_messages import maker
from mtscene_ros.recordings.bags import BagWriter
from mtscene_ros.types import Scene

REPEAT_NS = 10**9  # the period of class maps, as in the node


class OutputsError(ValueError):
    """The model does not have an output; the message is one sentence."""


class Predictions:
    """A context manager that writes the file. Raises OutputsError."""

    def __init__(self, path: Path, spec: ModelSpec, options: EvaluateOptions) -> None:
        self._spec, self._options = spec, options
        self._outputs = chosen(outputs_of(spec), options.outputs)
        self._writer = BagWriter(path, compressed=True)
        self._new = maker(self._writer.types)
        self._told_ns: int | None = None

    def __enter__(self) -> Predictions:
        self._writer.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.__exit__(*error)  # type: ignore[arg-type]

    def topic(self, name: str) -> str:
        """Resolves a private name as the node does."""
        return f'{self._options.node}/{name}'

    def made(self, scene: Scene) -> list[tuple[Output, Message]]:
        """Returns every output of one image, as the node makes it before publishing."""
        kept = confident(scene, self._options.min_score)
        header = messages.header_of(self._new, scene.frame)
        found = OutputContext(kept, header, OutputParams(), self._new)
        made = ((output, output.make(found)) for output in self._outputs)
        return [(output, message) for output, message in made if message is not None]

    def write(
        self,
        made: list[tuple[Output, Message]],
        scene: Scene,
        at_ns: int,
        stage_s: Mapping[str, float],
        counts: Counts,
    ) -> None:
        """Writes the messages of one image; at_ns: when they would have been published."""
        if not self._outputs:
            return
        self._repeat_classes(at_ns)
        for output, message in made:
            self._writer.write(self.topic(output.topic), output.kind, at_ns, message)
        header = messages.header_of(self._new, scene.frame)
        age_s = (at_ns - scene.frame.stamp_ns) * 1e-9
        stats = messages.frame_stats(self._new, header, scene.frame.camera, age_s, stage_s, counts)
        self._writer.write(self.topic(FRAME_STATS), 'mtscene_msgs/msg/FrameStats', at_ns, stats)

    def _repeat_classes(self, at_ns: int) -> None:
        if self._told_ns is not None and 0 <= at_ns - self._told_ns < REPEAT_NS:
            return
        self._told_ns = at_ns
        header = messages.header(self._new, at_ns, '')
        for task, name in label_info_topics(self._spec).items():
            info = messages.label_info(
                self._new, classes_from_options(self._spec.tasks[task]), header
            )
            self._writer.write(self.topic(name), LABEL_INFO, at_ns, info, latched=True)


def chosen(outputs: tuple[Output, ...], names: tuple[str, ...]) -> tuple[Output, ...]:
    """Returns the outputs of the given names; all are those that are not there in another form.

    Raises OutputsError.
    """
    if names == ALL_OUTPUTS:
        return tuple(output for output in outputs if output.kind != COMPRESSED)
    known = [output.topic for output in outputs]
    for name in names:
        if name not in known:
            raise OutputsError(f'The model has no output {name!r}; it has {", ".join(known)}.')
    return tuple(output for output in outputs if output.topic in names)
