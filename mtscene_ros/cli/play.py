"""Plays a recording onto real topics."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from mtscene_ros.cli.arguments import positive, remapping
from mtscene_ros.terminal import plural

EXAMPLE = """mtscene play drive.mcap --step /perception/detections_3d
mtscene play drive.mcap --clock --start 10 --duration 5 --loop"""
EXIT = '0 done, 1 if images got no answer (--step), 2 refused'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', type=Path)
    parser.add_argument('--rate', type=positive, default=1.0, help='1: as recorded')
    parser.add_argument('--fast', action='store_true', help='as fast as possible')
    parser.add_argument(
        '--step',
        default='',
        metavar='TOPIC',
        help='wait for the answer to each image on this topic',
    )
    parser.add_argument(
        '--timeout-s', type=float, default=10.0, help='longest wait for one answer'
    )
    parser.add_argument('--topics', nargs='+', default=(), help='default: all')
    parser.add_argument('--remap', nargs='+', type=remapping, default=(), metavar='FROM:=TO')
    parser.add_argument(
        '--clock', action='store_true', help='publish /clock and leave out a recorded one'
    )
    parser.add_argument(
        '--start', type=positive, default=0.0, metavar='S', help='begin S seconds after the start'
    )
    parser.add_argument(
        '--duration', type=positive, default=0.0, metavar='S', help='play S seconds of it'
    )
    parser.add_argument('--loop', action='store_true', help='again and again, until Ctrl-C')
    parser.add_argument('--json', action='store_true', help='print what was sent, by topic')


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.ros.playback import PlayOptions, run_play

    options = PlayOptions(
        rate=0.0 if arguments.fast or arguments.step else arguments.rate,
        step_topic=arguments.step,
        step_timeout_s=arguments.timeout_s,
        topics=arguments.topics,
        remap=dict(arguments.remap),
        clock=arguments.clock,
        start_s=arguments.start,
        duration_s=arguments.duration,
        loop=arguments.loop,
        has_bar=True,
    )
    played = run_play(arguments.bag, options)
    for topic, type_name in played.skipped.items():
        print(f'{topic} was left out: its type {type_name} is not installed', file=sys.stderr)
    for topic, why in played.unread.items():
        print(f'{topic} was left out: {why}', file=sys.stderr)
    for topic in played.clocks:
        print(f'{topic} was left out: --clock publishes /clock instead', file=sys.stderr)
    if arguments.json:
        print(json.dumps(asdict(played)))
    else:
        sent, topics = sum(played.sent.values()), len(played.sent)
        print(f'{plural(sent, "message")} on {plural(topics, "topic")}')
    if played.unanswered:
        print(
            f'{plural(played.unanswered, "image")} got no answer on {arguments.step}',
            file=sys.stderr,
        )
    return 1 if played.unanswered else 0
