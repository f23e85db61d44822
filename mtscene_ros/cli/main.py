"""`mtscene VERB ...`: everything that is not the node."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from mtscene_ros.backends import BackendError
from mtscene_ros.backends.engine_build import EngineError

# Each verb is the file of its name in cli/; it is imported when somebody calls it.
VERBS = {
    'run': 'the node, with the options that are needed first',
    'check': 'a machine and a configuration: what to mend before the node is started',
    'demo': 'the node on a generated drive or on a recording of yours',
    'play': 'a recording onto real topics',
    'record': 'real topics into a recording',
    'convert': 'generated worlds and public data sets into a recording with ground truth',
    'evaluate': 'a model on recordings with ground truth: scores, what it would have published',
    'report': "a recording of the node's outputs into one HTML page",
    'compare': 'two evaluations: what changed, and how sure that is',
    'view': 'recordings, evaluations or live topics in a Rerun viewer',
    'bench': 'latency, memory and operations of models, backends and thread counts',
    'build': 'an engine for TensorRT ahead of time',
    'models': 'models on this machine: tasks, classes, size, scores, licence, model card',
    'inspect': 'what a model file or an engine says about itself',
    'completion': 'a script with which bash, zsh or tcsh completes verbs and options',
}

EXIT = '0 done, 1 done in part, 2 refused with one sentence'


def verb_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one verb. No side effects: the verb's own imports come when it runs."""
    parser = argparse.ArgumentParser(prog=f'mtscene {name}')
    return filled(parser, name)


def command_parser() -> argparse.ArgumentParser:
    """One parser with all verbs, for what wants to know them all: completion, documentation."""
    parser = argparse.ArgumentParser(prog='mtscene')
    verbs = parser.add_subparsers(metavar='VERB')
    for name, what in VERBS.items():
        filled(verbs.add_parser(name, help=what), name)
    return parser


def filled(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    """With the description, example, exit status and arguments of a verb."""
    verb = importlib.import_module(f'mtscene_ros.cli.{name}')
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
    head = 'usage: mtscene VERB ...    (mtscene VERB --help shows options and an example)'
    return '\n'.join([head, '', *lines])


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb; 0 = done, 1 = done in part, 2 = refused with one sentence,
    130 = Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ('-h', '--help'):
        print(overview())
        return 0 if words else 2
    name = words[0]
    if name not in VERBS:
        print(
            f'mtscene: there is no verb {name!r}; it is one of {", ".join(VERBS)}.',
            file=sys.stderr,
        )
        return 2
    parsed = verb_parser(name).parse_args(words[1:])
    try:
        status = int(parsed.run(parsed))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130  # as shells have it
    except (ValueError, OSError, BackendError, EngineError) as error:  # BagError, SpecError ...
        print(f'mtscene {name}: {error}', file=sys.stderr)
        return 2
