"""Turns what the node knows about itself into a diagnostic_msgs/DiagnosticArray."""

from __future__ import annotations

import difflib
import platform
import resource
import time
from collections.abc import Mapping
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from mtscene_ros.camera.camera_frames import Level
from mtscene_ros.camera.mailbox import Mailbox
from mtscene_ros.ros import offers
from mtscene_ros.ros.camera_input import CameraInput
from mtscene_ros.ros.camera_state import CameraState
from mtscene_ros.ros.loading import Loading
from mtscene_ros.ros.pipeline import Pipeline

MISSING_S = 2.0  # an input that is silent for longer counts as missing
NEAR = 5  # other topics that a sentence names
FAILING = 3  # failed images in a row that make an ERROR


def status(name: str, level: Level, message: str, values: Mapping[str, str]) -> DiagnosticStatus:
    """Returns one entry; the message wants the level as a byte."""
    entry = DiagnosticStatus(name=name, message=message, level=bytes([level]))
    entry.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return entry


def model_status(
    name: str, pipeline: Pipeline | None, loading: Loading | None, error: str = ''
) -> DiagnosticStatus:
    """Returns the entry about the model: which one runs, how far loading is, or why there is none.

    error: why there is none, or what is wrong with the one that runs.
    """
    if pipeline is None:
        if loading is None:
            level = Level.ERROR if error else Level.OK
            return status(f'{name}: model', level, error or 'no model: unconfigured', {})
        text = f'loading: {loading.phase} {100 * loading.share:.0f} %'
        return status(f'{name}: model', Level.WARN, text, {'model file': loading.model})
    backend, spec = pipeline.estimator.backend, pipeline.estimator.spec
    values = {
        'model': f'{spec.name} {spec.version}',
        'tasks': ', '.join(pipeline.estimator.decoders),
        'backend': backend.description,
        'precision': backend.precision,
        **backend.details,
        **memory(),
    }
    if loading is not None and not loading.error:
        values['next model'] = f'{loading.model}: {loading.phase} {100 * loading.share:.0f} %'
    level, text = (Level.ERROR, error) if error else (Level.OK, backend.description)
    return status(f'{name}: model', level, text, values)


def memory() -> dict[str, str]:
    """Returns the memory of this process; constant once every camera has sent an image."""
    resident_kb = Path('/proc/self/status').read_text().split('VmRSS:')[1].split()[0]
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        'resident memory': f'{int(resident_kb) / 1e3:.0f} MB',
        'peak resident memory': f'{peak_kb / 1e3:.0f} MB',
    }


def qos_status(name: str, sentences: list[str]) -> DiagnosticStatus:
    """Returns one entry, also where everything fits, so that the end of a problem shows."""
    level, text = (Level.WARN, ' '.join(sentences)) if sentences else (Level.OK, 'compatible')
    return status(f'{name}: quality of service', level, text, {})


def camera_status(
    name: str, camera: str, state: CameraState, mailbox: Mailbox[bytes], missing: str, idle: str
) -> DiagnosticStatus:
    """Returns counts, latencies and what is wrong.

    missing: a sentence about absent input, or ''; idle: why nothing is computed, or ''.
    """
    counts, now_s = mailbox.counts(camera), time.monotonic()
    values = {
        'received': str(counts.received),
        'published': str(counts.published),
        'dropped': str(counts.dropped),
        'failed': str(counts.failed),
        'received, Hz': f'{state.received.per_second(counts.received, now_s):.1f}',
        'published, Hz': f'{state.published.per_second(counts.published, now_s):.1f}',
        'image topic': state.input.image_topic,
        'camera_info topic': state.input.info_topic,
        'last error': state.last_error,
        'reach': state.reach,
    }
    stages = state.latencies.percentiles()
    for stage, p in stages.items():
        seconds = (p.p50_s, p.p95_s, p.p99_s)
        values[f'{stage} p50/p95/p99, ms'] = ' / '.join(f'{1e3 * s:.1f}' for s in seconds)
    for signal, raised in state.alarms.states:
        alarm = ', alarm' if raised else ''
        values[f'signal {signal.name}'] = f'{signal.value:.3g} of {signal.limit:.3g}{alarm}'
    if state.stopped:
        values['stopped by gate.mode'] = str(state.stopped)
    period_ns = mailbox.policy.min_period_ns
    if missing or idle or mailbox.behind_ns(camera):
        state.load.reset()
    else:
        state.load.update(counts, now_s, 1e9 / period_ns if period_ns else 0.0, stages)
    level, message = verdict(state, mailbox.behind_ns(camera), missing, idle)
    title = f'{name}: camera {camera}' if camera else f'{name}: camera'
    entry = status(title, level, message, values)
    entry.hardware_id = state.input.image_topic
    return entry


