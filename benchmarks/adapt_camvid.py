"""Adapts the demo model to CamVid's 11 classes with 10 and 40 labelled photographs.

    python -m benchmarks.adapt_camvid ../shared/data/camvid --out /tmp/adapted --frames 10 40

Writes benchmarks/results/adapt_camvid.json: mIoU on CamVid's val split before adaptation, after
it, and after the same number of steps from random weights; the duration; and how much depth and
boxes lost on generated scenes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from mtscene_ros.backends.machine import machine
from mtscene_ros.datasets.classes import CAMVID
from training import adapt
from training.adapt import read_weights
from training.data import camvid, rendered
from training.data.manifest_writer import LabelledFrame, Writer
from training.data.worlds import render
from training.evaluate import scores_of
from training.graphs.deploy import DeployGraph
from training.learn.loader import Frame
from training.networks.decoders import compact_network
from training.weights.weight_files import graph_from_checkpoint

RESULTS = Path(__file__).parent / 'results' / 'adapt_camvid.json'
WORLD_FRAMES = 60


def write_manifest(source: Path, out: Path, most: int) -> Path:
    """Writes a manifest whose first frames are spread over the sequence, so that the first 10 of
    40 are spread as well."""
    writer = Writer(out, semantic=[c.name for c in CAMVID])
    train = camvid.names(source, 'train')
    spread = [train[k] for k in np.linspace(0, len(train) - 1, most).round().astype(int)]
    tenth = spread[:: max(1, most // 10)]
    order = tenth + [n for n in spread if n not in tenth]
    for split, names in (('train', order), ('val', camvid.names(source, 'val'))):
        for name in names:
            sample = camvid.read(source, name)
            writer.add(LabelledFrame(Path(name).stem, sample.rgb, labels=sample.labels))
            writer.frames[-1]['split'] = split
    return writer.finish()


def untouched(graph: DeployGraph, worlds: Path) -> dict[str, float]:
    """Scores depth and cars on generated scenes."""
    frames = [Frame(rendered, worlds, n) for n in rendered.names(worlds, '')]
    found = scores_of(graph, frames, {'depth', 'boxes3d'})
    return {
        'abs_rel': found['depth']['abs_rel'],
        'delta1': found['depth']['delta1'],
        'car_ap': found['boxes3d']['car']['ap'],
    }


def original() -> DeployGraph:
    config, weights = read_weights(adapt.DEMO_WEIGHTS)
    network = compact_network(config)
    network.load_state_dict(weights)
    return DeployGraph(network, config).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('camvid', type=Path)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--frames', type=int, nargs='+', default=[10, 40])
    parser.add_argument('--steps', type=int, default=400)
    parser.add_argument('--threads', type=int, default=2)
    options = parser.parse_args()
    worlds = options.out / 'worlds'
    worlds.mkdir(parents=True, exist_ok=True)
    for index in range(WORLD_FRAMES):
        render(index, 900, worlds, 512, 256)
    path = write_manifest(options.camvid, options.out / 'camvid', max(options.frames))
    rows: list[dict[str, Any]] = []
    for frames in options.frames:
        for way in ([], ['--encoder'], ['--scratch']):
            out = options.out / f'{frames}{"".join(way)}'
            common = ['--frames', str(frames), '--steps', str(options.steps)]
            common += ['--threads', str(options.threads)]
            found = adapt.main([str(path), '--out', str(out), *common, *way])
            row = {'frames': frames, 'way': ' '.join(way), 'minutes': found['minutes']}
            row |= {when: found[when]['semantic']['miou'] for when in ('before', 'after')}
            row |= untouched(graph_from_checkpoint(out / 'last.pt'), worlds)
            rows.append(row)
            about = {'machine': machine(), 'steps': options.steps, 'threads': options.threads}
            about['untouched_before'] = untouched(original(), worlds)
            RESULTS.write_text(json.dumps({**about, 'rows': rows}, indent=1) + '\n')


if __name__ == '__main__':
    main()
