"""Labels a recording by models and writes a manifest: what one model is sure of, or several share.

    mtscene label drive.mcap --model drive_lite street_lite -o labelled
    mtscene label photos/ --model my_floor.onnx --fov 70 --min-confidence 0.7 -o labelled

Pixels on which the models contradict one another, or are not sure, stay unknown. A frame on whose
boxes they differ gets none, because a box that is missing teaches that there is nothing. Depth and
boxes are written only where the camera is known: from the recording, or by --fov. torch is not
needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.photograph import camera_of_fov
from mtscene_ros.estimator import SceneModel
from mtscene_ros.models.spec import classes_from_options
from mtscene_ros.terminal import exit_status, listed, plural
from mtscene_ros.types import (
    UNLABELED,
    Boxes3D,
    CameraFrame,
    DepthMap,
    LabelMap,
    Scene,
)
from training.data.agreed import (
    UnitedTable,
    agreed_boxes,
    agreed_depth,
    agreed_labels,
    united,
)
from training.data.manifest_writer import LabelledFrame, Writer
from training.data.source_frames import (
    SourceAccount,
    add_source_options,
    check_source_options,
    opened_models,
    source_frames,
)

R = TypeVar('R', LabelMap, DepthMap, Boxes3D)
METRIC = ('depth', 'boxes3d')


@dataclass(slots=True, eq=False)
class LabelAccount:
    """What was labelled and what was not.

    pixels: of each class of the table, unknown ones last; torn: frames on whose boxes models
    differ.
    """

    pixels: NDArray[np.int64]
    frames: int = 0
    without_camera: int = 0
    known_depth: int = 0
    all_depth: int = 0
    boxes: int = 0
    torn: int = 0

    def sentences(self, table: UnitedTable) -> Iterator[str]:
        total = int(self.pixels.sum())
        if total:
            share = 1 - self.pixels[-1] / total
            seen = np.argsort(-self.pixels[:-1], kind='stable')
            names = [
                f'{table.classes[k].name} {self.pixels[k] / total:.1%}'
                for k in seen
                if self.pixels[k]
            ]
            yield f'Labels cover {share:.0%} of the pixels: {listed(names) if names else "none"}.'
        if self.all_depth:
            yield f'Depth covers {self.known_depth / self.all_depth:.0%} of the pixels.'
        if self.boxes or self.torn:
            yield (
                f'{plural(self.boxes, "box", "boxes")}; {plural(self.torn, "frame")} without '
                'boxes because the models differ on some.'
            )
        if self.without_camera:
            yield (
                f'{plural(self.without_camera, "frame")} without depth and boxes because the '
                'camera is not known; --fov DEG tells.'
            )


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_source_options(parser)
    parser.add_argument('--fov', type=float, metavar='DEG', help='of the width of the images')
    parser.add_argument(
        '--tasks', nargs='+', choices=('semantic', *METRIC), default=['semantic', *METRIC]
    )
    parser.add_argument('--min-confidence', type=float, default=0.6, help='of a pixel; 0 to 1')
    parser.add_argument('--min-score', type=float, default=0.5, help='of a box; 0 to 1')
    options = parser.parse_args(arguments)
    check_source_options(options)
    for name in ('min_confidence', 'min_score'):
        if not 0 <= getattr(options, name) <= 1:
            raise ValueError(f'--{name.replace("_", "-")} must lie between 0 and 1.')
    return options


def with_camera(frame: CameraFrame, fov_deg: float | None) -> CameraFrame:
    if fov_deg is None:
        return frame
    height_px, width_px = frame.rgb.shape[:2]
    return replace(frame, intrinsics=camera_of_fov(width_px, height_px, fov_deg))


def scenes_of(models: Sequence[SceneModel], frame: CameraFrame, tasks: list[str]) -> list[Scene]:
    return [
        model.estimator.estimate([frame], [t for t in tasks if t in model.spec.tasks])[0]
        for model in models
    ]


def labelled(
    frame: CameraFrame,
    scenes: Sequence[Scene],
    table: UnitedTable,
    options: argparse.Namespace,
    account: LabelAccount,
) -> LabelledFrame:
    """Joins the models' results for one frame, and counts."""
    found = LabelledFrame(frame.camera, frame.rgb, frame.intrinsics)
    account.frames += 1
    account.without_camera += frame.intrinsics is None and bool({*METRIC} & {*options.tasks})
    if labels := results_of(scenes, 'semantic', LabelMap):
        found.labels = agreed_labels(labels, table, options.min_confidence)
        counts = np.bincount(found.labels.ravel(), minlength=256)
        account.pixels += np.append(counts[: len(table.classes)], counts[UNLABELED])
    if depths := results_of(scenes, 'depth', DepthMap):
        found.depth_m = agreed_depth([depth.depth_m for depth in depths])
        account.known_depth += int((~np.isnan(found.depth_m)).sum())
        account.all_depth += found.depth_m.size
    if boxes := results_of(scenes, 'boxes3d', Boxes3D):
        agreed, differing = agreed_boxes(boxes, options.min_score)
        account.torn += differing > 0
        if not differing:
            account.boxes += len(agreed)
            found.boxes = agreed
    return found


def results_of(scenes: Sequence[Scene], task: str, kind: type[R]) -> list[R]:
    found = [scene.results.get(task) for scene in scenes]
    return [result for result in found if isinstance(result, kind)]


def main(arguments: list[str] | None = None) -> Path:
    """Returns the path of the manifest."""
    options = options_from(arguments)
    with ExitStack() as stack:
        models = opened_models(options, stack)
        lacking = [t for t in options.tasks if not any(t in m.spec.tasks for m in models)]
        options.tasks = [t for t in options.tasks if t not in lacking]
        if not options.tasks:
            raise ValueError(f'No model has the task {listed(lacking)}.')
        table = united(
            [
                classes_from_options(m.spec.tasks['semantic'])
                for m in models
                if 'semantic' in m.spec.tasks
            ]
        )
        account = LabelAccount(np.zeros(len(table.classes) + 1, np.int64))
        source = SourceAccount()
        writer = Writer(options.output, [c.name for c in table.classes])
        for found in source_frames(options, source):
            frame = with_camera(found, options.fov)
            scenes = scenes_of(models, frame, options.tasks)
            writer.add(labelled(frame, scenes, table, options, account))
    path = writer.finish()
    names = listed([f'{m.spec.name} {m.spec.version}' for m in models])
    print(f'{path}: {plural(account.frames, "frame")} labelled by {names}.')
    for sentence in [*source.sentences(), *account.sentences(table), *writer.sentences()]:
        print(sentence, file=sys.stderr)
    return path


if __name__ == '__main__':
    sys.exit(exit_status(main))
