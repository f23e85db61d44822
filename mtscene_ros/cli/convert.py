"""Writes generated worlds or a public data set as a recording with ground truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mtscene_ros.cli.arguments import positive
from mtscene_ros.terminal import size

EXAMPLE = """mtscene convert worlds --seed 7 --frames 100 -o drive.mcap
mtscene convert worlds --world room --size 640x480 -o room.mcap
mtscene convert kitti DIR --sequence 0001 -o kitti.mcap"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sources = parser.add_subparsers(dest='source', required=True)
    worlds = sources.add_parser('worlds', help='a generated drive, room or group of persons')
    worlds.add_argument('--world', choices=('drive', 'room', 'figure'), default='drive')
    worlds.add_argument('--seed', type=int, default=7)
    worlds.add_argument('--frames', type=positive, default=100)
    worlds.add_argument('--rate-hz', type=positive, default=10.0)
    worlds.add_argument('--size', type=size, default=(512, 256), metavar='WxH', help='pixels')
    kitti = sources.add_parser('kitti', help='a KITTI tracking sequence')
    kitti.add_argument('folder', type=Path, help='contains image_2, label_2, calib, velodyne')
    kitti.add_argument('--sequence', default='0001')
    for source in (worlds, kitti):
        source.add_argument('-o', '--output', type=Path, required=True, help='.mcap or folder')
        source.add_argument('--compressed', action='store_true', help='JPEG images')
        source.add_argument(
            '--json', action='store_true', help='print the output and the number of frames'
        )


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.datasets.kitti import kitti_moments
    from mtscene_ros.recordings.write import write_recording
    from mtscene_ros.terminal import counted, plural
    from mtscene_ros.worlds import SEQUENCES
    from mtscene_ros.worlds.as_moment import moment_from_world

    if arguments.source == 'kitti':
        moments = kitti_moments(arguments.folder, arguments.sequence)
    else:
        width_px, height_px = arguments.size
        frames = SEQUENCES[arguments.world](
            arguments.seed, arguments.frames, arguments.rate_hz, width_px, height_px
        )
        moments = map(moment_from_world, frames)
    total = getattr(arguments, 'frames', None)
    moments = counted(moments, 'frame', total)
    count = write_recording(arguments.output, moments, arguments.compressed)
    if arguments.json:
        print(json.dumps({'output': str(arguments.output), 'frames': count}))
    else:
        print(f'{arguments.output}: {plural(count, "frame")}')
    return 0
