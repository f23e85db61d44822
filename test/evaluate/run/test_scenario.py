"""scenario.yaml: read as written, refused with the nearest key."""

from pathlib import Path

import pytest

from mtscene_ros.evaluate.conditions import Condition, ConditionError
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.run.scenario import ScenarioError, read_scenario


def written(folder: Path, text: str) -> Path:
    path = folder / 'scenario.yaml'
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    for name in ('b.mcap', 'a.mcap'):
        (tmp_path / name).touch()
    text = 'bags: ["*.mcap", /far/night]\nmodel: m.onnx\ntruth: t.yaml\nlatency_ms: 5\n'
    scenario = read_scenario(written(tmp_path, text + 'pass: [a.b > 1]'))
    assert scenario.bags == (tmp_path / 'a.mcap', tmp_path / 'b.mcap', Path('/far/night'))
    assert scenario.options == EvaluateOptions(
        model=str(tmp_path / 'm.onnx'), truth=str(tmp_path / 't.yaml'), latency_ms=5.0
    )
    assert scenario.criteria == (Condition('a.b', '>', 1.0),)


def test_lists_and_mappings_become_tuples(tmp_path: Path) -> None:
    text = 'bags: x\noutputs: [depth/image]\ntruth_topics: {depth: /d}\ntruth: topics\nmodel: ""'
    options = read_scenario(written(tmp_path, text)).options
    assert options == EvaluateOptions(outputs=('depth/image',), truth_topics=(('depth', '/d'),))


@pytest.mark.parametrize(
    ('text', 'printed'),
    [
        ('bag: [a]', r"a scenario has no key 'bag'; did you mean bags\?"),
        ('bags: [a]\nrealtme: true', r'did you mean realtime\?'),
        ('bags: [a]\nzzz: 1', 'known are bags, pass, model, '),
        ('model: m.onnx', 'names no bags'),
        ('bags: [3]', r'bags is \[3\]; write a list of texts'),
        (
            'bags: [a]\nrealtime: often',
            "realtime is 'often'; its type must be bool, such as False",
        ),
        ('bags: [a]\nmax_frames: true', 'max_frames is True; its type must be int, such as 0'),
        ('bags: ["no/*.mcap"]', "no file matches 'no/\\*.mcap'"),
        ('- a', 'is a list; a scenario starts with the key bags'),
        ('bags: [a', 'is not YAML'),
        ('bags: !!python/object/apply:os.getcwd []', 'is not YAML'),
    ],
)
def test_what_is_refused_is_one_sentence(tmp_path: Path, text: str, printed: str) -> None:
    with pytest.raises(ScenarioError, match=printed) as error:
        read_scenario(written(tmp_path, text))
    assert '\n' not in str(error.value)


def test_a_criterion_that_is_no_condition(tmp_path: Path) -> None:
    with pytest.raises(ConditionError, match='is not a condition'):
        read_scenario(written(tmp_path, 'bags: [a]\npass: [semantic.miou]'))
