"""Evaluates a model on recordings with ground truth: scores, and what the node would publish."""

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
from mtscene_ros.evaluate.options import ALL_OUTPUTS, EvaluateOptions

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
    parser.add_argument(
        '--jobs', type=positive, default=1, help='recordings evaluated at the same time'
    )
    parser.add_argument(
        '--ray', default='', metavar='ADDRESS', help='use a Ray cluster: auto, HOST:PORT or local'
    )
    parser.add_argument(
        '--fresh', action='store_true', help='evaluate again what was evaluated before'
    )
    parser.add_argument('--no-page', action='store_true', help='do not write index.html')


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--model', default='', help='file or name; default: drive_lite')
    parser.add_argument('--backend', default='auto')
    parser.add_argument(
        '--precision',
        default='file',
        choices=('file', 'auto', 'fp32', 'bf16', 'fp16', 'int8'),
        help='default: %(default)s, so that scores do not depend on the processor; auto: as the '
        'node',
    )
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0: one per core')


def add_topics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--truth', default='topics', help="'topics' of the recording, or a manifest of files"
    )
    parser.add_argument(
        '--image', default='', metavar='TOPIC', help='default: the most likely one'
    )
    parser.add_argument(
        '--camera-info', default='', metavar='TOPIC', help='default: the one of the image'
    )
    parser.add_argument(
        '--node', default='/perception', help='whose outputs in the recording are no cameras'
    )
    parser.add_argument(
        '--truth-topic',
        action='append',
        type=assignment,
        default=[],
        metavar='TASK=TOPIC',
        help='default: /truth/semantic and so on; depth may be a PointCloud2',
    )
    parser.add_argument(
        '--truth-delay-s',
        type=positive,
        default=1.0,
        help='how much later than its image a message of the truth may be recorded',
    )
    parser.add_argument(
        '--class',
        dest='classes',
        action='append',
        type=assignment,
        default=[],
        metavar='TRUE=MODEL',
        help='what a class of the truth is called in the model: tree=vegetation',
    )
    parser.add_argument(
        '--label-info', default='', metavar='TOPIC', help='class map of /truth/semantic'
    )
    parser.add_argument(
        '--fixed-frame', default='', metavar='FRAME', help='fixed frame in TF: map, odom'
    )
    parser.add_argument(
        '--outputs',
        nargs='*',
        default=['results'],
        metavar='TOPIC',
        help='topics in predictions.mcap as the node publishes them, by their private names, or '
        "'all'; default: the results alone, with small maps",
    )
    lens = parser.add_mutually_exclusive_group()
    lens.add_argument(
        '--distorted',
        action='store_true',
        help='undistort the images; default: if D of camera_info and the topic ask for it',
    )
    lens.add_argument('--rectified', action='store_true', help='take them as they are, with P')


