"""Chooses the topics of a recording to read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.truth.truth_files import TruthFiles
from mtscene_ros.evaluate.truth.truth_messages import Source, Warn, sources
from mtscene_ros.models.spec import ModelSpec
from mtscene_ros.recordings.bags import CheckedReader
from mtscene_ros.recordings.camera_choice import camera_of

TF = ('tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage')


@dataclass(frozen=True, slots=True)
class Topics:
    """The chosen topics.

    image, info: those of the camera, info '' where there is none; sources: of the truth; tf: topic
    → whether it is static; files: the truth, where it is not in topics.
    """

    image: str
    info: str
    sources: tuple[Source, ...]
    tf: dict[str, bool]
    files: TruthFiles | None = None

    @property
    def wanted(self) -> set[str]:
        named = {self.image, self.info, *(s.topic for s in self.sources), *self.tf}
        return named - {''}


def topics_of(bag: CheckedReader, spec: ModelSpec, options: EvaluateOptions, warn: Warn) -> Topics:
    """Chooses the topics. Raises BagError without an image or for a missing named topic."""
    camera = camera_of(bag, bag.name, options.image_topic, options.info_topic, options.node)
    for sentence in camera.notes:
        warn(sentence)
    image, info = camera.topic, camera.info
    tf = {topic: 'static' in topic for topic, about in bag.topics.items() if about.msgtype in TF}
    if options.truth == 'topics':
        return Topics(image, info, tuple(sources(bag, spec, options, warn)), tf)
    files = TruthFiles(Path(options.truth), spec, warn)
    return Topics(image, info, files.sources, tf, files)
