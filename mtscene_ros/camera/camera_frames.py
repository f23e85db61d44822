"""Image and camera_info messages of one camera → frames, for the node and for recordings alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.camera_info import doubt_about, either, intrinsics_from_camera_info
from mtscene_ros.camera.image_topics import says_rectified
from mtscene_ros.camera.images import MAX_PIXELS, guesses, rgb_from_compressed, rgb_from_image
from mtscene_ros.camera.messages import Message
from mtscene_ros.camera.rectify import Distortion, DistortionError, Rectifier
from mtscene_ros.types import CameraFrame, Intrinsics


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that limits the use of an image.

    level: of the diagnostic, where OK means one line in the log; text: one sentence.
    """

    level: Level
    text: str


# The words of the parameter input_is_rectified → is_rectified of CameraFrames.
RECTIFIED: dict[str, bool | None] = {'auto': None, 'true': True, 'false': False}


class CameraFrames:
    """Makes frames from the messages of one camera; set `info` to the newest camera_info.

    name: of the camera; info_topic: for messages to the user; is_rectified: whether the images are
    free of distortion, None to find out (see `rectification`); max_pixels: the largest image that
    is accepted; image_topic: whose name may say that its images are rectified.
    """

    def __init__(
        self,
        name: str,
        info_topic: str,
        is_rectified: bool | None = None,
        max_pixels: int = MAX_PIXELS,
        image_topic: str = '',
    ) -> None:
        self._max_pixels = max_pixels
        self._name, self.info_topic, self.image_topic = name, info_topic, image_topic
        self._is_rectified = is_rectified
        self.info: Message | None = None
        self._rectifier: Rectifier | None = None
        self._judged: tuple[tuple[object, ...], Judged] | None = None  # of the last camera_info

    def frame(
        self, message: Message, data: NDArray[np.uint8] | None = None
    ) -> tuple[CameraFrame, list[Remark]]:
        """Converts an image message and finds what limits its use.

        Pixels are copied only if the encoding is not rgb8 or the lens distorts.

        Args:
            message: sensor_msgs/Image or CompressedImage.
            data: (n,) uint8, the pixels' bytes if they are not in the message.

        Returns:
            The frame, undistorted if needed, and remarks about it. Without usable intrinsics,
            `CameraFrame.intrinsics` is None and a remark says why.

        Raises:
            ImageError: the image cannot be used.
        """
        frame = frame_from_image(message, None, self._name, data, self._max_pixels)
        remarks = [Remark(Level.OK, text) for text in guesses(message) if text]
        if not frame.frame_id:
            text = 'The image has an empty frame_id, so no 3D output; set it in the driver.'
            return frame, [*remarks, Remark(Level.ERROR, text)]
        if self.info is None:
            text = (
                f'No camera_info on {self.info_topic} yet, so no depth and no boxes; '
                'publish it or remap camera_info.'
            )
            return frame, [*remarks, Remark(Level.WARN, text)]
        if self.info.header.frame_id != frame.frame_id:
            text = (
                f'camera_info has frame_id {self.info.header.frame_id!r}, the image '
                f'{frame.frame_id!r}; the image wins.'
            )
            remarks.append(Remark(Level.OK, text))
        return self._calibrated(frame, self.info, remarks)

    def _calibrated(
        self, frame: CameraFrame, info: Message, remarks: list[Remark]
    ) -> tuple[CameraFrame, list[Remark]]:
        """Adds the intrinsics, and undistorts the image where that is needed."""
        height_px, width_px = frame.rgb.shape[:2]
        key = (*contents(info), self.image_topic, width_px, height_px)
        if self._judged is None or self._judged[0] != key:
            found = judged(info, self.image_topic, self._is_rectified, (width_px, height_px))
            self._judged = key, found
        found = self._judged[1]
        remarks = [*remarks, *found.remarks]
        if found.intrinsics is None:
            return frame, remarks
        frame = replace(frame, intrinsics=found.intrinsics)
        if found.distortion.is_none:
            return frame, remarks
        return self._undistorted(frame, found.intrinsics, found.distortion, remarks)

    def _undistorted(
        self,
        frame: CameraFrame,
        intrinsics: Intrinsics,
        distortion: Distortion,
        remarks: list[Remark],
    ) -> tuple[CameraFrame, list[Remark]]:
        known = self._rectifier
        try:
            if known is None or (known.intrinsics, known.distortion) != (intrinsics, distortion):
                self._rectifier = known = Rectifier(intrinsics, distortion)
        except DistortionError as error:
            return replace(frame, intrinsics=None), [*remarks, Remark(Level.WARN, str(error))]
        return replace(frame, rgb=known(frame.rgb), unseen=known.unseen), remarks


