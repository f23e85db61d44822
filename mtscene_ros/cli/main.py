"""`mtscene VERB ...`: everything but the node itself."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import Any

from mtscene_ros.backends import BackendError
from mtscene_ros.backends.engine_build import EngineError
from mtscene_ros.cli import programs
from mtscene_ros.terminal import PlainText, shown

# Each verb is the file of its name in cli/, or of FILES; it is imported when somebody calls it.
VERBS = {
    'run': 'start the node, with the most common options',
    'live': 'show a running node in the browser, without further packages',
    'stats': 'rates, drops and latency of a running node',
    'swap': 'load another model into a running node',
    'enable': 'pause a running node or let it go on',
    'params': 'show and set the parameters of a running node',
    'check': 'check a machine and a configuration before the node starts',
    'predict': 'show what a model sees in pictures, videos, webcams, streams, recordings',
    'demo': 'run the node on a generated drive or on a recording of yours',
    'play': 'play a recording onto real topics',
    'record': 'record real topics',
    'convert': 'write generated worlds or public data sets as a recording with ground truth',
    'evaluate': 'evaluate a model on recordings with ground truth',
    'report': "turn a recording of the node's outputs into one HTML page",
    'compare': 'compare two evaluations: what changed, and how certain that is',
    'view': 'show recordings, evaluations or live topics in a Rerun viewer',
    'bench': 'measure latency, memory and operations of models and backends',
    'build': 'build a TensorRT engine ahead of time',
    'models': 'list the models on this machine: tasks, scores, licence; write model cards',
    'inspect': 'show what a model file or an engine says about itself',
    'completion': 'print a completion script for bash, zsh or tcsh',
}

FILES = {'params': 'node_params'}  # no two modules of the package have one name
EXIT = '0 done, 1 done in part, 2 refused with one sentence'


def verb_parser(name: str) -> argparse.ArgumentParser:
    """Returns the parser of one verb. What the verb imports is imported when it runs."""
    parser = argparse.ArgumentParser(prog=f'mtscene {name}')
    return filled(parser, name)


def command_parser() -> argparse.ArgumentParser:
    """Returns one parser with all verbs, for completion and documentation."""
    parser = argparse.ArgumentParser(prog='mtscene')
    verbs = parser.add_subparsers(metavar='VERB')
    for name, what in VERBS.items():
        filled(verbs.add_parser(name, help=what), name)
    return parser


def filled(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    """Adds the description, example, exit status and arguments of a verb to its parser."""
    verb = importlib.import_module(f'mtscene_ros.cli.{FILES.get(name, name)}')
    examples = f'example:\n  {verb.EXAMPLE}'.replace('\nmtscene', '\n  mtscene')
    parser.description = verb.__doc__
    parser.epilog = f'{examples}\n\nexit status: {getattr(verb, "EXIT", EXIT)}'
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verb.add_arguments(parser)
    parser.set_defaults(run=verb.run)
    return parser


def overview() -> str:
    width = max(map(len, VERBS))
    lines = [f'  {name:{width}s}  {what}' for name, what in VERBS.items()]
    head = 'usage: mtscene VERB ... | --version    (mtscene VERB --help shows options, examples)'
    more = 'on a machine with the training code:'
    return '\n'.join([head, '', *lines, '', more, programs.overview()])


def own_version() -> str:
    try:
        return metadata.version('mtscene_ros')
    except metadata.PackageNotFoundError:
        return '(a checkout that is not installed)'


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb. Returns 0 done, 1 done in part, 2 refused with one sentence, 130 Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ('-h', '--help'):
        print(overview())
        return 0 if words else 2
    if words[0] in ('-V', '--version'):
        print(f'mtscene {own_version()}')
        return 0
    name = words[0]
    if programs.is_program(name):
        return programs.run_program(words)
    if name not in VERBS:
        known = ', '.join([*VERBS, *programs.PROGRAMS])
        print(
            f'mtscene: there is no verb {name!r}; choose one of {known}.',
            file=sys.stderr,
        )
        return 2
    parsed = verb_parser(name).parse_args(words[1:])
    replace_closed_streams()
    streams: list[Any] = [PlainText(sys.stdout), PlainText(sys.stderr)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        return finished(name, parsed)


def replace_closed_streams() -> None:
    """Gives a process whose stdout or stderr was closed before it began something to print to."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open('w')  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open('w')  # noqa: SIM115
        print('mtscene: standard output is closed, so nothing is printed there.', file=sys.stderr)


def finished(name: str, parsed: argparse.Namespace) -> int:
    """Runs a verb and returns its exit code; an error of the user is one sentence."""
    try:
        status = int(parsed.run(parsed))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader, such as `| head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130  # what shells report for SIGINT
    except RecursionError:
        print(f'mtscene {name}: a file is nested too deeply to be read.', file=sys.stderr)
        return 2
    except (ValueError, OSError, BackendError, EngineError) as error:  # BagError, SpecError ...
        print(f'mtscene {name}: {shown(str(error), 4000)}', file=sys.stderr)
        return 2
