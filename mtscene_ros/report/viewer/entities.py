"""Converts messages of the camera and of the node to Rerun entities, for every source of data.

FRAME is the frame_id of the image, so that cameras are kept apart without any setting:
FRAME/camera (pinhole) with image, semantic, depth, parts, normals, boundary, saliency and their
truth; FRAME/boxes and FRAME/truth_boxes in the optical frame; FRAME/latency_ms/STAGE.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import rerun as rr
from numpy.typing import NDArray

from mtscene_ros.camera.draw import bright
from mtscene_ros.camera.outputs import (
    DEPTH_CAMERA_INFO,
    FRAME_STATS,
    label_info_topic,
    result_topic,
)
from mtscene_ros.recordings.class_names import classes_of
from mtscene_ros.recordings.node_results import pixels, result_of
from mtscene_ros.recordings.truth_topics import truth_label_info_topic, truth_topic
from mtscene_ros.report.viewer.layout import blueprint
from mtscene_ros.types import UNLABELED, Boxes3D, DepthMap, Intrinsics, LabelMap, SemanticClass

JPEG_QUALITY = 85
DEPTH_MAX_M = 80.0  # end of the colour scale
TRUTH_RGB = (200, 200, 200)
TIMELINE = 'stamp'

Show = Callable[['RerunLog', str, Any], None]  # (log, frame, message)


class RerunLog:
    """Logs messages to one Rerun stream, and adapts the layout to the entities logged so far.

    Messages may come from rclpy or rosbags, whose fields have the same names.
    """

    def __init__(self, stream: rr.RecordingStream, node: str = '/perception') -> None:
        self.stream, self.node = stream, node
        self.frames: dict[str, set[str]] = {}  # frame → names of its entities
        self.classes: dict[str, tuple[SemanticClass, ...]] = {}  # 'semantic', 'parts', … → classes
        self.sizes: dict[str, tuple[int, int]] = {}  # frame → (width, height) of its image
        self._contexts: dict[str, tuple[SemanticClass, ...]] = {}

    def show(self, topic: str, message: Any, *, is_image: bool = False, camera: str = '') -> bool:
        """Logs one message and returns whether its topic can be shown.

        is_image: the message is an image of a camera; camera: its name where its frame_id is also
        that of another one.
        """
        row = _image if is_image else self.row_of(topic)
        if row is None:
            return False
        stamp, frame = message.header.stamp, camera or message.header.frame_id or 'camera'
        seconds = np.datetime64(stamp.sec * 10**9 + stamp.nanosec, 'ns')
        self.stream.set_time(TIMELINE, timestamp=seconds)
        row(self, frame, message)
        return True

    def row_of(self, topic: str) -> Show | None:
        """Returns the function that logs a topic of the node or of the truth, None for others."""
        if topic in OF_TRUTH:
            return OF_TRUTH[topic]
        if not topic.startswith(f'{self.node}/'):
            return None
        return next((FROM_NODE[name] for name in FROM_NODE if topic.endswith(f'/{name}')), None)

    def log(self, frame: str, name: str, entity: Any, *more: Any, static: bool = False) -> None:
        """Logs an entity under a frame; a name that is new there is added to the layout."""
        self.stream.log(f'{frame}/{name}', entity, *more, static=static)
        if name not in self.frames.setdefault(frame, set()):
            self.frames[frame].add(name)
            if name in ('camera/image', 'camera', 'camera/depth', 'boxes', 'latency_ms/infer'):
                self.stream.send_blueprint(blueprint(self.frames))

    def log_context(self, frame: str, name: str, classes: tuple[SemanticClass, ...]) -> None:
        """Logs names and colours of a label image if they have changed."""
        where = f'{frame}/{name}'
        if self._contexts.get(where) != classes:
            self._contexts[where] = classes
            rows = [rr.AnnotationInfo(c.id, c.name, c.color_rgb) for c in classes]
            rows.append(rr.AnnotationInfo(UNLABELED, 'unknown', (0, 0, 0, 0)))
            self.stream.log(where, rr.AnnotationContext(rows), static=True)

    def fitting(self, frame: str, plane: NDArray[Any]) -> NDArray[Any]:
        """Resizes a map to its image, because with output_scale it is smaller."""
        size = self.sizes.get(frame, plane.shape[1::-1])
        if plane.shape[1::-1] == size:
            return plane
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST_EXACT))


def _image(rerun_log: RerunLog, frame: str, message: Any) -> None:
    rgb = pixels(message)
    rerun_log.sizes[frame] = (rgb.shape[1], rgb.shape[0])
    picture = rr.Image(np.ascontiguousarray(rgb)).compress(jpeg_quality=JPEG_QUALITY)
    rerun_log.log(frame, 'camera/image', picture)


def _classes(name: str, rerun_log: RerunLog, _: str, message: Any) -> None:
    rerun_log.classes[name] = classes_of(message)


def _labels(name: str, classes: str, rerun_log: RerunLog, frame: str, message: Any) -> None:
    labels = result_of('semantic', message, rerun_log.classes.get(classes, ()))
    assert isinstance(labels, LabelMap)
    rerun_log.log_context(frame, f'camera/{name}', labels.classes)
    image = rr.SegmentationImage(rerun_log.fitting(frame, labels.labels), opacity=0.5)
    rerun_log.log(frame, f'camera/{name}', image)


def _depth(name: str, rerun_log: RerunLog, frame: str, message: Any) -> None:
    depth = result_of('depth', message, ())
    assert isinstance(depth, DepthMap)
    known = np.where(
        np.isfinite(depth.depth_m), depth.depth_m, np.float32(0)
    )  # Rerun draws no point for 0
    image = rr.DepthImage(
        rerun_log.fitting(frame, known),
        meter=1.0,
        colormap='turbo',
        depth_range=(0.0, DEPTH_MAX_M),
    )
    rerun_log.log(frame, f'camera/{name}', image)


def _pinhole(rerun_log: RerunLog, frame: str, message: Any) -> None:
    k = message.k
    camera = Intrinsics(message.width, message.height, k[0], k[4], k[2], k[5])
    camera = camera.resized(*rerun_log.sizes.get(frame, (camera.width_px, camera.height_px)))
    rerun_log.stream.log(frame, rr.ViewCoordinates.RDF, static=True)
    pinhole = rr.Pinhole(
        focal_length=(camera.fx_px, camera.fy_px),
        # The origin of Rerun is the corner of the first pixel, that of ROS its centre.
        principal_point=(camera.cx_px + 0.5, camera.cy_px + 0.5),
        width=camera.width_px,
        height=camera.height_px,
        image_plane_distance=2.0,
    )
    rerun_log.log(frame, 'camera', pinhole)


def _boxes(name: str, rerun_log: RerunLog, frame: str, message: Any) -> None:
    boxes = result_of('boxes3d', message, ())
    assert isinstance(boxes, Boxes3D)
    kinds = [boxes.classes[i] for i in boxes.class_ids]
    named = [detection for detection in message.detections if detection.results]
    texts = [
        f'{kind.name} {found.id} {score:.2f}'.replace('  ', ' ')
        for kind, found, score in zip(kinds, named, boxes.scores, strict=True)
    ]
    truth = name == 'truth_boxes'
    entity = rr.Boxes3D(
        centers=boxes.centers_m,
        half_sizes=boxes.sizes_m / 2,
        quaternions=boxes.quaternions_xyzw,
        colors=[TRUTH_RGB if truth else bright(kind.color_rgb) for kind in kinds],
        labels=None if truth else texts,
        show_labels=not truth,
    )
    rerun_log.log(frame, name, entity)


def _normals(rerun_log: RerunLog, frame: str, message: Any) -> None:
    values = np.frombuffer(message.data, np.float32).reshape(message.height, message.width, 3)
    turned = 127.5 * (np.nan_to_num(values) * np.array([1, -1, -1], np.float32) + 1)
    rerun_log.log(
        frame, 'camera/normals', rr.Image(rerun_log.fitting(frame, turned.astype(np.uint8)))
    )


def _probability(name: str, rerun_log: RerunLog, frame: str, message: Any) -> None:
    kind = np.uint8 if message.encoding == 'mono8' else np.float32
    values = np.frombuffer(message.data, kind).reshape(message.height, message.width)
    levels = values if kind is np.uint8 else (255 * values.clip(0, 1)).astype(np.uint8)
    rerun_log.log(frame, f'camera/{name}', rr.Image(rerun_log.fitting(frame, levels)))


def _latency(rerun_log: RerunLog, frame: str, message: Any) -> None:
    times_ms = {stage.name: 1000 * stage.duration_s for stage in message.stages}
    if times_ms:  # a dropped frame has none
        times_ms['total'] = sum(times_ms.values())
    for stage, time_ms in times_ms.items():
        rerun_log.log(frame, f'latency_ms/{stage}', rr.Scalars(time_ms))


FROM_NODE: dict[str, Show] = {
    label_info_topic('semantic'): partial(_classes, 'semantic'),
    result_topic('semantic'): partial(_labels, 'semantic', 'semantic'),
    label_info_topic('human_parts'): partial(_classes, 'parts'),
    result_topic('human_parts'): partial(_labels, 'parts', 'parts'),
    DEPTH_CAMERA_INFO: _pinhole,
    result_topic('depth'): partial(_depth, 'depth'),
    result_topic('normals'): _normals,
    result_topic('boundary'): partial(_probability, 'boundary'),
    result_topic('saliency'): partial(_probability, 'saliency'),
    result_topic('boxes3d'): partial(_boxes, 'boxes'),
    FRAME_STATS: _latency,
}
OF_TRUTH: dict[str, Show] = {
    truth_label_info_topic('semantic'): partial(_classes, 'truth'),
    truth_topic('semantic'): partial(_labels, 'truth_semantic', 'truth'),
    truth_topic('depth'): partial(_depth, 'truth_depth'),
    truth_topic('boxes3d'): partial(_boxes, 'truth_boxes'),
}
