"""Which of several image topics is the camera, and which camera_info belongs to it.

One ranking for recordings and for live topics: colour before grey before infrared, real before
artificial images, calibrated before uncalibrated, rectified before raw, more images before fewer,
raw before compressed transport.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mtscene_ros.camera.image_topics import base_topic, camera_info_topics, says_rectified

# Words of topic names, which are made of parts and parts of words.
ARTIFICIAL = {
    *('segmentation', 'seg', 'semantic', 'instance', 'panoptic', 'mask', 'masks', 'labels'),
    *('flow', 'dvs', 'event', 'events', 'annotated', 'annotation', 'annotations', 'overlay'),
    *('debug', 'detection', 'detections', 'detected', 'detector', 'result', 'results', 'tracks'),
    *('tracking', 'tracked', 'visualization', 'visualisation', 'vis', 'viz', 'marked', 'drawn'),
    *('colormap', 'colorized', 'colourised', 'colored', 'disparity', 'depth', 'range', 'signal'),
    *('reflec', 'reflectivity', 'nearir', 'ambient', 'lidar', 'radar', 'ouster', 'velodyne'),
    *('heatmap', 'costmap', 'map', 'bev', 'birdseye', 'birdeye', 'normals', 'saliency', 'edges'),
    *('features', 'feature', 'matches', 'keypoints', 'pose', 'skeleton', 'projected', 'stitched'),
    *('confidence', 'yolo', 'aruco', 'apriltag', 'tag', 'rviz', 'render', 'rendered'),
    *('projection', 'bbox', 'boxes', 'diff', 'difference', 'foreground', 'label'),
}  # fmt: skip
# Words that name a camera's purpose, as in depth_camera, whose images are its own.
CAMERA_WORDS, PURPOSES = {'camera', 'cam'}, {'depth', 'detection', 'tracking', 'pose', 'lidar'}
INFRARED = {
    *('ir', 'ir1', 'ir2', 'infra', 'infra1', 'infra2', 'infrared', 'nir', 'swir', 'mwir', 'lwir'),
    *('thermal', 'thermo', 'boson', 'lepton', 'tau2', 'optris', 'seek', 'temperature'),
}  # fmt: skip
GREY_WORDS = {'gray', 'grey', 'mono'}
# Words of images that are a camera's, though rarely the ones that are meant.
SECONDARY = {
    *('depth', 'preview', 'thumbnail', 'crop', 'cropped', 'small', 'lowres', 'zoom', 'aux'),
    *('tracking', 'driver', 'cabin', 'interior', 'traffic'),
}  # fmt: skip
GREY_ENCODINGS = {'mono8', '8UC1'}
WIDE_GREY = {'mono16'}  # cameras of heat and of active infrared
NAMED_PARTS = 3  # of a topic, from its end: what precedes them names robots and vehicles
EQUAL_RATE = 0.9  # of the most images: as good as all of them
COLOUR, GREY, INFRA = range(3)


@dataclass(frozen=True, slots=True)
class InfoTopic:
    """A topic of camera_info; size_px: (0, 0) where it is not known."""

    topic: str
    frame_id: str = ''
    size_px: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class ImageTopic:
    """A topic of images.

    encoding: of its pixels, '' where it is not known; is_grey: whether a compressed image has one
    channel; count: images, or images per second; info: its camera_info, '' where there is none;
    why_not: why it cannot be used, '' where it can.
    """

    topic: str
    is_compressed: bool = False
    encoding: str = ''
    is_grey: bool = False
    frame_id: str = ''
    size_px: tuple[int, int] = (0, 0)
    count: float = 0
    info: str = ''
    why_not: str = ''


def words_of(topic: str) -> set[str]:
    """Returns the words in the last parts of a topic's name, without the purpose of a camera."""
    found = [set(part.split('_')) for part in last_parts(topic)]
    return set().union(*(w - PURPOSES if w & CAMERA_WORDS else w for w in found))


def split_words(topic: str) -> set[str]:
    """Returns all words in the last parts of a topic's name."""
    return {word for part in last_parts(topic) for word in part.split('_')}


def last_parts(topic: str) -> list[str]:
    """Returns the parts of a topic's name that say what it is about."""
    return [part for part in base_topic(topic).lower().split('/') if part][-NAMED_PARTS:]


