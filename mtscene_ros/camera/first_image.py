"""What the first image of a topic says of the topic: what it holds, and whether it can be used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.camera_rank import ImageTopic
from mtscene_ros.camera.image_headers import is_grey_file, kind_of
from mtscene_ros.camera.images import (
    ENCODINGS,
    MEASURED,
    MOSAICS,
    ImageError,
    original_encoding,
    rgb_from_compressed,
    rgb_from_image,
)
from mtscene_ros.camera.messages import Message


def described(
    topic: str, message: Message, data: NDArray[np.uint8], *, is_compressed: bool
) -> ImageTopic:
    """Returns what one image says of its topic.

    message: sensor_msgs/Image or CompressedImage of any class; data: (n,) its bytes.
    """
    encoding = original_encoding(message.format) if is_compressed else message.encoding
    size_px, why_not, is_grey = (0, 0), '', False
    try:
        if is_compressed:
            is_grey = is_grey_file(data.tobytes())
            size_px = rgb_from_compressed(message.format, data).shape[1::-1]
            why_not = measured(encoding, data)
        else:
            m = message
            args = (encoding, m.width, m.height, m.step, bool(m.is_bigendian), data)
            size_px = rgb_from_image(*args).shape[1::-1]
    except ImageError as error:
        why_not = str(error)
        if encoding not in ENCODINGS and not is_compressed:
            measures = 'depth or another measurement, ' if encoding.lower() in MEASURED else ''
            why_not = f'{measures}encoding {encoding}'
    frame_id = str(message.header.frame_id)
    return ImageTopic(topic, is_compressed, encoding, is_grey, frame_id, size_px, 0, '', why_not)


def measured(encoding: str, data: NDArray[np.uint8]) -> str:
    """Returns why a PNG that can be read is depth all the same, '' where it is a picture."""
    raw = data.tobytes()
    is_wide = kind_of(raw) == 'png' and raw[24] == 16 and is_grey_file(raw)
    if is_wide and encoding not in MOSAICS:
        return 'one channel of 16 bits, which is depth or another measurement'
    return ''