@dataclass(frozen=True, slots=True)
class Judged:
    """What a camera_info means for images of one size; distortion: what has to be removed."""

    intrinsics: Intrinsics | None
    distortion: Distortion
    remarks: tuple[Remark, ...]


def contents(info: Message) -> tuple[object, ...]:
    """Returns everything that counts in a camera_info, to be compared with that of the last."""
    arrays = (np.asarray(either(info, name)).tobytes() for name in 'dkp')
    roi = info.roi
    part = roi.x_offset, roi.y_offset, roi.width, roi.height
    sizes = info.width, info.height, info.binning_x, info.binning_y
    return *arrays, info.distortion_model, *sizes, *part


def judged(
    info: Message, image_topic: str, is_rectified: bool | None, size_px: tuple[int, int]
) -> Judged:
    """Judges a camera_info; arguments as of CameraFrames; size_px: width and height of images."""
    takes_p, text = rectification(info, image_topic, is_rectified)
    intrinsics, why_not = intrinsics_from_camera_info(info, *size_px, takes_p)
    distortion = Distortion('', ()) if takes_p else distortion_of(info)
    if intrinsics is None:
        return Judged(None, distortion, (Remark(Level.WARN, why_not),))
    texts = (Level.OK, text), (Level.WARN, doubt_about(info, takes_p))
    return Judged(intrinsics, distortion, tuple(Remark(*one) for one in texts if one[1]))


def distortion_of(info: Message) -> Distortion:
    """Reads model and D of a camera_info."""
    return Distortion(info.distortion_model, tuple(map(float, either(info, 'd'))))


def rectification(info: Message, image_topic: str, is_rectified: bool | None) -> tuple[bool, str]:
    """Decides whether images are taken as rectified.

    info: the camera_info; image_topic: '' where it is not known; is_rectified: what the user says,
    None to decide: they are where D is zero, K is empty, or the topic's name says so.

    Returns:
        Whether they are, and one sentence where that deserves attention, otherwise ''.
    """
    if distortion_of(info).is_none:
        return is_rectified is not False, ''
    if is_rectified is False:
        return False, ''
    has_name = bool(image_topic) and says_rectified(image_topic)
    named = image_topic or 'the image topic'
    if is_rectified:
        return True, '' if has_name else (
            f'D of camera_info is not zero, but the images on {named} are taken as rectified; if '
            'they are not, set input_is_rectified to auto or false (mtscene evaluate: leave out '
            '--rectified).'
        )
    if has_name or (either(info, 'k')[0] == 0 and either(info, 'p')[0] != 0):
        return True, ''
    return False, (
        f'D of camera_info is not zero, so the images on {named} are undistorted and all results '
        'fit the undistorted image; if they are rectified already, set input_is_rectified to true '
        '(mtscene evaluate: --rectified).'
    )


def frame_from_image(
    message: Message,
    intrinsics: Intrinsics | None,
    camera: str,
    data: NDArray[np.uint8] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> CameraFrame:
    """Converts an image message to a frame.

    Args:
        message: sensor_msgs/Image or CompressedImage.
        intrinsics: for an image of this size, or None.
        camera: name of the camera.
        data: (n,) uint8, the pixels' bytes if they are not in the message.
        max_pixels: the largest image that is accepted.

    Returns:
        The frame, with the message's stamp and frame_id.

    Raises:
        ImageError: the image cannot be used.
    """
    if data is None:
        data = np.frombuffer(message.data, np.uint8)
    if hasattr(message, 'format'):
        rgb = rgb_from_compressed(message.format, data, max_pixels)
    else:
        rgb = rgb_from_image(
            message.encoding,
            message.width,
            message.height,
            message.step,
            bool(message.is_bigendian),
            data,
            max_pixels,
        )
    stamp = message.header.stamp
    return CameraFrame(
        rgb, intrinsics, stamp.sec * 10**9 + stamp.nanosec, message.header.frame_id, camera
    )


class Level(IntEnum):
    """The levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
