"""Whatever holds images → one image after the other: pictures, videos, cameras, recordings.

Every source gives the same: a name, a time and a function that decodes the image, so that images
that are skipped cost next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from glob import glob, has_magic
from itertools import takewhile
from pathlib import Path

from mtscene_ros.camera.camera_frames import CameraFrames
from mtscene_ros.camera.image_headers import kind_of
from mtscene_ros.camera.image_topics import camera_info_topic
from mtscene_ros.camera.photograph import frame_of_photograph
from mtscene_ros.recordings import videos
from mtscene_ros.recordings.bags import open_bag
from mtscene_ros.recordings.camera_choice import RecordedCamera, camera_of
from mtscene_ros.terminal import plural
from mtscene_ros.types import CameraFrame

Tell = Callable[[str], None]

PICTURES = {'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm', '.jp2'}
VIDEOS = {'.mp4', '.mov', '.m4v', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.ts', '.wmv', '.flv'}
RECORDINGS = {'.mcap', '.db3', '.bag'}
HEADER_BYTES = 64


class SourceError(ValueError):
    """A source cannot be used; the message is one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceImage:
    """One image of a source.

    name: of what is written for it; time_s: since the beginning of the source, 0 for a picture;
    read: decodes the image, only until the next one is asked for, and raises ImageError.
    """

    name: str
    time_s: float
    read: Callable[[], CameraFrame]


Images = Generator[SourceImage, None, None]  # closing it closes the file or the camera


@dataclass(frozen=True, slots=True, eq=False)
class ImageSource:
    """Images that belong together.

    name: of what is written for all of them; is_moving: whether they are one video; images: reads
    from the beginning, and passes a sentence on for what is odd; total: number of images, None
    where nobody knows it; rate_hz: mean of the images; fastest_hz: the highest rate, 0 for the
    same.
    """

    name: str
    is_moving: bool
    images: Callable[[Tell], Images]
    total: int | None
    rate_hz: float = 1.0
    fastest_hz: float = 0.0


def sources_of(places: Sequence[str], topic: str = '') -> list[ImageSource]:
    """Finds out what the user has named.

    Args:
        places: files, folders, globs, addresses of streams, numbers or devices of cameras.
        topic: image topic of the recordings, '' for the most likely one.

    Returns:
        One source for all pictures, and one for everything else, in the given order.

    Raises:
        SourceError: there is no such thing, or it holds no images.
        BagError: the recording cannot be read.
    """
    found: list[ImageSource] = []
    pictures: list[Path] = []
    for place in places:
        if videos.is_live(place):
            found.append(live_source(place))
            continue
        for path in paths_of(place):
            if is_picture(path):
                pictures.append(path)
            else:
                found.append(file_source(path, topic))
    return [pictures_source(pictures), *found] if pictures else found


