"""The verbs that talk to a running node: stats, swap, enable, params."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rcl_interfaces.msg import ParameterType

from mtscene_ros.cli.main import main
from mtscene_ros.ros import node_client
from mtscene_ros.ros.node_client import value_of

from .inside import Inside

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope='module')
def inside(tiny_path: str) -> Iterator[Inside]:
    """One node for all tests, which only ask it."""
    made = Inside(model=tiny_path)
    yield made
    made.close()


def test_stats_tell_rates_and_troubles(inside: Inside, capsys: Captured) -> None:
    assert main(['stats']) == 1  # nobody publishes images
    shown = capsys.readouterr().out
    assert 'WARN  camera: no image on /camera/image_raw' in shown
    assert 'in 0.0 Hz, out 0.0 Hz; 0 received, 0 published, 0 dropped, 0 failed' in shown
    assert main(['stats', '--json']) == 1
    found = {entry['title']: entry for entry in json.loads(capsys.readouterr().out)}
    assert found['model']['level'] == 'ok'
    assert found['model']['values']['model'] == 'tiny 1'


def test_a_model_is_swapped_and_named(inside: Inside, tiny_path: str, capsys: Captured) -> None:
    assert main(['swap', tiny_path]) == 0
    assert capsys.readouterr().out.startswith('Model tiny 1: boxes3d, depth, semantic at 32x16 px')


def test_a_model_that_is_none_is_refused(inside: Inside, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / 'no.onnx').write_bytes(b'no model')
    assert main(['swap', str(tmp_path / 'no.onnx')]) == 2
    assert '/perception refuses: ' in capsys.readouterr().err
    assert main(['swap', 'nowhere.onnx']) == 2
    assert "There is no model 'nowhere.onnx'" in capsys.readouterr().err


def test_the_node_pauses_and_goes_on(inside: Inside, capsys: Captured) -> None:
    assert main(['enable', 'off']) == 0
    assert not inside.worker.is_enabled
    assert main(['enable']) == 0
    assert inside.worker.is_enabled
    assert capsys.readouterr().out.split() == ['disabled', 'enabled']


def test_parameters_are_shown_and_set(inside: Inside, capsys: Captured) -> None:
    """1 becomes 1.0, for that is the parameter's type."""
    assert main(['params', 'min_score:=1', 'max_rate_hz:=10']) == 0
    assert inside.node.get_parameter('min_score').value == 1.0
    shown = capsys.readouterr().out
    assert shown.startswith('min_score    1.0   # ')
    assert main(['params', '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found['max_rate_hz'], found['threads']) == (10.0, 1)


@pytest.mark.parametrize(
    ('word', 'sentence'),
    [
        ('min_score_by_class:=[car]', "'car' is not CLASS:SCORE"),
        ('min_score:=2', 'refuses: Parameter min_score is 2.0; it must lie in'),
        ('min_skore:=1', 'has no parameter min_skore'),
        ('min_skore', 'has no parameter min_skore'),
    ],
)
def test_a_value_that_is_wrong_is_one_sentence(
    inside: Inside, capsys: Captured, word: str, sentence: str
) -> None:
    assert main(['params', word]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count('\n') == 1


@pytest.mark.parametrize('words', [['stats'], ['enable'], ['params']])
def test_a_node_that_is_not_there_is_one_sentence(
    inside: Inside, words: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_client, 'DISCOVERY_S', 0.3)
    monkeypatch.setattr(node_client.NodeClient.status, '__defaults__', (0.3,))
    assert main([*words, '--node', 'nobody']) == 2
    shown = capsys.readouterr().err
    assert '/nobody' in shown
    assert '`mtscene run`' in shown


def test_words_stay_words() -> None:
    """A parameter that takes the words auto, true and false."""
    assert value_of('true', ParameterType.PARAMETER_STRING).string_value == 'true'
    assert value_of('true', ParameterType.PARAMETER_BOOL).bool_value
    assert list(value_of('[a, b]', 9).string_array_value) == ['a', 'b']