def is_artificial(image: ImageTopic) -> bool:
    """Whether the name says that something made the image that is no camera."""
    return bool(words_of(image.topic) & ARTIFICIAL)


def spectrum(image: ImageTopic) -> int:
    """Returns COLOUR, GREY or INFRA."""
    if words_of(image.topic) & INFRARED or image.encoding in WIDE_GREY:
        return INFRA
    is_grey = image.is_grey or image.encoding in GREY_ENCODINGS
    return GREY if is_grey or words_of(image.topic) & GREY_WORDS else COLOUR


def criteria(image: ImageTopic, most: float) -> tuple[tuple[object, str], ...]:
    """Returns what counts, first things first: a value, the lower the better, and what to call an
    image that is worse in it.

    most: the largest count of all cameras.
    """
    kind = spectrum(image)
    few = image.count < EQUAL_RATE * most
    return (
        (is_artificial(image), 'not the image of a camera, by its name'),
        (kind, 'infrared' if kind == INFRA else 'grey'),
        (not image.info, 'without camera_info'),
        (image.info not in camera_info_topics(image.topic), 'without camera_info of its own'),
        (not says_rectified(image.topic), 'not rectified'),
        (few, 'fewer images'),
        (image.is_compressed, 'compressed'),
        (-image.count if few else 0, 'fewer images'),
        (preference(image), 'another view'),
    )


def preference(image: ImageTopic) -> tuple[bool, bool, bool, str]:
    """Returns what decides between equal cameras: ahead, then left, then the alphabet."""
    words = words_of(image.topic)
    is_secondary = bool(split_words(image.topic) & SECONDARY)
    return is_secondary, not words & {'front', 'forward'}, 'right' in words, image.topic


def ranked(images: Sequence[ImageTopic]) -> list[ImageTopic]:
    """Returns the usable images, best first."""
    usable = [image for image in images if not image.why_not]
    most = max((image.count for image in usable), default=0)
    return sorted(usable, key=lambda image: [value for value, _ in criteria(image, most)])


def others_sentence(ranking: Sequence[ImageTopic], how: str) -> str:
    """Returns which image is used and why the others are not, '' where there are none.

    how: what chooses another one.
    """
    if len(ranking) < 2:
        return ''
    most, best = max(image.count for image in ranking), ranking[0]
    reasons = []
    for other in ranking[1:]:
        pairs = zip(criteria(best, most), criteria(other, most), strict=True)
        why = next((name for (ours, _), (theirs, name) in pairs if ours != theirs), 'another view')
        reasons.append(f'{other.topic} ({why})')
    return (
        f'The camera is {best.topic}. Other image topics: {", ".join(reasons)}; {how} chooses '
        'another.'
    )


def camera_info_of(
    image: ImageTopic, infos: Sequence[InfoTopic], images: Collection[str]
) -> tuple[str, str]:
    """Finds the camera_info of an image.

    infos: all that there are; images: the other image topics, whose camera_info it is not.

    Returns:
        The topic, '' where there is none, and one sentence where its name alone does not tell.
    """
    by_name = {info.topic: info for info in infos}
    for name in camera_info_topics(image.topic):
        if name in by_name:
            return name, ''
    taken = {name for other in images for name in camera_info_topics(other)[:2]}
    of_size = [i for i in infos if image.size_px in (i.size_px, (0, 0)) or i.size_px == (0, 0)]
    of_frame = [i for i in of_size if image.frame_id and i.frame_id == image.frame_id]
    free = [info for info in of_size if info.topic not in taken]
    for found, why in ((of_frame, f'of frame {image.frame_id}'), (free, 'of this size')):
        if len(found) == 1 or (found and found is of_frame):
            best = max(found, key=lambda info: likeness(info.topic, image.topic))
            return best.topic, (
                f'camera_info of {image.topic} is taken from {best.topic}, the only one {why}.'
                if len(found) == 1
                else f'camera_info of {image.topic} is taken from {best.topic}, one {why}.'
            )
    return '', ''


def likeness(a: str, b: str) -> int:
    """Returns how many characters two names share from their beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(min(a, b)))
