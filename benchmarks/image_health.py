"""False alarms of camera health, and its time per image.

python -m benchmarks.image_health --data ../shared/data
"""

from __future__ import annotations

import argparse
import time
import timeit
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.steady_pictures import Picture, groups
from mtscene_ros.camera.letterbox import Letterbox
from mtscene_ros.temporal.image_health import ImageHealth
from mtscene_ros.worlds import drive_frame

WIDTH_PX, HEIGHT_PX, SEC = 512, 256, 10**9  # of the bundled models' input
HEAD = '| pictures | images | black | saturated | exposure | covered | blurred | banding |'


def shown(rgb: Picture) -> Picture:
    """Returns the picture as the network takes it, without borders."""
    height, width = rgb.shape[:2]
    box = Letterbox(width, height, WIDTH_PX, HEIGHT_PX)
    inner = box.to_network(np.ascontiguousarray(rgb))[box.top_px :, box.left_px :]
    return np.ascontiguousarray(inner[: box.inner_height_px, : box.inner_width_px])


def beyond(pictures: Iterator[Picture]) -> tuple[int, dict[str, int]]:
    """Returns the number of pictures, and signal → how many were beyond its limit."""
    health, total, found = ImageHealth(), 0, dict.fromkeys(HEAD.split(' | ')[2:], 0)
    found = {name.removesuffix(' |'): 0 for name in found}
    for total, rgb in enumerate(pictures, start=1):
        for signal in health.signals(shown(rgb), total * SEC):
            if signal.name in found:  # single pictures do not freeze
                found[signal.name] += signal.value > signal.limit
    return total, found


def milliseconds() -> float:
    """Returns the CPU time of one image, in ms: the least of 30 means of 20 images."""
    first, second = drive_frame(1, 0).rgb, drive_frame(1, 1).rgb
    health = ImageHealth()

    def two_images() -> None:
        health.signals(first, 0)
        health.signals(second, SEC)

    runs = timeit.repeat(two_images, number=10, repeat=30, timer=time.thread_time)
    return 1e3 * min(runs) / 20


def report(data: Path) -> tuple[list[str], float]:
    """Returns the table, and milliseconds per image."""
    cv2.setNumThreads(1)
    lines = [HEAD, '|---' * 8 + '|']
    for name, make in groups(data).items():
        total, found = beyond(make())
        lines.append(f'| {name} | {total} | {" | ".join(map(str, found.values()))} |')
    return lines, milliseconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, default=Path('../shared/data'))
    lines, cost_ms = report(parser.parse_args().data)
    print('\n'.join(lines))
    print(f'\n{cost_ms:.2f} ms per image')


if __name__ == '__main__':
    main()
