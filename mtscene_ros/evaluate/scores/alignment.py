"""Results wait until the truth of their stamp has come, and TF and LiDAR around it; then they are
scored, in the order of the images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rosbags.highlevel import AnyReader

from mtscene_ros.evaluate.scores.image_truth import ImageTruth, Prediction
from mtscene_ros.evaluate.truth.topics import Topics
from mtscene_ros.evaluate.truth.truth_messages import CLOUD, Source, Tell
from mtscene_ros.recordings.node_results import stamp_ns_of

HOLD_NS = 10**9  # of recorded time, between an image and its truth
HELD_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Early:
    """Truth that came before its image; size: bytes."""

    at_ns: int
    stamp_ns: int
    source: Source
    message: Any
    size: int


@dataclass(slots=True)
class TruthCounts:
    """Messages of one topic of truth: how many, of them with the stamp of an image, and how far
    the nearest other one was away."""

    messages: int = 0
    matched: int = 0
    last_ns: int | None = None
    nearest_ns: int | None = None

    def near(self, image_ns: int | None) -> None:
        """Of the last message and the last image."""
        if self.last_ns is not None and image_ns is not None:
            gap_ns = abs(self.last_ns - image_ns)
            self.nearest_ns = min(gap_ns, self.nearest_ns or gap_ns)


class Alignment:
    """complete: takes the images, in their order, once their truth has come. Holds HOLD_NS of
    recorded time and HELD_BYTES of results at most."""

    def __init__(
        self,
        reader: AnyReader,
        topics: Topics,
        truth: ImageTruth,
        complete: Callable[[Prediction], None],
        tell: Tell,
    ) -> None:
        self._reader, self._topics, self._tell = reader, topics, tell
        self._truth, self._complete = truth, complete
        self._sources = {source.topic: source for source in topics.sources if source.topic}
        self._held: deque[Prediction] = deque()
        self._early: deque[Early] = deque()
        self._seen = {topic: TruthCounts() for topic in self._sources}
        self._last_image_ns: int | None = None

    def message(self, topic: str, kind: str, raw: Any, at_ns: int) -> None:
        """Of TF or truth."""
        try:
            message: Any = self._reader.deserialize(raw, kind)
        except Exception as error:  # a damaged message must not end the recording
            self._tell(f'A message of {topic} cannot be read ({error}).')
            return
        if topic in self._topics.tf:
            self._truth.poses.add(message.transforms, is_static=self._topics.tf[topic])
            return
        source, stamp_ns = self._sources[topic], stamp_ns_of(self._reader, raw)
        if source.kind == CLOUD:
            self._truth.clouds.add(message, stamp_ns, at_ns, self._tell)
        else:
            self._match(source, message, stamp_ns, at_ns, len(raw))

    def answer(self, answer: Prediction) -> None:
        """Results of the next image."""
        stamp_ns = self._last_image_ns = answer.row.stamp_ns
        for seen in self._seen.values():
            seen.near(stamp_ns)
        for early in [early for early in self._early if early.stamp_ns == stamp_ns]:
            self._give(answer, early.source, early.message)
            self._early.remove(early)
        self._held.append(answer)
        self._retire(answer.at_ns)

    def finish(self) -> None:
        """Completes everything that is held."""
        while self._held:
            self._complete(self._held.popleft())

    def _match(self, source: Source, message: Any, stamp_ns: int, at_ns: int, size: int) -> None:
        seen, is_given = self._seen[source.topic], False
        seen.messages += 1
        for answer in self._held:
            if answer.row.stamp_ns == stamp_ns:
                self._give(answer, source, message)
                is_given = True
        seen.last_ns = stamp_ns
        seen.near(self._last_image_ns)
        if is_given:
            return
        self._early.append(Early(at_ns, stamp_ns, source, message, size))
        held = sum(early.size for early in self._early)
        while len(self._early) > 1 and (
            at_ns - self._early[0].at_ns > HOLD_NS or held > HELD_BYTES
        ):
            held -= self._early.popleft().size

    def _give(self, answer: Prediction, source: Source, message: Any) -> None:
        if source.task not in answer.truth:
            self._seen[source.topic].matched += 1
        answer.truth[source.task] = message

    def _retire(self, now_ns: int) -> None:
        held = sum(answer.nbytes for answer in self._held)
        while self._held and (now_ns - self._held[0].at_ns > HOLD_NS or held > HELD_BYTES):
            held -= self._held[0].nbytes
            self._complete(self._held.popleft())

    def tell_what_is_missing(self) -> None:
        """Topics of truth that have messages, none of which belongs to an image."""
        for topic, seen in self._seen.items():
            if not seen.messages or seen.matched:
                continue
            far = (
                ''
                if seen.nearest_ns is None
                else f' (the nearest is {seen.nearest_ns / 1e9:.3g} s off)'
            )
            self._tell(
                f'No message of {topic} carries the stamp of an image{far}: their clocks differ; '
                "give the truth the image's own stamp."
            )
