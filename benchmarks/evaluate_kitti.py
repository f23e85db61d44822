"""Evaluates the bundled model on a real KITTI sequence: boxes by its labels, depth by its LiDAR.

    python -m benchmarks.evaluate_kitti FOLDER [--sequence 0001] [-o benchmarks/results]

FOLDER holds image_2, label_2, calib and velodyne of the tracking benchmark. The model was trained
on generated drives only and has never seen a photograph with true depth or boxes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mtscene_ros.datasets.kitti import kitti_moments
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.evaluate.run.summary import table
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.report.recording_page import machine

NAME = 'evaluate_kitti'


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--sequence', default='0001')
    parser.add_argument('-o', '--output', type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        bag = Path(scratch) / f'kitti_{options.sequence}.mcap'
        write_recording(bag, kitti_moments(options.folder, options.sequence))
        evaluation = EvaluateOptions(backend='onnxruntime', threads=2, outputs=())
        found = evaluate_bag(bag, evaluation, Path(scratch) / 'report')
    print(table(found))
    if options.output:
        write(found, options.output)


def write(found: dict[str, Any], folder: Path) -> None:
    date = datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC')
    kept = ('model', 'backend', 'counts', 'notes', 'metrics', 'tables')
    about = {'date': date, 'machine': machine(), **{key: found[key] for key in kept}}
    (folder / f'{NAME}.json').write_text(json.dumps(about, indent=1) + '\n')
    head = (
        '# KITTI tracking 0001, the bundled model\n\n'
        f'`python -m benchmarks.{NAME} FOLDER`, {date}, {machine()}. Trained on generated '
        'drives only; nothing was adapted to KITTI. Latencies are of a busy machine.\n\n'
    )
    (folder / f'{NAME}.md').write_text(head + table(found) + '\n')


if __name__ == '__main__':
    main()
