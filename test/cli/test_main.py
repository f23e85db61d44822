"""Every verb has its file, a help with an example, JSON, and one sentence for what it refuses."""

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mtscene_ros.cli import programs
from mtscene_ros.cli.main import VERBS, command_parser, main, verb_parser

# They show something to people, become the node, or write a script.
WITHOUT_JSON = {'demo', 'view', 'completion'}
# What the files of mtscene_ros/verbs may import before a verb runs.
HEAVY = ('numpy', 'cv2', 'rosbags', 'rclpy', 'onnxruntime', 'rerun')


def leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parser itself, or those of its subcommands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return list(action.choices.values())
    return [parser]


@pytest.mark.parametrize('name', VERBS)
def test_every_verb_shows_an_example(name: str) -> None:
    assert f'\n  mtscene {name}' in verb_parser(name).format_help()


@pytest.mark.parametrize('name', VERBS)
def test_every_verb_tells_its_exit_status(name: str) -> None:
    assert '\nexit status: ' in verb_parser(name).format_help()


@pytest.mark.parametrize('name', sorted(set(VERBS) - WITHOUT_JSON))
def test_every_verb_has_json(name: str) -> None:
    assert all('--json' in leaf.format_help() for leaf in leaves(verb_parser(name)))


@pytest.mark.parametrize('name', VERBS)
def test_examples_can_be_parsed(name: str) -> None:
    verb = sys.modules[verb_parser(name).get_default('run').__module__]
    for line in verb.EXAMPLE.splitlines():
        _, printed, *words = shlex.split(line.split(' > ')[0])
        assert printed == name
        assert verb_parser(name).parse_args(words)


def test_parsers_need_nothing_heavy() -> None:
    code = (
        'import sys; from mtscene_ros.cli.main import command_parser; command_parser(); '
        f'print(*(m for m in {HEAVY} if m in sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) <= {'numpy', 'cv2'}  # of the errors that main() tells


def test_one_parser_knows_all_verbs() -> None:
    shown = command_parser().format_help()
    assert all(name in shown.split() for name in VERBS)


def test_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--help']) == 0
    shown = capsys.readouterr().out
    assert all(f'\n  {name} ' in shown for name in VERBS)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--version']) == 0
    assert re.fullmatch(r'mtscene (\d+\.\d+\.\d+|\(a checkout .*\))\n', capsys.readouterr().out)


def test_an_unknown_verb_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['paly']) == 2
    assert 'play' in capsys.readouterr().err


def test_a_file_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['inspect', 'nowhere.onnx']) == 2
    shown = capsys.readouterr().err
    assert shown.startswith('mtscene inspect: ')
    assert shown.count('\n') == 1


def test_convert_tells_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / 'drive.mcap')
    words = ['convert', 'worlds', '--frames', '2', '--size', '64x32', '-o', out, '--json']
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == {'output': out, 'frames': 2}


def test_a_reader_that_goes_away_is_no_trouble() -> None:
    command = f'{sys.executable} -m mtscene_ros.cli models --json | true'
    done = subprocess.run(['bash', '-c', command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')


def test_programs_of_training_are_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(['data', 'merge', '--help'])
    assert ended.value.code == 0
    assert 'usage: mtscene data merge' in capsys.readouterr().out
    assert main(['data', 'check', 'manifest', 'nowhere.yaml']) == 2
    assert 'nowhere.yaml does not exist' in capsys.readouterr().err
    assert main(['data', 'chek']) == 2
    assert 'choose one of data convert, data check' in capsys.readouterr().err


def test_what_a_program_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(programs.importlib.util, 'find_spec', lambda name: None)
    assert main(['train', 'drive_nano']) == 2
    assert 'mtscene train needs the training code' in capsys.readouterr().err
    monkeypatch.setattr(programs.importlib.util, 'find_spec', lambda name: name != 'torch' or None)
    assert programs.missing_for('training.train') == 'torch'
    assert programs.missing_for('training.check_data') == ''
