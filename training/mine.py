"""Picks the frames of a recording that are worth labelling by hand, with labels to correct.

    mtscene mine drive.mcap --model drive_lite --count 20 -o to_label
    mtscene mine photos/ --model drive_lite street_lite --count 50 -o to_label

Frames are ranked by how far models contradict one another (a single one: itself in the mirror),
how unsure they are, how labels flicker, and how little a frame resembles those chosen before. OUT
holds images/, chosen.csv with the reasons, and the first model's labels as coco.json,
label_studio.json and cvat.xml. torch is not needed.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from contextlib import ExitStack
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.annotations import write_image
from mtscene_ros.estimator import SceneModel
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.spec import classes_from_options
from mtscene_ros.terminal import exit_status, listed, plural
from mtscene_ros.types import CameraFrame, LabelMap
from training.data.agreed import UnitedTable, united
from training.data.frame_worth import (
    Doubts,
    choose,
    differing_share,
    feature,
    moved_labels,
    unsureness,
    worth,
)
from training.data.preannotations import (
    OutlinedImage,
    outlines_of,
    write_coco,
    write_cvat,
    write_label_studio,
)
from training.data.source_frames import (
    SourceAccount,
    add_source_options,
    check_source_options,
    opened_models,
    source_frames,
)

U8 = NDArray[np.uint8]
COMPARED_PX = 320  # width of the labels that are compared: doubts are areas, not edges


@dataclass(slots=True, eq=False)
class FrameRecords:
    """What is kept of every frame. names, doubts, features: one entry per frame; before: gray
    image and labels of the last one."""

    names: list[str] = field(default_factory=list)
    doubts: list[Doubts] = field(default_factory=list)
    features: list[NDArray[np.float64]] = field(default_factory=list)
    before: tuple[U8, U8] | None = None


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_source_options(parser)
    parser.add_argument('--count', type=int, default=20, help='frames to choose')
    options = parser.parse_args(arguments)
    if options.count < 1:
        raise ValueError(f'--count is {options.count}; 1 chooses one frame.')
    check_source_options(options)
    return options


def labels_by(models: list[SceneModel], frame: CameraFrame) -> list[LabelMap]:
    scenes = [model.estimator.estimate([frame], ['semantic'])[0] for model in models]
    found = [scene.results['semantic'] for scene in scenes]
    return [labels for labels in found if isinstance(labels, LabelMap)]


def judge(
    frame: CameraFrame, models: list[SceneModel], table: UnitedTable, records: FrameRecords
) -> None:
    """Adds one frame to what is known."""
    found = labels_by(models, frame)
    maps = [lookup[of.labels] for of, lookup in zip(found, table.lookups, strict=True)]
    others = maps[1:] or [mirrored_labels(models[0], frame, table.lookups[0])]
    first, *rest = [reduced(labels) for labels in [maps[0], *others]]
    gray = reduced(np.asarray(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY), np.uint8))
    flicker = float('nan')
    if records.before is not None and records.before[0].shape == gray.shape:
        flicker = differing_share(first, moved_labels(records.before[1], gray, records.before[0]))
    records.before = gray, first
    differing = float(np.mean([differing_share(first, other) for other in rest]))
    unsure = float(np.mean([unsureness(of) for of in found]))
    records.names.append(frame.camera)
    records.doubts.append(Doubts(differing, unsure, flicker))
    records.features.append(feature(frame.rgb, first, len(table.classes)))


def reduced(values: U8) -> U8:
    """Returns every n-th pixel, so that the width is about COMPARED_PX."""
    step = max(1, values.shape[1] // COMPARED_PX)
    return np.ascontiguousarray(values[step // 2 :: step, step // 2 :: step])


def mirrored_labels(model: SceneModel, frame: CameraFrame, lookup: U8) -> U8:
    flipped = replace(frame, rgb=np.ascontiguousarray(frame.rgb[:, ::-1]))
    return np.ascontiguousarray(lookup[labels_by([model], flipped)[0].labels][:, ::-1])


def written(
    options: argparse.Namespace,
    order: dict[str, int],
    models: list[SceneModel],
    table: UnitedTable,
    account: SourceAccount,
) -> list[OutlinedImage]:
    """Reads the chosen frames again, and writes them. Returns them, the best first."""
    found: dict[int, OutlinedImage] = {}
    for frame in source_frames(options, account):
        if frame.camera not in order:
            continue
        labels = table.lookups[0][labels_by(models[:1], frame)[0].labels]
        name = f'images/{frame.camera}.png'
        (options.output / 'images').mkdir(parents=True, exist_ok=True)
        write_image(options.output / name, frame.rgb[:, :, ::-1])
        height_px, width_px = labels.shape
        outlines = outlines_of(labels, table.classes)
        found[order[frame.camera]] = OutlinedImage(name, width_px, height_px, outlines)
    return [found[k] for k in sorted(found)]


def reasons(records: FrameRecords, values: NDArray[np.float64], chosen: list[int]) -> str:
    """Returns chosen.csv."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(['image', 'worth', *Doubts.__dataclass_fields__])
    for k in chosen:
        numbers = (values[k], *astuple(records.doubts[k]))
        table.writerow([records.names[k], *(f'{value:.4f}' for value in numbers)])
    return text.getvalue()


def main(arguments: list[str] | None = None) -> Path:
    """Returns the folder."""
    options = options_from(arguments)
    with ExitStack() as stack:
        models = opened_models(options, stack)
        blind = [m.spec.name for m in models if 'semantic' not in m.spec.tasks]
        if blind:
            raise ValueError(f'{listed(blind)} gives no labels; leave it out of --model.')
        table = united([classes_from_options(m.spec.tasks['semantic']) for m in models])
        account, records = SourceAccount(), FrameRecords()
        for frame in source_frames(options, account):
            judge(frame, models, table, records)
        if not records.names:
            raise ValueError('There is no image to choose from.')
        values = worth(records.doubts)
        chosen = choose(values, np.stack(records.features), options.count)
        order = {records.names[k]: rank for rank, k in enumerate(chosen)}
        images = written(options, order, models, table, SourceAccount())
    write_coco(images, table.classes, options.output / 'coco.json')
    name = f'{models[0].spec.name} {models[0].spec.version}'
    write_label_studio(images, table.classes, options.output / 'label_studio.json', name)
    write_cvat(images, table.classes, options.output / 'cvat.xml')
    write_text(options.output / 'chosen.csv', reasons(records, values, chosen))
    count = plural(len(records.names), 'frame')
    first = records.names[chosen[0]]
    print(f'{options.output}: {len(chosen)} of {count} chosen, first of all {first}.')
    for sentence in account.sentences():
        print(sentence, file=sys.stderr)
    return Path(options.output)


if __name__ == '__main__':
    sys.exit(exit_status(main))
