"""Compares two reports of `mtscene evaluate`: what changed, and how certain that is."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mtscene_ros.cli.arguments import positive

EXAMPLE = """mtscene compare before/ after/ --fail-if "semantic.miou < -0.5" -o differences.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('a', type=Path, help='folder of the report from before')
    parser.add_argument('b', type=Path, help='folder of the report from after')
    parser.add_argument(
        '--fail-if',
        action='append',
        default=[],
        metavar='"SCORE < NUMBER"',
        help='exit with 1 if the change B - A meets this; may be given several times',
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of the table')
    parser.add_argument('--all', action='store_true', help='also list scores that did not change')
    parser.add_argument('-o', '--output', type=Path, metavar='HTML', help='write a page as well')
    parser.add_argument('--seed', type=int, default=0, help='seed of the resampling')
    parser.add_argument(
        '--resamples', type=positive, default=1000, help='resamples for the intervals'
    )


def run(arguments: argparse.Namespace) -> int:
    from mtscene_ros.evaluate.comparison import differences
    from mtscene_ros.evaluate.conditions import check, parsed
    from mtscene_ros.evaluate.pages import compare_page
    from mtscene_ros.evaluate.run.report_folder import (
        ReportError,
        check_complete,
        read_report,
    )
    from mtscene_ros.models.array_file import first_line

    conditions = [parsed(text) for text in arguments.fail_if]
    try:
        a, b = read_report(arguments.a), read_report(arguments.b)
        for report in (a, b):
            check_complete(report)
        found = differences.compare(a, b, arguments.seed, arguments.resamples)
    except (AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ReportError(
            f'The results have an unexpected form ({type(error).__name__}: {first_line(error)}); '
            'evaluate again.'
        ) from error
    check(conditions, found.changes)
    fired = [c for c in conditions if c.fires(found.changes[c.path])]
    if arguments.output:
        compare_page.write(a, b, found, conditions, arguments.output)
    if arguments.json:
        about = {
            'reports': [str(arguments.a), str(arguments.b)],
            'seed': arguments.seed,
            'fired': [str(c) for c in fired],
        }
        print(json.dumps(differences.as_json(found, about), indent=2))
    else:
        print(compare_page.as_text(a, b, found, arguments.all))
    for c in fired:
        print(
            f'mtscene compare: {c} holds, the change is {found.changes[c.path]:+.4g}',
            file=sys.stderr,
        )
    return 1 if fired else 0
