"""Turns a recording of the node's outputs into one HTML page, or into one video."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

EXAMPLE = """mtscene report out.mcap -o report.html
mtscene report out.mcap --video out.mp4
mtscene report evaluation/ --video evaluation.mp4
mtscene report evaluation/predictions.mcap drive.mcap --video out.mp4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'bag', type=Path, help='recording with results, or the folder of an evaluation (--video)'
    )
    parser.add_argument(
        'images',
        type=Path,
        nargs='?',
        help='recording with the images, where BAG has none; of an evaluation: found (--video)',
    )
    parser.add_argument('-o', '--output', type=Path, default=Path('report.html'))
    parser.add_argument(
        '--video', type=Path, metavar='FILE.mp4', help='write a video instead of the page'
    )
    parser.add_argument(
        '--size', type=int, default=960, metavar='PX', help='of --video: longer side of a panel'
    )
    parser.add_argument(
        '--node',
        default='',
        help='node whose results are shown; default: the one that is recorded',
    )
    parser.add_argument(
        '--image', default='', metavar='TOPIC', help='default: the one that the results belong to'
    )
    parser.add_argument(
        '--json', action='store_true', help='print where it was written, as an object'
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.video:
        return run_video(arguments)
    from mtscene_ros.report.recording_page import write_report

    if arguments.images:
        raise ValueError('A second recording is for --video; a page is about one recording.')
    write_report(arguments.bag, arguments.output, node=arguments.node, image=arguments.image)
    output = str(arguments.output)
    print(json.dumps({'output': output}) if arguments.json else output)
    return 0


def run_video(arguments: argparse.Namespace) -> int:
    from mtscene_ros.report.recording_video import say, write_video

    if arguments.size < 16:
        raise ValueError(f'--size is {arguments.size}; a panel has at least 16 pixels.')
    results, images = recordings_of(arguments.bag, arguments.images)
    summary = write_video(
        results,
        images,
        arguments.video,
        node=arguments.node,
        image=arguments.image,
        longest_px=arguments.size,
    )
    if arguments.json:
        print(json.dumps(summary.to_dict()))
    else:
        say(summary)
    return 0


def recordings_of(bag: Path, images: Path | None) -> tuple[Path, Path]:
    """Returns the recordings of results and images; a folder of an evaluation names both.

    Raises ReportError and ValueError.
    """
    from mtscene_ros.evaluate.run.report_folder import METRICS, PREDICTIONS, read_report

    if not (bag / METRICS).is_file():
        return bag, images or bag
    sequences = read_report(bag).sequences
    if len(sequences) != 1:
        folders = ', '.join(str(sequence.folder) for sequence in sequences[:3])
        raise ValueError(f'{bag} has several sequences; name one of them: {folders}, ...')
    [sequence] = sequences
    images = images or sequence.bag
    if not images.exists():
        raise ValueError(
            f'{images}, which {bag} is about, is not there any more; name it behind {bag}.'
        )
    return sequence.folder / PREDICTIONS, images
