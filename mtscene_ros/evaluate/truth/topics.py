"""Chooses the topics of a recording to read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rosbags.highlevel import AnyReader

from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.truth.truth_files import TruthFiles
from mtscene_ros.evaluate.truth.truth_messages import Source, Warn, sources
from mtscene_ros.models.spec import ModelSpec
from mtscene_ros.recordings.bags import BagError
from mtscene_ros.recordings.node_results import camera_info_topic, color_images

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


def topics_of(bag: AnyReader, spec: ModelSpec, options: EvaluateOptions, warn: Warn) -> Topics:
    """Chooses the topics. Raises BagError without an image or for a missing named topic."""
    image = image_topic(bag, options, warn)
    info = options.info_topic or camera_info_topic(image)
    if info not in bag.topics:
        warn(
            f'There is no camera_info on {info}, so depth and boxes are not computed; record it, '
            'or name it with --camera-info.'
        )
        info = ''
    tf = {topic: 'static' in topic for topic, about in bag.topics.items() if about.msgtype in TF}
    if options.truth == 'topics':
        return Topics(image, info, tuple(sources(bag, spec, options, warn)), tf)
    files = TruthFiles(Path(options.truth), spec, warn)
    return Topics(image, info, files.sources, tf, files)


def image_topic(bag: AnyReader, options: EvaluateOptions, warn: Warn) -> str:
    """Returns the named image topic, or the most likely one. Raises BagError."""
    if options.image_topic:
        if options.image_topic not in bag.topics:
            raise BagError(
                f'{options.image_topic} is not in the recording; it has {", ".join(bag.topics)}.'
            )
        return options.image_topic
    if not bag.message_count:
        raise BagError('The recording is empty; record the image topic.')
    found = color_images(bag, without=options.node)
    if not found:
        raise BagError(
            'The recording contains no camera images, only '
            f'{", ".join(bag.topics)}; record the image topic as well.'
        )
    if len(found) > 1:
        warn(
            f'The recording has the image topics {", ".join(found)}; {found[0]} is evaluated, and '
            '--image TOPIC chooses another.'
        )
    return found[0]
