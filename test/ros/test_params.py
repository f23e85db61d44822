from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from mtscene_ros.ros.params import PARAMETERS, NodeParams, complaint, markdown_table, yaml_text

ROOT = Path(__file__).parents[2]


def test_the_table_names_every_field() -> None:
    assert [p.name for p in PARAMETERS] == [f.name for f in fields(NodeParams)]


def test_every_default_is_allowed() -> None:
    assert [complaint(p.name, p.default) for p in PARAMETERS] == [''] * len(PARAMETERS)


def test_yaml_file_is_the_table() -> None:
    """`python -m mtscene_ros.ros.params yaml > config/perception.yaml` mends it."""
    text = (ROOT / 'config' / 'perception.yaml').read_text()
    assert text == yaml_text()
    values = yaml.safe_load(text)['/**']['ros__parameters']
    assert values == {p.name: p.default for p in PARAMETERS}


def test_readme_holds_the_table() -> None:
    """`python -m mtscene_ros.ros.params markdown` prints what belongs there."""
    assert markdown_table() in (ROOT / 'README.md').read_text()


@pytest.mark.parametrize(
    ('name', 'value', 'sentence'),
    [
        ('min_score', 1, ''),  # an integer is a fine score
        ('min_score', 1.5, 'Parameter min_score is 1.5; it must lie in 0 to 1.'),
        ('threads', True, 'Parameter threads is True; it must be of type int.'),
        (
            'backend',
            'x',
            "Parameter backend is 'x'; it must be one of onnxruntime, openvino, constant.",
        ),
    ],
)
def test_complaints(name: str, value: object, sentence: str) -> None:
    assert complaint(name, value) == sentence
