import dataclasses
import json

import pytest
from conftest import tiny_spec

from mtscene_ros.spec import (
    FORMAT_VERSION,
    SpecError,
    TensorSpec,
    classes_from_options,
    mismatches,
    spec_from_json,
)


def test_spec_survives_json() -> None:
    assert spec_from_json(tiny_spec().to_json(), 'm.onnx') == tiny_spec()


@pytest.mark.parametrize(
    ('text', 'word'),
    [
        (None, 'not exported by mtscene_ros'),
        ('{', 'unreadable'),
        ('[]', 'unreadable'),
        (json.dumps({'format_version': FORMAT_VERSION + 1}), 'update mtscene_ros'),
        (json.dumps({'format_version': FORMAT_VERSION}), 'incomplete'),
    ],
)
def test_refusals(text: str | None, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        spec_from_json(text, 'm.onnx')


def test_float_input_is_refused() -> None:
    spec = tiny_spec()
    wrong = dataclasses.replace(spec, input=TensorSpec('image', (-1, 3, 16, 32), 'float32'))
    with pytest.raises(SpecError, match='uint8'):
        spec_from_json(wrong.to_json(), 'm.onnx')


def test_each_broken_promise_gets_a_sentence() -> None:
    spec = tiny_spec()
    reported = {t.name: t for t in (spec.input, *spec.outputs)}
    assert mismatches(spec, reported) == []
    del reported['boxes3d_code']
    reported['depth'] = TensorSpec('depth', (-1, 16, 32), 'float16')
    reported['boxes3d_scores'] = TensorSpec('boxes3d_scores', (-1, 7, 4, 9), 'float32')
    sentences = mismatches(spec, reported)
    assert [s.split("'")[1] for s in sentences] == ['depth', 'boxes3d_scores', 'boxes3d_code']


def test_gaps_in_class_ids_are_refused() -> None:
    with pytest.raises(ValueError, match='not 0, 1, 2'):
        classes_from_options({'classes': [{'id': 1, 'name': 'road', 'color_rgb': [0, 0, 0]}]})


def test_a_class_table_has_classes() -> None:
    with pytest.raises(ValueError, match='not 0, 1, 2'):
        classes_from_options({'classes': []})


@pytest.mark.parametrize(
    'shape', [(-1, 0, 32, 3), (-1, 16, 32), (-1, 16, 32, 4), (-1, 1 << 14, 1 << 14, 3)]
)
def test_unusable_shapes_are_refused(shape: tuple[int, ...]) -> None:
    wrong = dataclasses.replace(tiny_spec(), input=TensorSpec('image', shape, 'uint8'))
    with pytest.raises(SpecError, match=r'shape|input is'):
        spec_from_json(wrong.to_json(), 'm.onnx')


def test_a_dynamic_axis_keeps_the_promise() -> None:
    spec = tiny_spec()
    reported = {t.name: t for t in (spec.input, *spec.outputs)}
    reported['depth'] = TensorSpec('depth', (-1, -1, 32), 'float32')
    assert mismatches(spec, reported) == []
    reported['depth'] = TensorSpec('depth', (-1, -1, 33), 'float32')
    assert len(mismatches(spec, reported)) == 1
