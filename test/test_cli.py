"""Every verb has its file, a help with an example, and one sentence for what it refuses."""

import pytest

from mtscene_ros.cli import VERBS, main, verb_parser


@pytest.mark.parametrize('name', VERBS)
def test_every_verb_shows_an_example(name: str) -> None:
    assert f'\n  mtscene {name}' in verb_parser(name).format_help()


def test_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--help']) == 0
    shown = capsys.readouterr().out
    assert all(f'\n  {name} ' in shown for name in VERBS)


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
