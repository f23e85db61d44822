"""What the node knows about itself → diagnostic_msgs/DiagnosticArray."""

from __future__ import annotations

import resource
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from mtscene_ros.mailbox import Counts
from mtscene_ros.ros.camera import CameraInput
from mtscene_ros.ros.loading import Loading
from mtscene_ros.ros.worker import CameraState, Line
from mtscene_ros.statistics import Level

MISSING_S = 2.0  # without an image or camera_info


def status(name: str, level: Level, message: str, values: Mapping[str, str]) -> DiagnosticStatus:
    """One entry; level as the byte that the message wants."""
    entry = DiagnosticStatus(name=name, message=message, level=bytes([level]))
    entry.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return entry


def model_status(name: str, line: Line | None, loading: Loading | None) -> DiagnosticStatus:
    """The model that runs, or how far its loading is."""
    if line is None:
        if loading is None:
            return status(f'{name}: model', Level.OK, 'no model: unconfigured', {})
        if loading.error:
            return status(f'{name}: model', Level.ERROR, loading.error, {})
        told = f'loading: {loading.phase} {100 * loading.share:.0f} %'
        return status(f'{name}: model', Level.WARN, told, {'model file': loading.model})
    backend, spec = line.estimator.backend, line.estimator.spec
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    values = {
        'model': f'{spec.name} {spec.version}',
        'tasks': ', '.join(line.estimator.decoders),
        'backend': backend.description,
        'precision': backend.precision,
        **backend.details,
        'peak resident memory': f'{peak_mb:.0f} MB',
    }
    if loading is not None and not loading.error:
        values['next model'] = f'{loading.model}: {loading.phase} {100 * loading.share:.0f} %'
    return status(f'{name}: model', Level.OK, backend.description, values)


def camera_status(
    name: str, camera: str, state: CameraState, counts: Counts, missing: str
) -> DiagnosticStatus:
    """Counts, latencies and what is wrong. missing: a sentence about absent input, or ''."""
    values = {
        'received': str(counts.received),
        'published': str(counts.published),
        'dropped': str(counts.dropped),
        'failed': str(counts.failed),
        'image topic': state.input.image_topic,
        'camera_info topic': state.input.info_topic,
        'last error': state.last_error,
    }
    for stage, p in state.latencies.percentiles().items():
        seconds = (p.p50_s, p.p95_s, p.p99_s)
        values[f'{stage} p50/p95/p99, ms'] = ' / '.join(f'{1e3 * s:.1f}' for s in seconds)
    level, message = state.health.level, 'running'
    if level != Level.OK:
        message = 'frames take longer than diagnostics.max_latency_ms'
    if missing:
        level, message = max(level, Level.WARN), missing
    elif state.is_idle:
        level, message = Level.OK, 'idle: no subscribers'
    title = f'{name}: camera {camera}' if camera else f'{name}: camera'
    return status(title, level, message, values)


def missing_input(node: Node, camera: CameraInput, silent_s: float | None) -> str:
    """Which input does not come and who publishes what on near topics, in one sentence, or ''.

    silent_s: since the last image, None before the first.
    """
    if silent_s is None or silent_s > MISSING_S:
        return missing_topic(node, camera.image_topic, camera.image_kind, 'image')
    if not camera.has_camera_info:
        return missing_topic(node, camera.info_topic, 'sensor_msgs/msg/CameraInfo', 'camera_info')
    return ''


def missing_topic(node: Node, topic: str, kind: str, what: str) -> str:
    here = node.count_publishers(topic)
    if here:
        return f'no {what} on {topic}, though it has {publishers(here)}: check their QoS and rate.'
    found = [
        (name, node.count_publishers(name))
        for name, types in node.get_topic_names_and_types()
        if kind in types and not name.startswith(f'{node.get_fully_qualified_name()}/')
    ]
    others = [f'{name} has {publishers(count)}' for name, count in found if count]
    return f'no {what} on {topic}; {"; ".join(others) or f"nobody publishes {kind}"}.'


def publishers(count: int) -> str:
    """'one publisher'."""
    return 'one publisher' if count == 1 else f'{count} publishers'


def array(node: Node, entries: list[DiagnosticStatus]) -> DiagnosticArray:
    """Stamped now: diagnostics are about the present, not about an image."""
    message = DiagnosticArray(status=entries)
    message.header.stamp = node.get_clock().now().to_msg()
    return message
