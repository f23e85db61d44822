"""`mtscene models`: what is found, what it says, the card beside the bundled model."""

import json
import shutil
from pathlib import Path

import onnx
import pytest

from mtscene_ros.cli.main import main
from mtscene_ros.models.about import ABOUT_KEY, About, about_of, numbers, sidecar_of
from mtscene_ros.models.card import card
from mtscene_ros.models.catalogue import (
    BUNDLED_MODEL,
    file_of,
    folders,
    licence_remark,
    model_of,
    spec_of_file,
)

RESULTS = Path(__file__).parents[2] / 'benchmarks' / 'results' / 'drive_lite.json'


@pytest.fixture
def mine(tmp_path: Path, tiny_path: str) -> Path:
    """A model with a licence and a score in its metadata."""
    model = onnx.load(tiny_path)
    printed = model.metadata_props.add()
    printed.key, printed.value = ABOUT_KEY, About('MIT', scores={'depth.abs_rel': 0.5}).to_json()
    onnx.save(model, tmp_path / 'mine.onnx')
    return tmp_path / 'mine.onnx'


BUNDLED = sorted(Path(BUNDLED_MODEL).parent.glob('*.onnx'))


@pytest.mark.parametrize('path', BUNDLED, ids=lambda path: path.stem)
def test_the_card_of_a_bundled_model_is_up_to_date(path: Path) -> None:
    model = model_of(path)
    assert path.with_suffix('.md').read_text() == card(model)
    assert model.size_bytes < 16.1e6
    assert (model.spec.name, bool(model.about.licence)) == (path.stem, True)


def test_scores_of_the_bundled_model_are_the_committed_results() -> None:
    about = model_of(Path(BUNDLED_MODEL)).about
    assert about.licence == 'Apache-2.0'
    assert about.scores == numbers(json.loads(RESULTS.read_text()))
    assert about.scores['semantic.miou'] == pytest.approx(0.792, abs=5e-4)


def test_what_a_file_says_about_itself(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['models', str(mine), '--json']) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found['about']['licence'], found['about']['scores']) == ('MIT', {'depth.abs_rel': 0.5})
    assert (found['spec']['name'], found['is_bundled']) == ('tiny', False)
    assert found['size_bytes'] == mine.stat().st_size


def test_local_models_are_found(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine.parent / 'data' / 'mtscene_ros').mkdir(parents=True)
    monkeypatch.setenv('XDG_DATA_HOME', str(mine.parent / 'data'))
    shutil.copytree(mine.parent, folders()[1], ignore=lambda *_: ['data'])
    assert main(['models']) == 0
    shown = capsys.readouterr().out
    assert 'drive_lite 0.3.0  bundled' in shown
    assert f'tiny 1  {folders()[1] / "mine.onnx"}' in shown
    assert 'boxes3d.map 0.389, depth.abs_rel 0.0743, semantic.miou 0.792' in shown


def test_a_model_is_opened_by_its_name() -> None:
    assert file_of('drive_lite') == BUNDLED_MODEL
    assert spec_of_file('drive_lite').name == 'drive_lite'
    assert (file_of(''), file_of('no/such.onnx')) == ('', 'no/such.onnx')


@pytest.mark.parametrize(
    ('licence', 'says'),
    [('MIT', False), ('CC-BY-NC-SA-4.0', True), ('LicenseRef-x-noncommercial', True)],
)
def test_a_licence_without_commercial_use_is_pointed_out(
    mine: Path, licence: str, says: bool
) -> None:
    sidecar_of(mine).write_text(About(licence).to_json())
    sentence = f'mine is not for commercial use (licence {licence}); `mtscene models` shows the '
    assert licence_remark(str(mine)) == (sentence + 'terms of every model.' if says else '')


def test_scores_are_kept_beside_the_file_and_come_into_the_card(mine: Path) -> None:
    scores = mine.parent / 'scores.json'
    scores.write_text('{"semantic": {"miou": 0.25}, "frames": 7, "name": "x"}')
    assert main(['models', str(mine), '--scores', str(scores), '--card']) == 0
    text = mine.with_suffix('.md').read_text()
    assert '| semantic.miou | 0.25 |\n' in text
    assert '| licence | MIT |' in text
    assert about_of(mine, {}).scores == {'frames': 7.0, 'semantic.miou': 0.25}


def test_a_file_that_is_no_model_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'no.onnx').write_bytes(b'no model')
    assert main(['models', str(tmp_path)]) == 1
    assert capsys.readouterr().err.count('\n') == 1


@pytest.mark.parametrize(
    'text', ['[]', '{"license": "MIT"}', '{"scores": 3}', '{"licence": 3}', '{']
)
def test_a_malformed_entry_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r'm\.onnx: mtscene_about'):
        about_of(tmp_path / 'm.onnx', {ABOUT_KEY: text})


def test_a_bundled_model_is_inspected_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['inspect', 'drive_lite', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['name'] == 'drive_lite'