def paths_of(place: str) -> list[Path]:
    """Returns a file, the pictures of a folder, or what a glob finds. Raises SourceError."""
    path = Path(place)
    if has_magic(place) and not path.exists():
        found = natural(Path(name) for name in glob(place, recursive=True))
        if not found:
            raise SourceError(f'Nothing matches {place!r}; check the path.')
        return [p for p in found if not p.is_dir()] or found
    if not path.exists():
        raise SourceError(f'There is no file, folder or camera {place!r}; check the path.')
    if not path.is_dir() or is_recording(path):
        return [path]
    found = natural(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
    if not found:
        held = len([p for p in path.iterdir() if p.suffix.lower() in VIDEOS])
        hint = f'; its {plural(held, "video")} can be named one by one' if held else ''
        raise SourceError(
            f'The folder {place!r} holds no pictures ({", ".join(sorted(PICTURES))}){hint}.'
        )
    return found


def natural(paths: Iterable[Path]) -> list[Path]:
    """Sorts as people count: 2.png before 10.png."""
    return sorted(paths, key=lambda path: [_rank(t) for t in re.findall(r'\d+|\D+', str(path))])


def _rank(part: str) -> tuple[bool, int, str]:
    return (False, int(part), part) if part.isdecimal() else (True, 0, part)


def is_recording(path: Path) -> bool:
    """Whether a path is a ROS recording: a file of its suffix, or a folder of rosbag2."""
    if path.is_dir():
        return any(p.suffix in ('.mcap', '.db3') for p in path.iterdir())
    return path.suffix.lower() in RECORDINGS


def is_picture(path: Path) -> bool:
    """By its suffix, and for others by its first bytes."""
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in VIDEOS | RECORDINGS:
        return False
    if suffix in PICTURES:
        return True
    with path.open('rb') as file:
        return bool(kind_of(file.read(HEADER_BYTES)))


# -- one function per kind of source -------------------------------------------------------------


def pictures_source(paths: Sequence[Path]) -> ImageSource:
    """Pictures in the given order, each with a name of its own."""

    def images(_: Tell) -> Images:
        for path, name in zip(paths, unique_names(paths), strict=True):
            yield SourceImage(name, 0.0, partial(frame_of_photograph, path))

    return ImageSource('pictures', False, images, len(paths))


def unique_names(paths: Sequence[Path]) -> list[str]:
    """Returns a name for each file: its stem, with a number from the second of a name on."""
    found: list[str] = []
    taken: set[str] = set()
    for path in paths:
        tries = (path.stem if n == 1 else f'{path.stem}-{n}' for n in range(1, len(paths) + 2))
        name = next(name for name in tries if name not in taken)
        taken.add(name)
        found.append(name)
    return found


def live_source(place: str) -> ImageSource:
    """A webcam or a stream: the newest image wins."""
    name = re.sub(r'\W+', '_', place.split('@')[-1]).strip('_')

    def images(tell: Tell) -> Images:
        with closing(videos.live_images(place, tell)) as found:
            for i, (time_s, read) in enumerate(found):
                yield SourceImage(f'{name}_{i:06d}', time_s, read)

    return ImageSource(name, True, images, None, videos.LIVE_RATE_HZ)


def file_source(path: Path, topic: str) -> ImageSource:
    """A recording or a video. Raises SourceError and BagError."""
    if is_recording(path):
        return recording_source(path, topic)
    about = videos.about(path)
    if about is None:
        raise SourceError(
            f'{str(path)!r} is neither a picture nor a recording nor a video that can be read; an '
            'MP4 file whose recording was interrupted lacks its index and has to be repaired.'
        )

    def images(tell: Tell) -> Images:
        for i, (time_s, read) in enumerate(videos.file_images(path, about, tell)):
            yield SourceImage(f'{path.stem}_{i:06d}', time_s, read)

    return ImageSource(path.stem, True, images, about.frames, about.mean_hz, about.rate_hz)


def recording_source(path: Path, topic: str = '') -> ImageSource:
    """The most likely camera of a recording, or the one of `topic`. Raises BagError."""
    with open_bag(path) as reader:
        camera = camera_of(reader, path.name)
        if topic and topic not in (camera.topic, *camera.others):
            known = ', '.join((camera.topic, *camera.others))
            raise SourceError(f'{path} has no camera images on {topic}; it has {known}.')
        if topic:
            camera = camera_of(reader, path.name, topic)
        total = reader.topics[camera.topic].msgcount
    rate_hz = max(total - 1, 1) / camera.duration_s if camera.duration_s > 0 else 1.0

    def images(tell: Tell) -> Images:
        for note in camera.notes:
            tell(note.replace('--image TOPIC', '--topic TOPIC'))
        return recorded_images(path, camera, tell)

    return ImageSource(path.stem, True, images, total, rate_hz)


def recorded_images(path: Path, camera: RecordedCamera, tell: Tell) -> Images:
    """Yields the images of one camera; those before the first camera_info have that one."""
    topic, info = camera.topic, camera.info
    frames = CameraFrames('', info or camera_info_topic(topic), image_topic=topic)

    def read(raw: bytes, kind: str) -> CameraFrame:
        frame, remarks = frames.frame(reader.deserialize(raw, kind))
        for remark in remarks if frames.info is not None else ():
            tell(remark.text)
        return frame

    with open_bag(path) as reader:
        of_info = [c for c in reader.connections if c.topic == info]
        for connection, _, raw in reader.messages(of_info) if of_info else ():
            frames.info = reader.deserialize(raw, connection.msgtype)
            break
        wanted = [c for c in reader.connections if c.topic in (topic, info)]
        start_ns, i = None, 0
        for connection, at_ns, raw in reader.messages(wanted):
            if connection.topic == info:
                frames.info = reader.deserialize(raw, connection.msgtype)
                continue
            start_ns = at_ns if start_ns is None else start_ns
            time_s = (at_ns - start_ns) * 1e-9
            yield SourceImage(
                f'{path.stem}_{i:06d}', time_s, partial(read, raw, connection.msgtype)
            )
            i += 1


def chosen(
    images: Iterator[SourceImage], every: int, start_s: float, duration_s: float | None
) -> Iterator[SourceImage]:
    """Yields every n-th image from start_s on, for duration_s; None for all that follow."""
    end_s = float('inf') if duration_s is None else start_s + duration_s
    late = (image for image in images if image.time_s >= start_s)
    for k, image in enumerate(takewhile(lambda found: found.time_s < end_s, late)):
        if k % every == 0:
            yield image
