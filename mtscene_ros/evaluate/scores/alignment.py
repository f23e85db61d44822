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
from mtscene_ros.terminal import plural

HOLD_NS = 10**9  # of recorded time, between an image and its truth
HELD_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Early:
    """A message of the truth that arrived before its image; key: stamp or place in the order;
    size: in bytes."""

    at_ns: int
    key: int
    source: Source
    message: Any
    size: int


@dataclass(slots=True)
class TruthCounts:
    """Counts the messages of one truth topic.

    matched: those with the stamp of an image; last_ns: stamp of the last message; nearest_ns: the
    smallest gap between the stamps of a message and an image; late: those that came when the image
    had been scored without them.
    """

    messages: int = 0
    matched: int = 0
    last_ns: int | None = None
    nearest_ns: int | None = None
    late: int = 0

    def update_gap(self, image_ns: int | None) -> None:
        """Updates the gap with the last message and the last image."""
        if self.last_ns is not None and image_ns is not None:
            gap_ns = abs(self.last_ns - image_ns)
            self.nearest_ns = min(gap_ns, self.nearest_ns or gap_ns)


class Alignment:
    """Matches truth with predictions by stamp, or by order where stamps repeat.

    complete: called with each prediction, in the order of the images, once its truth has arrived;
    hold_ns: recorded time after which a prediction no longer waits; at most HELD_BYTES wait, more
    where hold_ns is longer than HOLD_NS.
    """

    def __init__(
        self,
        reader: AnyReader,
        topics: Topics,
        truth: ImageTruth,
        complete: Callable[[Prediction], None],
        warn: Warn,
        hold_ns: int = HOLD_NS,
    ) -> None:
        self._hold_ns = hold_ns
        self._held_bytes = round(HELD_BYTES * max(1.0, hold_ns / HOLD_NS))
        self._reader, self._topics, self._warn = reader, topics, warn
        self._truth, self._complete = truth, complete
        self._sources = {source.topic: source for source in topics.sources if source.topic}
        self._held: deque[Prediction] = deque()
        self._early: deque[Early] = deque()
        self._seen = {topic: TruthCounts() for topic in self._sources}
        self._last_image_ns: int | None = None
        self._images = 0
        self._known: set[int] = set()  # stamps of all images
        self._repeated: set[int] = set()

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
        self._images += 1
        (self._repeated if stamp_ns in self._known else self._known).add(stamp_ns)
        for seen in self._seen.values():
            seen.update_gap(stamp_ns)
        for early in [e for e in self._early if e.key == self._key(prediction, e.source)]:
            self._attach(prediction, early.source, early.message)
            self._early.remove(early)
        self._held.append(prediction)
        self._retire(prediction.at_ns)

    def finish(self) -> None:
        """Completes all predictions that are still held."""
        while self._held:
            self._finish_first()

    def _finish_first(self) -> None:
        """Completes the prediction that has waited longest, without truth that is ambiguous."""
        first = self._held.popleft()
        if first.row.stamp_ns in self._repeated:
            for source in self._sources.values():
                if source.topic not in self._topics.by_order:
                    first.truth.pop(source.task, None)
        self._complete(first)

    def _key(self, prediction: Prediction, source: Source) -> int:
        """Returns what a message of the truth has to have to belong to an image."""
        by_order = source.topic in self._topics.by_order
        return prediction.row.index if by_order else prediction.row.stamp_ns

    def _match(self, source: Source, message: Any, stamp_ns: int, at_ns: int, size: int) -> None:
        seen, is_attached = self._seen[source.topic], False
        key = seen.messages if source.topic in self._topics.by_order else stamp_ns
        seen.messages += 1
        for prediction in self._held:
            if self._key(prediction, source) == key:
                self._attach(prediction, source, message)
                is_attached = True
        seen.last_ns = stamp_ns
        seen.update_gap(self._last_image_ns)
        if is_attached:
            return
        if source.topic not in self._topics.by_order and stamp_ns in self._known:
            seen.late += 1
            return
        self._early.append(Early(at_ns, key, source, message, size))
        held = sum(early.size for early in self._early)
        while len(self._early) > 1 and (
            at_ns - self._early[0].at_ns > self._hold_ns or held > self._held_bytes
        ):
            held -= self._early.popleft().size

    def _attach(self, prediction: Prediction, source: Source, message: Any) -> None:
        if source.task not in prediction.truth:
            self._seen[source.topic].matched += 1
        prediction.truth[source.task] = message

    def _retire(self, now_ns: int) -> None:
        held = sum(prediction.nbytes for prediction in self._held)
        while self._held and (
            now_ns - self._held[0].at_ns > self._hold_ns or held > self._held_bytes
        ):
            held -= self._held[0].nbytes
            self._finish_first()

    def warn_of_unmatched(self) -> None:
        """Reports truth that came too late or belongs to no image, and images without truth."""
        if self._repeated and not self._topics.by_order:
            self._warn(
                f'{plural(len(self._repeated), "stamp")} of images occur more than once; what has '
                'them is not scored, because its truth is ambiguous.'
            )
        for topic, seen in self._seen.items():
            if seen.late:
                self._warn(
                    f'{plural(seen.late, "message")} of {topic} came more than '
                    f'{self._hold_ns / 1e9:g} s after the image of the same stamp and could not '
                    'be scored; --truth-delay-s sets a longer wait.'
                )
            if 0 < seen.matched < self._images and self._sources[topic].kind != CLOUD:
                without = self._images - seen.matched
                self._warn(
                    f'{without} of {plural(self._images, "image")} got no truth of '
                    f'{self._sources[topic].task} from {topic}.'
                )
            if not seen.messages or seen.matched or seen.late:
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
