"""Prints a script with which the shell completes verbs, options and files of mtscene."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLE = """mtscene completion bash > ~/.local/share/bash-completion/completions/mtscene
mtscene completion zsh > ~/.zfunc/_mtscene"""
SHELLS = ('bash', 'zsh', 'tcsh')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('shell', choices=SHELLS)


def run(arguments: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError:
        raise ValueError('shtab is not installed; run `pip install shtab`.') from None
    from mtscene_ros.cli.main import command_parser

    parser = command_parser()
    complete_files(parser, shtab.FILE)
    print(shtab.complete(parser, arguments.shell))
    return 0


def complete_files(parser: argparse.ArgumentParser, how: object) -> None:
    """Marks every argument that takes a path, in all verbs, the way shtab expects it."""
    for action in parser._actions:
        if action.type is Path:
            action.complete = how  # type: ignore[attr-defined]
        elif isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                complete_files(verb, how)
