"""Measures how many frames per minute one core renders of each world.

    OMP_NUM_THREADS=1 python -m benchmarks.worlds [--count 24]

Measures processor time instead of wall time, which other load affects less. The sizes take turns.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from mtscene_ros.backends.machine import machine
from mtscene_ros.worlds import FRAMES

SIZES = {'drive': [(512, 256), (1024, 512)], 'room': [(640, 480)], 'figure': [(512, 512)]}
RESULTS = Path(__file__).parent / 'results' / 'worlds.json'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--count', type=int, default=24)
    options = parser.parse_args()
    candidates = [(world, *size) for world, sizes in SIZES.items() for size in sizes]
    took_s = np.zeros((len(candidates), options.count))
    for index in range(-2, options.count):  # two to warm up
        for k, (world, width_px, height_px) in enumerate(candidates):
            begin_s = time.process_time()
            FRAMES[world](900, index % options.count, width_px, height_px)
            if index >= 0:
                took_s[k, index] = time.process_time() - begin_s
    rows = [
        {
            'world': world,
            'size': f'{width_px}x{height_px}',
            'frames_per_minute_and_core': round(60 / float(took_s[k].mean())),
        }
        for k, (world, width_px, height_px) in enumerate(candidates)
    ]
    result = {'machine': machine(), 'scenes': options.count, 'worlds': rows}
    RESULTS.write_text(json.dumps(result, indent=1) + '\n')
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
