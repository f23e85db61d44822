"""Lays out the viewer: labels and boxes on the image, depth, 3D scene and latency of each camera.

Ground truth, if there is any, is in a tab.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import rerun.blueprint as rrb

SIDES = (rrb.BlueprintPanel, rrb.SelectionPanel)
# Looks from behind and above the camera to a point 15 m ahead, in the optical frame.
EYE = rrb.EyeControls3D(position=(0, -6, -9), look_target=(0, 0, 15), eye_up=(0, -1, 0))
MAPS = ('parts', 'normals', 'boundary', 'saliency')


def blueprint(frames: Mapping[str, Collection[str]]) -> rrb.Blueprint:
    """Returns the layout; frames: frame → names of its entities."""
    cameras = [_camera(frame, names) for frame, names in sorted(frames.items())]
    several = rrb.Tabs(*cameras) if len(cameras) > 1 else None
    panels = [panel(state='collapsed') for panel in (rrb.TimePanel, *SIDES)]
    return rrb.Blueprint(several or cameras[0], *panels)


def _camera(frame: str, names: Collection[str]) -> rrb.Horizontal:
    images = [_flat(frame, 'labels and boxes', ('camera/image', 'camera/semantic', 'boxes'))]
    if 'camera/depth' in names:
        images.append(_flat(frame, 'depth', ('camera/depth',)))
    images += [_flat(frame, m, (f'camera/{m}',)) for m in MAPS if f'camera/{m}' in names]
    if any('truth' in name for name in names):
        true = ('camera/image', 'camera/truth_semantic', 'truth_boxes')
        images.append(_flat(frame, 'truth', true))
    shown = ('camera/image', 'camera/depth', 'boxes', 'truth_boxes')
    scene = rrb.Spatial3DView(
        origin=frame,
        name='scene',
        eye_controls=EYE,
        contents=[f'{frame}/camera', *(f'{frame}/{name}' for name in shown)],
    )
    times = rrb.TimeSeriesView(origin=f'{frame}/latency_ms', name='latency, ms')
    left = rrb.Vertical(*images[:2]) if len(images) < 3 else _tabbed(images)
    return rrb.Horizontal(left, rrb.Vertical(scene, times, row_shares=[3, 1]), name=frame)


def _tabbed(images: list[rrb.Spatial2DView]) -> rrb.Vertical:
    return rrb.Vertical(images[0], rrb.Tabs(*images[1:]))


def _flat(frame: str, name: str, contents: tuple[str, ...]) -> rrb.Spatial2DView:
    paths = [f'{frame}/{path}' for path in contents]
    return rrb.Spatial2DView(origin=f'{frame}/camera', name=name, contents=paths)