def add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--realtime',
        action='store_true',
        help='drop the images that a node of this latency would drop',
    )
    parser.add_argument(
        '--latency-ms',
        type=positive,
        default=0.0,
        help='latency of each image; default: as measured',
    )
    parser.add_argument('--frames', type=positive, default=0, help='evaluate only the first ones')
    parser.add_argument(
        '--min-score', type=float, default=0.3, help='lowest score of published boxes'
    )
    parser.add_argument('--depth-max-m', type=positive, default=60.0)
    parser.add_argument('--boxes-max-m', type=positive, default=40.0)
    parser.add_argument(
        '--match-m',
        type=positive,
        default=2.0,
        help='largest distance between the centres of a matched pair',
    )
    parser.add_argument(
        '--novelty',
        action='store_true',
        help='measure how unlike the training images each image is, and show the worst',
    )
    parser.add_argument(
        '--temporal', action='store_true', help='as the node with temporal.enabled: less flicker'
    )
    parser.add_argument('--mds', action='store_true', help='also compute the mDS of Cityscapes-3D')
    parser.add_argument('--no-progress', action='store_true')


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 on success, 1 if a recording failed or a criterion is not met, 2 if nothing was
    evaluated."""
    from mtscene_ros.evaluate.pages.evaluation_page import write_page
    from mtscene_ros.evaluate.run.assemble import assemble, judged, start_afresh, unmet
    from mtscene_ros.evaluate.run.job import jobs_of
    from mtscene_ros.evaluate.run.summary import table

    report: Path = arguments.output
    bags, options, criteria = requested(arguments)
    jobs = jobs_of(bags, options, report)
    if arguments.fresh:
        start_afresh(report, jobs)
    outcomes = evaluated(jobs, arguments)
    total = assemble(report, jobs, outcomes)
    if total is None:
        return 2
    all_hold = judged(report, total, criteria) if criteria else True
    page = None if arguments.no_page else write_page(report)
    summary = {k: total[k] for k in ('counts', 'notes', 'metrics', 'criteria') if k in total}
    print(json.dumps(summary, indent=1) if arguments.json else table(total))
    if page is not None:  # the last line, where nobody can miss it
        print(f'Page: {page}', file=sys.stderr if arguments.json else sys.stdout)
    for sentence in unmet(total):
        print(f'mtscene evaluate: {sentence}', file=sys.stderr)
    return int(not all_hold or any(outcome.error for outcome in outcomes.values()))


def requested(
    arguments: argparse.Namespace,
) -> tuple[Sequence[Path], EvaluateOptions, Sequence[Condition]]:
    """Returns recordings, options and criteria, from the command line or from a scenario.

    Raises ValueError for both at once.
    """
    from mtscene_ros.evaluate.run.scenario import read_scenario

    options = options_from(arguments)
    if arguments.scenario is None:
        if not arguments.bags:
            raise ValueError('There is nothing to evaluate; name recordings or give --scenario.')
        return arguments.bags, options, ()
    allowed = EvaluateOptions(threads=options.threads, progress=options.progress)
    if arguments.bags or options != allowed:
        raise ValueError(
            'With --scenario, name recordings, model, topics and rules in the file alone.'
        )
    found = read_scenario(arguments.scenario)
    progress = found.options.progress and options.progress
    threads = options.threads or found.options.threads
    return found.bags, replace(found.options, progress=progress, threads=threads), found.criteria


def evaluated(jobs: Sequence[EvaluationJob], arguments: argparse.Namespace) -> dict[str, Outcome]:
    """Returns the outcomes by name, and prints a line for each as it arrives."""
    from mtscene_ros.evaluate.run.fleet import run_on_ray
    from mtscene_ros.evaluate.run.many import run_here

    start_s, outcomes = time.monotonic(), {}
    if arguments.ray:
        coming = run_on_ray(jobs, arguments.ray)
    else:
        coming = run_here(jobs, int(arguments.jobs))
    for outcome in coming:
        outcomes[outcome.name] = outcome
        print(
            progress_line(outcome, outcomes, len(jobs), time.monotonic() - start_s),
            file=sys.stderr,
        )
    return outcomes


def progress_line(
    outcome: Outcome, so_far: Mapping[str, Outcome], count: int, elapsed_s: float
) -> str:
    """Returns `[3/12] night: 35 s, 4 min left`.

    The time left is extrapolated from the recordings that were evaluated in this run.
    """
    place = f'[{len(so_far)}/{count}] ' if count > 1 else ''
    if outcome.error:
        return f'mtscene evaluate: {place}{outcome.name} failed: {outcome.error}'
    if outcome.resumed:
        return f'{place}{outcome.name}: evaluated before (--fresh evaluates it again)'
    ran = sum(not of.resumed for of in so_far.values())
    if outcome.replaced:
        why = outcome.replaced.removesuffix('; evaluate again.')
        place = f'{why}, so it was evaluated again.\n{place}'
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
        node=arguments.node.rstrip('/'),
        input_is_rectified=None
        if arguments.distorted == arguments.rectified
        else arguments.rectified,
        realtime=arguments.realtime,
        latency_ms=float(arguments.latency_ms),
        max_frames=int(arguments.frames),
        min_score=arguments.min_score,
        outputs=ALL_OUTPUTS if arguments.outputs == ['all'] else tuple(arguments.outputs),
        depth_max_m=float(arguments.depth_max_m),
        boxes_max_m=float(arguments.boxes_max_m),
        match_m=float(arguments.match_m),
        fixed_frame=arguments.fixed_frame,
        truth_delay_s=float(arguments.truth_delay_s),
        classes=tuple(arguments.classes),
        mds=arguments.mds,
        temporal=arguments.temporal,
        novelty=arguments.novelty,
        progress=not arguments.no_progress,
    )
