"""Chooses the topics of a recording to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.truth.truth_files import TruthFiles
from mtscene_ros.evaluate.truth.truth_messages import (
    CLOUD,
    Source,
    Warn,
    sources,
)
from mtscene_ros.models.spec import ModelSpec
from mtscene_ros.recordings.bags import CheckedReader
from mtscene_ros.recordings.camera_choice import camera_of, first_messages
from mtscene_ros.terminal import plural

TF = ('tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage')


@dataclass(frozen=True, slots=True)
class Topics:
    """The chosen topics.

    image, info: those of the camera, info '' where there is none; sources: of the truth; tf: topic
    → whether it is static; files: the truth, where it is not in topics; by_order: topics of truth
    whose messages belong to the images by their order, because stamps repeat.
    """

    image: str
    info: str
    sources: tuple[Source, ...]
    tf: dict[str, bool]
    files: TruthFiles | None = None
    by_order: frozenset[str] = frozenset()

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
        found = sources(bag, spec, options, warn)
        by_order = matched_by_order(bag, image, found, warn)
        kept = tuple(s for s in found if by_order.get(s.topic, True))
        return Topics(
            image, info, kept, tf, by_order=frozenset(t for t in by_order if by_order[t])
        )
    files = TruthFiles(Path(options.truth), spec, options, warn)
    if stamps_repeat(bag, image):
        warn(
            f'The stamps of {image} repeat, so the truth in {options.truth}, which goes by '
            'stamps, is not scored; set the clock of the camera.'
        )
        return Topics(image, info, (), tf)
    return Topics(image, info, files.sources, tf, files)


def matched_by_order(
    bag: CheckedReader, image: str, found: Sequence[Source], warn: Warn
) -> dict[str, bool]:
    """Returns topics of truth that stamps cannot match with images → whether their order can,
    because there are as many messages as images."""
    repeats, by_order = stamps_repeat(bag, image), {}
    count = bag.topics[image].msgcount
    for source in found:
        if not repeats and not stamps_repeat(bag, source.topic):
            continue
        messages = bag.topics[source.topic].msgcount
        by_order[source.topic] = messages == count and source.kind != CLOUD
        whose = image if repeats else source.topic
        if by_order[source.topic]:
            warn(
                f'The stamps of {whose} repeat, so images and messages of {source.topic} are '
                'matched by their order; set the clock of what publishes them.'
            )
        else:
            warn(
                f'The stamps of {whose} repeat, and for {plural(count, "image")} {source.topic} '
                f'has {plural(messages, "message")}, so its truth is not scored; set the clock of '
                'what publishes them.'
            )
    return by_order


def stamps_repeat(bag: CheckedReader, topic: str) -> bool:
    """Whether the first messages of a topic have one and the same stamp, such as 0."""
    found = first_messages(bag, [topic])
    stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for _, m in found]
    return len(stamps) > 1 and len(set(stamps)) == 1
