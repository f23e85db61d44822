"""What the bundled model says about test/data/replay/drive.mcap, field by field.

    cd test; PYTHONPATH=..:. python -m evaluate.replay_reference    makes recording and reference

To be run when the bundled model changes; look at the report's pictures before committing it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mtscene_ros.datasets.moments import Moment
from mtscene_ros.evaluate.options import ALL_OUTPUTS, EvaluateOptions
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.recordings.bags import open_bag
from mtscene_ros.recordings.write import write_recording
from mtscene_ros.worlds.as_moment import moment_from_world
from mtscene_ros.worlds.drive import drive_frame

FOLDER = Path(__file__).parents[1] / 'data' / 'replay'
BAG, REFERENCE = FOLDER / 'drive.mcap', FOLDER / 'reference.npz'
OPTIONS = EvaluateOptions(backend='onnxruntime', threads=2, progress=False, outputs=ALL_OUTPUTS)
TOPICS = {
    'labels': 'semantic/image',
    'confidence': 'semantic/confidence',
    'depth_m': 'depth/image',
}
EVERY = 2  # of the pixels, in both directions
SCORES = ('semantic.miou', 'depth.abs_rel', 'depth.delta1', 'boxes3d.map')


def moments(seed: int) -> Iterator[Moment]:
    """Six scenes that have nothing to do with each other, a tenth of a second apart."""
    for index in range(6):
        moment = moment_from_world(drive_frame(seed, index, 256, 128))
        stamp_ns = moment.stamp_ns + index * 100_000_000
        yield replace(moment, stamp_ns=stamp_ns, map_from_base=None)


def pixels(message: Any) -> np.ndarray:
    dtype = np.dtype('<f4' if message.encoding == '32FC1' else 'u1')
    values = message.data.view(dtype).reshape(message.height, message.width)
    return np.asarray(values[::EVERY, ::EVERY])


def rows(message: Any) -> np.ndarray:
    """(N, 12): score, centre, size, quaternion, frame, class by its first letters as a number."""
    found = []
    for detection in message.detections:
        center, size = detection.bbox.center, detection.bbox.size
        name = detection.results[0].hypothesis.class_id
        found.append(
            [
                detection.results[0].hypothesis.score,
                *(getattr(center.position, a) for a in 'xyz'),
                *(getattr(size, a) for a in 'xyz'),
                *(getattr(center.orientation, a) for a in 'xyzw'),
                int.from_bytes(name[:3].encode(), 'big'),
            ]
        )
    return np.array(found).reshape(-1, 12)


def answered(bag: Path, options: EvaluateOptions = OPTIONS) -> dict[str, np.ndarray]:
    """Field → (frames, ...) of what the recording is answered with, and the scores."""
    fields: dict[str, list[Any]] = {name: [] for name in (*TOPICS, 'boxes')}
    with tempfile.TemporaryDirectory() as folder:
        metrics = evaluate_bag(bag, options, Path(folder))['metrics']
        names = {f'/perception/{topic}': name for name, topic in TOPICS.items()}
        with open_bag(Path(folder) / 'predictions.mcap') as reader:
            for c, _, raw in reader.messages():
                if c.topic in names:
                    fields[names[c.topic]].append(pixels(reader.deserialize(raw, c.msgtype)))
                elif c.topic == '/perception/detections_3d':
                    fields['boxes'].append(rows(reader.deserialize(raw, c.msgtype)))
    counts = [len(boxes) for boxes in fields['boxes']]
    found = {name: np.array(fields[name]) for name in TOPICS}
    found['depth_m'] = found['depth_m'].astype(np.float16).astype(np.float32)
    scores = [metrics[task][name] for task, name in (path.split('.') for path in SCORES)]
    boxes = np.concatenate(fields['boxes'])
    return {**found, 'boxes': boxes, 'counts': np.array(counts), 'scores': np.array(scores)}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_recording(BAG, moments(77), zstd=True)
    found = answered(BAG)
    np.savez_compressed(REFERENCE, **{**found, 'depth_m': found['depth_m'].astype(np.float16)})
    print({name: values.shape for name, values in found.items()}, found['scores'])


if __name__ == '__main__':
    sys.exit(main())
