"""Serialized images → messages whose pixels need not be copied, within limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from mtscene_ros.camera.images import ENCODINGS, MAX_PIXELS, MEASURED, ImageError
from mtscene_ros.ros.cdr import image_view
from mtscene_ros.ros.parameter_values import NodeParams


@dataclass(frozen=True, slots=True)
class InputLimits:
    """Longer messages and larger images are refused before they cost memory."""

    max_message_bytes: int = 256_000_000
    max_pixels: int = MAX_PIXELS


def limits_of(params: NodeParams) -> InputLimits:
    """Returns the limits that the node's parameters set."""
    return InputLimits(round(1e6 * params.max_message_mb), round(1e6 * params.max_image_mpx))


def message_of(
    serialized: bytes, kind: type[Image] | type[CompressedImage], limits: InputLimits
) -> tuple[Any, NDArray[np.uint8] | None]:
    """Returns the message, and (n,) uint8 of its data where they are not a plain array in it.

    Raises ImageError.
    """
    if len(serialized) > limits.max_message_bytes:
        raise ImageError(
            f'An image message has {len(serialized)} bytes, more than max_message_mb allows '
            f'({limits.max_message_bytes}); raise the parameter or send smaller images.'
        )
    found = image_view(serialized) if kind is Image else None
    if found is not None:
        is_known = found[0].encoding in ENCODINGS or found[0].encoding.lower() in MEASURED
        return found if is_known else converted(serialized) or found
    try:
        message = deserialize_message(serialized, kind)
    except (RuntimeError, MemoryError) as error:  # the middleware's own error is a RuntimeError
        raise ImageError(
            f'A message of {len(serialized)} bytes is not a sensor_msgs/msg/{kind.__name__} '
            f'({error}); check what publishes on this topic.'
        ) from None
    return message, copied(message.data)


def converted(serialized: bytes) -> tuple[Any, NDArray[np.uint8]] | None:
    """Returns an image of an encoding that is not known here as rgb8 by cv_bridge, None where that
    is not installed or does not know it either."""
    try:
        from cv_bridge import CvBridge
    except Exception:  # not installed, or built for another NumPy
        return None
    message = deserialize_message(serialized, Image)
    try:
        rgb = np.ascontiguousarray(CvBridge().imgmsg_to_cv2(message, 'rgb8'), np.uint8)
    except Exception:  # of its own kinds; our own sentence names the encoding
        return None
    height, width = rgb.shape[:2]
    made = Image(header=message.header, height=height, width=width, encoding='rgb8')
    made.step = 3 * width
    return made, rgb.reshape(-1)


def copied(data: Any) -> NDArray[np.uint8] | None:
    """Returns a copy of bytes that lie in another memory, such as a GPU's, None for rclpy's array.

    ROS 2 Lyrical has a class for such bytes, rosidl_buffer.Buffer.
    """
    return np.frombuffer(data.to_bytes(), np.uint8) if hasattr(data, 'to_bytes') else None
