"""Chooses the camera of a recording that the node uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mtscene_ros.recordings.bags import BagError, open_bag
from mtscene_ros.recordings.node_results import COMPRESSED, camera_info_topic, color_images


@dataclass(frozen=True, slots=True)
class RecordedCamera:
    """The chosen camera of a recording; others: the topics that were not chosen."""

    topic: str
    compressed: bool
    calibrated: bool
    duration_s: float
    others: tuple[str, ...]
    ros1: bool = False


def choose_camera(bag: Path) -> RecordedCamera:
    """Chooses a camera. Raises BagError where the recording has no images for the node."""
    with open_bag(bag) as reader:
        topics = color_images(reader)
        if not topics:
            held = ', '.join(f'{t} ({i.msgtype})' for t, i in sorted(reader.topics.items()))
            raise BagError(f'{bag} contains no camera images, only {held or "no topics"}.')
        best = topics[0]
        return RecordedCamera(
            best,
            reader.topics[best].msgtype == COMPRESSED,
            camera_info_topic(best) in reader.topics,
            reader.duration * 1e-9,
            tuple(topics[1:]),
            not reader.is2,
        )
