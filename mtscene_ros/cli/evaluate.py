"""A model on recordings with ground truth: scores, and what the node would have published."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtscene_ros.cli.arguments import assignment, positive
from mtscene_ros.evaluate.options import EvaluateOptions

if TYPE_CHECKING:
    from mtscene_ros.evaluate.conditions import Condition
    from mtscene_ros.evaluate.run.job import EvaluationJob, Outcome

EXAMPLE = """mtscene evaluate drive.mcap -o report
mtscene evaluate kitti.mcap --model model.onnx --realtime -o report
mtscene evaluate drives/*.mcap --jobs 4 -o report
mtscene evaluate --scenario scenario.yaml -o report
mtscene evaluate night.bag --image /cam/image --truth-topic depth=/lidar/points -o report"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bags', nargs='*', type=Path, metavar='BAG', help='ROS 2 or ROS 1')
    parser.add_argument('-o', '--output', type=Path, default=Path('report'), help='folder')
    parser.add_argument('--json', action='store_true', help='print the scores as JSON')
    add_many(parser)
    add_model(parser)
    add_topics(parser)
    add_rules(parser)


def add_many(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--scenario', type=Path, metavar='YAML', help='recordings, options and criteria in a file'
    )
    parser.add_argument('--jobs', type=positive, default=1, help='recordings at once, here')
    parser.add_argument(
        '--ray', default='', metavar='ADDRESS', help='on a Ray cluster: auto, HOST:PORT, local'
    )
    parser.add_argument('--fresh', action='store_true', help='again what was evaluated before')
    parser.add_argument('--no-page', action='store_true', help='no index.html')


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
    """0: all is well; 1: a recording failed or a criterion does not hold; 2: nothing was done."""
    from mtscene_ros.evaluate.pages.evaluation_page import write_page
    from mtscene_ros.evaluate.run.assemble import assemble, judged, start_afresh, unmet
    from mtscene_ros.evaluate.run.job import jobs_of
    from mtscene_ros.evaluate.run.summary import table

    report: Path = arguments.output
    bags, options, criteria = asked(arguments)
    jobs = jobs_of(bags, options, report)
    if arguments.fresh:
        start_afresh(report, jobs)
    outcomes = evaluated(jobs, arguments)
    total = assemble(report, jobs, outcomes)
    if total is None:
        return 2
    all_hold = judged(report, total, criteria) if criteria else True
    if not arguments.no_page:
        write_page(report)
    shown = {k: total[k] for k in ('counts', 'notes', 'metrics', 'criteria') if k in total}
    print(json.dumps(shown, indent=1) if arguments.json else table(total))
    for sentence in unmet(total):
        print(f'mtscene evaluate: {sentence}', file=sys.stderr)
    return int(not all_hold or any(outcome.error for outcome in outcomes.values()))


def asked(
    arguments: argparse.Namespace,
) -> tuple[Sequence[Path], EvaluateOptions, Sequence[Condition]]:
    """Recordings, options, criteria: from the command line or from a scenario. Raises ValueError
    for both at once."""
    from mtscene_ros.evaluate.run.scenario import read_scenario

    options = options_from(arguments)
    if arguments.scenario is None:
        if not arguments.bags:
            raise ValueError('There is nothing to evaluate; name recordings, or give --scenario.')
        return arguments.bags, options, ()
    elsewhere = EvaluateOptions(threads=options.threads, progress=options.progress)
    if arguments.bags or options != elsewhere:
        raise ValueError(
            'With --scenario, recordings, model, topics and rules are named in the file only.'
        )
    found = read_scenario(arguments.scenario)
    progress = found.options.progress and options.progress
    threads = options.threads or found.options.threads
    return found.bags, replace(found.options, progress=progress, threads=threads), found.criteria


def evaluated(jobs: Sequence[EvaluationJob], arguments: argparse.Namespace) -> dict[str, Outcome]:
    """By name; a line for each as it comes, where there are several or it failed."""
    from mtscene_ros.evaluate.run.fleet import run_on_ray
    from mtscene_ros.evaluate.run.many import run_here

    begin_s, outcomes = time.monotonic(), {}
    if arguments.ray:
        coming = run_on_ray(jobs, arguments.ray)
    else:
        coming = run_here(jobs, int(arguments.jobs))
    for outcome in coming:
        outcomes[outcome.name] = outcome
        print(told(outcome, outcomes, len(jobs), time.monotonic() - begin_s), file=sys.stderr)
    return outcomes


def told(outcome: Outcome, so_far: Mapping[str, Outcome], count: int, elapsed_s: float) -> str:
    """`[3/12] night: 35 s, 4 min left`; the time left from those that were really evaluated."""
    place = f'[{len(so_far)}/{count}] ' if count > 1 else ''
    if outcome.error:
        return f'mtscene evaluate: {place}{outcome.name} failed: {outcome.error}'
    if outcome.resumed:
        return f'{place}{outcome.name}: was evaluated before (--fresh evaluates again)'
    ran = sum(not of.resumed for of in so_far.values())
    left_s = elapsed_s / ran * (count - len(so_far))
    left = f', {left_s / 60:.0f} min left' if left_s >= 60 else ''
    return f'{place}{outcome.name}: {outcome.seconds:.0f} s{left}'


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
