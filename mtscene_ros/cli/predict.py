"""Predicts pictures, a video, a webcam, a stream or a recording, and shows what the model sees.

Pictures become pictures, everything else becomes one MP4; detections.csv and scenes.jsonl hold the
numbers. No ROS installation is needed. Ctrl-C ends a webcam or a stream, and all files are whole.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mtscene_ros.cli.arguments import positive

EXAMPLE = """mtscene predict photo.jpg
mtscene predict drive.mp4 --show semantic boxes depth --every 2 -o out
mtscene predict 'photos/*.jpg' --fov 70 --save overlay labels depth
mtscene predict 0 --duration 30 --live
mtscene predict rtsp://camera.local/stream --camera-info camera.yaml
mtscene predict drive.mcap --start 10 --duration 5"""
EXIT = '0 done, 1 some images could not be read, 2 refused with one sentence'
SHOWN = ('semantic', 'boxes', 'depth', 'normals', 'boundary', 'saliency', 'parts')
SAVED = ('overlay', 'csv', 'jsonl', 'labels', 'depth')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='pictures, folders, globs, videos, recordings, rtsp:// or http:// streams, or the '
        'number or device of a webcam (0, /dev/video2)',
    )
    parser.add_argument('-o', '--output', type=Path, default=Path('predict'), help='folder')
    add_choice(parser)
    add_camera(parser)
    parser.add_argument('--model', default='', help='file or name; default: the bundled one')
    parser.add_argument('--backend', default='auto')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: one per core')
    parser.add_argument(
        '--min-score', type=float, default=0.3, help='lowest score of a box, default 0.3'
    )
    parser.add_argument(
        '--classes', nargs='+', default=(), metavar='NAME', help='only boxes of these classes'
    )
    parser.add_argument(
        '--score-of',
        nargs='+',
        default=(),
        metavar='CLASS:SCORE',
        help='lowest score of one class, as in car:0.5',
    )
    parser.add_argument(
        '--live',
        action='store_true',
        help='also show the pictures in the browser, on this machine',
    )
    parser.add_argument('--port', type=int, default=8080, help='of --live; default: 8080')
    parser.add_argument('--no-progress', action='store_true')
    parser.add_argument('--json', action='store_true', help='print a summary as an object')


def add_choice(parser: argparse.ArgumentParser) -> None:
    """What is predicted, and what is written of it."""
    parser.add_argument(
        '--show',
        nargs='+',
        metavar='TASK',
        help=f'of {", ".join(SHOWN)} or a task of your own; default: labels, boxes and depth',
    )
    parser.add_argument(
        '--save',
        nargs='+',
        choices=SAVED,
        default=['overlay', 'csv', 'jsonl'],
        help='labels and depth are PNGs: class ids, and millimetres in 16 bits',
    )
    parser.add_argument(
        '--pictures', action='store_true', help='write pictures of a video, too, and no MP4'
    )
    parser.add_argument(
        '--size', type=positive, default=960, metavar='PX', help='longer side of a panel'
    )
    parser.add_argument(
        '--every',
        type=positive,
        metavar='N',
        help='predict each n-th image; default: all, but about 15 per second of a video',
    )
    parser.add_argument(
        '--start', type=float, default=0.0, metavar='S', help='skip this many seconds'
    )
    parser.add_argument('--duration', type=positive, metavar='S', help='then stop')


def add_camera(parser: argparse.ArgumentParser) -> None:
    """Depth and boxes are in metres only as far as the camera is known."""
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument(
        '--fov', type=float, metavar='DEG', help='angle between left and right edge of the image'
    )
    camera.add_argument(
        '--camera-info', type=Path, metavar='YAML', help='calibration as ROS writes it'
    )
    parser.add_argument('--topic', default='', help='image topic of a recording')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.camera.box_filter import box_filter
    from mtscene_ros.cli.predict_run import PredictOptions, predict

    if isinstance(arguments.every, float) or isinstance(arguments.size, float):
        raise ValueError('--every and --size are whole numbers.')
    options = PredictOptions(
        output=arguments.output,
        show=tuple(arguments.show or ()),
        save=frozenset(arguments.save),
        pictures=arguments.pictures,
        size_px=arguments.size,
        every=arguments.every or 0,
        start_s=arguments.start,
        duration_s=arguments.duration,
        horizontal_fov_deg=arguments.fov,
        calibration=arguments.camera_info,
        topic=arguments.topic,
        model=arguments.model,
        backend=arguments.backend,
        threads=arguments.threads,
        boxes=box_filter(arguments.min_score, tuple(arguments.classes), tuple(arguments.score_of)),
        progress=not arguments.no_progress,
        live_port=arguments.port if arguments.live else None,
    )
    summary = predict(arguments.sources, options)
    print(json.dumps(summary.to_dict()) if arguments.json else summary.text())
    return summary.status
