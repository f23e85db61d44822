"""README's picture from what `make demo` recorded: python docs/make_picture.py [demo/out.mcap]."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.draw import birdseye, depth_rgb, overlay
from mtscene_ros.recordings.node_results import ShownFrame, read_recording
from mtscene_ros.types import Boxes3D, DepthMap

SIZE_PX = (640, 320)
DEPTH_MAX_M = 80.0


def boxes_of(shown: ShownFrame) -> int:
    """How many boxes the node found."""
    found = shown.scene.results['boxes3d']
    return len(found) if isinstance(found, Boxes3D) else 0


def panels(shown: ShownFrame) -> list[NDArray[np.uint8]]:
    """Camera, overlay, depth, view from above."""
    boxes, truth = shown.scene.results['boxes3d'], shown.truth.get('boxes3d')
    depth = shown.scene.results['depth']
    assert isinstance(boxes, Boxes3D)
    assert isinstance(depth, DepthMap)
    above = birdseye(
        boxes,
        truth if isinstance(truth, Boxes3D) else None,
        SIZE_PX,
        intrinsics=shown.scene.frame.intrinsics,
    )
    pictures = [shown.scene.frame.rgb, overlay(shown.scene), depth_rgb(depth.depth_m, DEPTH_MAX_M)]
    scaled = [cv2.resize(p, SIZE_PX, interpolation=cv2.INTER_AREA) for p in pictures]
    return [*(np.asarray(p, np.uint8) for p in scaled), above]


def main() -> None:
    """The frame with most boxes is shown."""
    recording = Path(sys.argv[1] if len(sys.argv) > 1 else 'demo/out.mcap')
    shown = max(read_recording(recording, shown=1000).shown, key=boxes_of)
    camera, labels, depth, above = panels(shown)
    picture = np.vstack([np.hstack([camera, labels]), np.hstack([depth, above])])
    path = Path(__file__).with_name('demo.png')
    cv2.imwrite(str(path), picture[:, :, ::-1])
    print(path)


if __name__ == '__main__':
    main()
