"""A model on recordings with ground truth: scores, and what the node would have published."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.verbs.values import assignment, positive

EXAMPLE = """mtscene evaluate drive.mcap -o report
mtscene evaluate kitti.mcap --model model.onnx --realtime -o report
mtscene evaluate night.bag --image /cam/image --truth-topic depth=/lidar/points -o report"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bags', nargs='+', type=Path, metavar='BAG', help='ROS 2 or ROS 1')
    parser.add_argument('-o', '--output', type=Path, default=Path('report'), help='folder')
    parser.add_argument('--json', action='store_true', help='print the scores as JSON')
    add_model(parser)
    add_topics(parser)
    add_rules(parser)


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--model', default='', help='default: the bundled one')
    parser.add_argument('--backend', default='auto')
    parser.add_argument('--precision', default='auto', choices=('auto', 'fp32', 'fp16', 'int8'))
    parser.add_argument('--threads', type=int, default=0, help='0 = one per core')


def add_topics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--truth', default='topics', help="'topics' of the recording, or a manifest of files"
    )
    parser.add_argument('--image', default='', metavar='TOPIC', help='default: the likeliest')
    parser.add_argument('--camera-info', default='', metavar='TOPIC', help="default: the image's")
    parser.add_argument(
        '--truth-topic',
        action='append',
        type=assignment,
        default=[],
        metavar='TASK=TOPIC',
        help='default: /truth/semantic and so on; for depth a PointCloud2 as well',
    )
    parser.add_argument('--label-info', default='', metavar='TOPIC', help='of /truth/semantic')
    parser.add_argument('--fixed-frame', default='', metavar='FRAME', help='of TF: map, odom')
    parser.add_argument(
        '--outputs',
        nargs='*',
        default=['*'],
        metavar='TOPIC',
        help="in predictions.mcap, as the node's private names; default: all",
    )
    parser.add_argument(
        '--distorted', action='store_true', help='input_is_rectified: false of the node'
    )


def add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--realtime', action='store_true', help='drop what a node of this latency would drop'
    )
    parser.add_argument(
        '--latency-ms', type=positive, default=0.0, help='of each image; default: as measured'
    )
    parser.add_argument('--frames', type=positive, default=0, help='the first ones only')
    parser.add_argument('--min-score', type=float, default=0.3, help='of boxes that are published')
    parser.add_argument('--depth-max-m', type=positive, default=60.0)
    parser.add_argument('--boxes-max-m', type=positive, default=40.0)
    parser.add_argument('--match-m', type=positive, default=2.0, help='between centres of a pair')
    parser.add_argument('--mds', action='store_true', help='mDS of Cityscapes-3D as well')
    parser.add_argument('--no-progress', action='store_true')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.backends import BackendError
    from mtscene_ros.evaluate.bag import evaluate_bag
    from mtscene_ros.evaluate.merge import merge, plain
    from mtscene_ros.evaluate.summary import table

    options, found = options_from(arguments), []
    for bag in arguments.bags:
        alone = len(arguments.bags) == 1
        folder = arguments.output if alone else arguments.output / 'sequences' / bag.stem
        try:
            found.append(evaluate_bag(bag, options, folder))
        except (ValueError, OSError, BackendError) as error:
            if alone:
                raise
            print(f'mtscene evaluate: {bag}: {error}', file=sys.stderr)
    if not found:
        return 2
    total = merge(found) if len(arguments.bags) > 1 else found[0]
    if len(arguments.bags) > 1:
        text = json.dumps(plain(total), indent=1, allow_nan=False)
        (arguments.output / 'metrics.json').write_text(text + '\n')
    shown = {key: total[key] for key in ('counts', 'notes', 'metrics')}
    print(json.dumps(shown, indent=1) if arguments.json else table(total))
    return int(len(found) < len(arguments.bags))


def options_from(arguments: argparse.Namespace) -> EvaluateOptions:
    return EvaluateOptions(
        model=arguments.model,
        backend=arguments.backend,
        precision=arguments.precision,
        threads=arguments.threads,
        truth=arguments.truth,
        image_topic=arguments.image,
        info_topic=arguments.camera_info,
        truth_topics=tuple(arguments.truth_topic),
        label_info_topic=arguments.label_info,
        input_is_rectified=not arguments.distorted,
        realtime=arguments.realtime,
        latency_ms=float(arguments.latency_ms),
        max_frames=int(arguments.frames),
        min_score=arguments.min_score,
        outputs=tuple(arguments.outputs),
        depth_max_m=float(arguments.depth_max_m),
        boxes_max_m=float(arguments.boxes_max_m),
        match_m=float(arguments.match_m),
        fixed_frame=arguments.fixed_frame,
        mds=arguments.mds,
        progress=not arguments.no_progress,
    )
