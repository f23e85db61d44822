"""Holds predictions back until the truth with their stamp has arrived, and TF and LiDAR around it.

They are scored in the order of the images.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rosbags.highlevel import AnyReader

from mtscene_ros.evaluate.scores.image_truth import ImageTruth, Prediction
from mtscene_ros.evaluate.truth.topics import Topics
from mtscene_ros.evaluate.truth.truth_messages import CLOUD, Source, Warn
from mtscene_ros.recordings.node_results import stamp_ns_of

HOLD_NS = 10**9  # of recorded time, between an image and its truth
HELD_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Early:
    """A message of the truth that arrived before its image; size: in bytes."""

    at_ns: int
    stamp_ns: int
    source: Source
    message: Any
    size: int


@dataclass(slots=True)
class TruthCounts:
    """Counts the messages of one truth topic.

    matched: those with the stamp of an image; last_ns: stamp of the last message; nearest_ns: the
    smallest gap between the stamps of a message and an image.
    """

    messages: int = 0
    matched: int = 0
    last_ns: int | None = None
    nearest_ns: int | None = None

    def update_gap(self, image_ns: int | None) -> None:
        """Updates the gap with the last message and the last image."""
        if self.last_ns is not None and image_ns is not None:
            gap_ns = abs(self.last_ns - image_ns)
            self.nearest_ns = min(gap_ns, self.nearest_ns or gap_ns)


class Alignment:
    """Matches truth with predictions; holds at most HOLD_NS of recorded time and HELD_BYTES.

    complete: called with each prediction, in the order of the images, once its truth has arrived.
    """

    def __init__(
        self,
        reader: AnyReader,
        topics: Topics,
        truth: ImageTruth,
        complete: Callable[[Prediction], None],
        warn: Warn,
    ) -> None:
        self._reader, self._topics, self._warn = reader, topics, warn
        self._truth, self._complete = truth, complete
        self._sources = {source.topic: source for source in topics.sources if source.topic}
        self._held: deque[Prediction] = deque()
        self._early: deque[Early] = deque()
        self._seen = {topic: TruthCounts() for topic in self._sources}
        self._last_image_ns: int | None = None

    def add_message(self, topic: str, kind: str, raw: Any, at_ns: int) -> None:
        """Adds a message of TF or of the truth."""
        try:
            message: Any = self._reader.deserialize(raw, kind)
        except Exception as error:  # a damaged message must not end the recording
            self._warn(f'A message of {topic} cannot be read ({error}).')
            return
        if topic in self._topics.tf:
            self._truth.poses.add(message.transforms, is_static=self._topics.tf[topic])
            return
        source, stamp_ns = self._sources[topic], stamp_ns_of(self._reader, raw)
        if source.kind == CLOUD:
            self._truth.clouds.add(message, stamp_ns, at_ns, self._warn)
        else:
            self._match(source, message, stamp_ns, at_ns, len(raw))

    def add(self, prediction: Prediction) -> None:
        """Adds the prediction of the next image."""
        stamp_ns = self._last_image_ns = prediction.row.stamp_ns
        for seen in self._seen.values():
            seen.update_gap(stamp_ns)
        for early in [early for early in self._early if early.stamp_ns == stamp_ns]:
            self._attach(prediction, early.source, early.message)
            self._early.remove(early)
        self._held.append(prediction)
        self._retire(prediction.at_ns)

    def finish(self) -> None:
        """Completes all predictions that are still held."""
        while self._held:
            self._complete(self._held.popleft())

    def _match(self, source: Source, message: Any, stamp_ns: int, at_ns: int, size: int) -> None:
        seen, is_attached = self._seen[source.topic], False
        seen.messages += 1
        for prediction in self._held:
            if prediction.row.stamp_ns == stamp_ns:
                self._attach(prediction, source, message)
                is_attached = True
        seen.last_ns = stamp_ns
        seen.update_gap(self._last_image_ns)
        if is_attached:
            return
        self._early.append(Early(at_ns, stamp_ns, source, message, size))
        held = sum(early.size for early in self._early)
        while len(self._early) > 1 and (
            at_ns - self._early[0].at_ns > HOLD_NS or held > HELD_BYTES
        ):
            held -= self._early.popleft().size

    def _attach(self, prediction: Prediction, source: Source, message: Any) -> None:
        if source.task not in prediction.truth:
            self._seen[source.topic].matched += 1
        prediction.truth[source.task] = message

    def _retire(self, now_ns: int) -> None:
        held = sum(prediction.nbytes for prediction in self._held)
        while self._held and (now_ns - self._held[0].at_ns > HOLD_NS or held > HELD_BYTES):
            held -= self._held[0].nbytes
            self._complete(self._held.popleft())

    def warn_of_unmatched(self) -> None:
        """Reports truth topics of which no message belongs to an image."""
        for topic, seen in self._seen.items():
            if not seen.messages or seen.matched:
                continue
            far = (
                ''
                if seen.nearest_ns is None
                else f' (the nearest is {seen.nearest_ns / 1e9:.3g} s away)'
            )
            self._warn(
                f'No message of {topic} has the stamp of an image{far}, so its truth is not '
                'scored; give each message the stamp of its image.'
            )
