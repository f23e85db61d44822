"""Which camera of a recording the node is to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mtscene_ros.recordings.bags import BagError, open_bag
from mtscene_ros.recordings.node_results import COMPRESSED, camera_info_topic, color_images


@dataclass(frozen=True, slots=True)
class RecordedCamera:
    """The camera of a recording that the node is to look at; others: those it could have been."""

    topic: str
    compressed: bool
    calibrated: bool
    duration_s: float
    others: tuple[str, ...]
    ros1: bool = False


def choose_camera(bag: Path) -> RecordedCamera:
    """Raises BagError where the recording has no images that the node could use."""
    with open_bag(bag) as reader:
        topics = color_images(reader)
        if not topics:
            held = ', '.join(f'{t} ({i.msgtype})' for t, i in sorted(reader.topics.items()))
            raise BagError(f'{bag} holds no camera images; it has {held or "no topics"}.')
        best = topics[0]
        return RecordedCamera(
            best,
            reader.topics[best].msgtype == COMPRESSED,
            camera_info_topic(best) in reader.topics,
            reader.duration * 1e-9,
            tuple(topics[1:]),
            not reader.is2,
        )