def verdict(state: CameraState, behind_ns: int, missing: str, idle: str) -> tuple[Level, str]:
    """Returns the worst finding; being idle outranks everything that concerns single images."""
    if missing:
        return Level.WARN, missing
    if idle:
        return Level.OK, f'idle: {idle}'
    found: list[tuple[Level, str]] = []
    if behind_ns:  # before the remarks, which are about an earlier image, for this one was dropped
        text = (
            f'images lie {behind_ns / 1e6:.0f} ms before those of other cameras and are dropped; '
            'raise sync.max_skew_ms or set the clock right.'
        )
        found.append((Level.WARN, text))
    found += [(remark.level, remark.text) for remark in state.remarks]
    if state.failed_in_a_row:
        level = Level.ERROR if state.failed_in_a_row >= FAILING else Level.WARN
        found.append((level, state.last_error))
    if state.load.sentence:
        found.append((Level.WARN, state.load.sentence))
    if state.health.level:
        p95_s = max((p.p95_s for p in state.latencies.percentiles('latency').values()), default=0)
        text = f'frames take {1e3 * p95_s:.0f} ms (p95), longer than diagnostics.max_latency_ms'
        found.append((state.health.level, text))
    worst = max(found, key=lambda each: each[0], default=(Level.OK, ''))
    return worst if worst[0] else (Level.OK, 'running')


def missing_input(node: Node, camera: CameraInput, silent_s: float | None) -> str:
    """Returns one sentence on the missing input and on who publishes similar topics, or ''.

    silent_s: seconds since the last image, None before the first.
    """
    if camera.why_searching:
        return camera.why_searching
    if silent_s is None or silent_s > MISSING_S:
        return missing_topic(node, camera.image_topic, camera.image_kind, 'image')
    if not camera.has_camera_info:
        return missing_topic(node, camera.info_topic, 'sensor_msgs/msg/CameraInfo', 'camera_info')
    return ''


def missing_topic(node: Node, topic: str, kind: str, what: str) -> str:
    """Returns who publishes such messages elsewhere, the most similar names first."""
    here = node.count_publishers(topic)
    if here:
        return (
            f'no {what} on {topic}, though it has {publishers(here)}: check their QoS and rate; '
            'from another user only UDP arrives (config/fastdds_udp.xml).'
        )
    other = {  # the same images with the other transport
        'sensor_msgs/msg/Image': 'sensor_msgs/msg/CompressedImage',
        'sensor_msgs/msg/CompressedImage': 'sensor_msgs/msg/Image',
    }.get(kind, kind)
    kinds = offers.published_topics(node, (kind, other))
    names = sorted(kinds, key=lambda name: -difflib.SequenceMatcher(None, name, topic).ratio())
    found = [
        f'{name} has {publishers(node.count_publishers(name))}'
        + ('' if kinds[name] == kind else f' of {other.rsplit("/", 1)[1]} (see image_transport)')
        for name in names[:NEAR]
    ]
    return f'no {what} on {topic}; {"; ".join(found) or f"nobody publishes {kind}"}.'


def publishers(count: int) -> str:
    """1 → 'one publisher'."""
    return 'one publisher' if count == 1 else f'{count} publishers'


def array(node: Node, entries: list[DiagnosticStatus]) -> DiagnosticArray:
    """Returns the message, stamped now: diagnostics describe the present, not an image.

    The hardware of an entry that names none is this machine; that of a camera is its topic.
    """
    for entry in entries:
        entry.hardware_id = entry.hardware_id or platform.node() or 'unnamed machine'
    message = DiagnosticArray(status=entries)
    message.header.stamp = node.get_clock().now().to_msg()
    return message
