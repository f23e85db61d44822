"""An output is computed only while somebody listens to it, down to the tensors of the network."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from mtscene_ros.types import CameraFrame

from .conftest import log_of
from .fleet import PER_FRAME, Fleet, info_of
from .inside import Inside

SEC = 10**9
INFO = info_of('', 64, 32, 64.0)
LABELS, CONFIDENCE = 'semantic_labels', 'semantic_confidence'
BOXES = ('boxes3d_scores', 'boxes3d_code')
PARTS = ('human_parts_labels', 'human_parts_confidence')
# topic → the tensors that it takes; 'scene' takes all but those of a user's own.
TENSORS: dict[str, tuple[str, ...]] = {
    'semantic/image': (LABELS, CONFIDENCE),
    'semantic/confidence': (LABELS, CONFIDENCE),
    'semantic/color': (LABELS, CONFIDENCE),
    'semantic/color/compressed': (LABELS, CONFIDENCE),
    'depth/image': ('depth',),
    'depth/camera_info': (),
    'points': ('depth', LABELS, CONFIDENCE),
    'normals/image': ('normals',),
    'boundary/image': ('boundary',),
    'saliency/image': ('saliency',),
    'parts/image': PARTS,
    'own/wetness/image': ('wetness',),
    'own/walkable/image': ('walkable_labels', 'walkable_confidence'),
    'detections_3d': BOXES,
    'detections_2d': BOXES,
    'scene': (LABELS, CONFIDENCE, *PARTS, 'depth', 'normals', 'boundary', 'saliency', *BOXES),
    'debug/overlay': (LABELS, CONFIDENCE, *BOXES),
    'debug/overlay/compressed': (LABELS, CONFIDENCE, *BOXES),
    'debug/markers': BOXES,
    'debug/frame_stats': (),
}


def heard(inside: Inside) -> list[str]:
    """Topics with somebody who listens."""
    publishers = inside.line.publishers['']
    return [topic for topic, p in publishers.items() if p.get_subscription_count()]


def test_the_table_names_every_topic() -> None:
    assert set(TENSORS) == set(PER_FRAME)


def test_each_output_alone(
    inside_of: Callable[..., Inside],
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
    dense_path: str,
) -> None:
    inside, fleet = inside_of(model=dense_path), fleet_of(('',), topics=())
    inside.connect(fleet, {'': INFO})
    for k, (topic, tensors) in enumerate(TENSORS.items()):
        inside.requested.clear()
        subscription = fleet.listen('', topic)
        fleet.wait(lambda topic=topic: heard(inside) == [topic])
        inside.show(fleet, '', frame.rgb, (k + 1) * SEC)
        assert inside.requested == [set(tensors)], topic
        fleet.wait(lambda topic=topic: bool(fleet.got['', topic]))
        fleet.node.destroy_subscription(subscription)
        fleet.wait(lambda: heard(inside) == [])
    inside.requested.clear()
    inside.show(fleet, '', frame.rgb, 100 * SEC)  # nobody listens
    assert inside.requested == []


def test_a_camera_that_nobody_listens_to_is_not_in_the_batch(
    inside_of: Callable[..., Inside], fleet_of: Callable[..., Fleet], frame: CameraFrame
) -> None:
    inside = inside_of(cameras=['front', 'left'])
    fleet = fleet_of(('front', 'left'), topics=())
    fleet.listen('front', 'semantic/image')
    fleet.listen('front', 'debug/frame_stats')
    inside.connect(fleet, dict.fromkeys(('front', 'left'), INFO))
    for camera in ('left', 'front'):
        inside.show(fleet, camera, frame.rgb, 5 * SEC)
    counts = {camera: inside.node._mailbox.counts(camera) for camera in ('front', 'left')}
    assert (counts['front'].published, counts['left'].dropped) == (1, 1)
    assert inside.requested == [{LABELS, CONFIDENCE}]


def test_idle_is_quiet_and_visible(
    start_node: Callable[..., subprocess.Popen[str]],
    fleet_of: Callable[..., Fleet],
    frame: CameraFrame,
) -> None:
    process, fleet = start_node(), fleet_of(('',), topics=())

    def says(message: str) -> bool:
        for k in range(20):  # images keep coming while somebody looks at the diagnostics
            fleet.infos[''].publish(INFO)
            fleet.show('', frame.rgb, (k + 1) * SEC)
            fleet.pause(0.03)
        status = fleet.status_of('camera')
        return bool((status.level, status.message) == (b'\0', message))

    fleet.wait(lambda: says('idle: no subscribers'))
    fleet.listen('', 'semantic/image')
    fleet.wait(lambda: says('running'))
    assert fleet.got['', 'semantic/image']
    log = log_of(process)
    assert log.count('idle: no subscribers') == 1
    assert log.count('awake: subscribers') == 1
