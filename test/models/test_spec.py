import dataclasses
import json

import pytest
from conftest import tiny_spec

from mtscene_ros.models.spec import (
    FORMAT_VERSION,
    SpecError,
    TensorSpec,
    classes_from_options,
    mismatches,
    spec_from_json,
)
from mtscene_ros.types import SemanticClass


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


def test_the_size_of_the_input() -> None:
    assert (tiny_spec().height_px, tiny_spec().width_px) == (16, 32)
    one = dataclasses.replace(tiny_spec(), input=TensorSpec('image', (-1, 1, 1, 3), 'uint8'))
    assert spec_from_json(one.to_json(), 'm.onnx') == one


@pytest.mark.parametrize(('values', 'fits'), [(1 << 28, True), ((1 << 28) + 1, False)])
def test_the_largest_tensor(values: int, fits: bool) -> None:
    spec = dataclasses.replace(tiny_spec(), outputs=(TensorSpec('a', (-1, values), 'uint8'),))
    if fits:
        assert spec_from_json(spec.to_json(), 'm.onnx') == spec
    else:
        with pytest.raises(SpecError, match=f"tensor 'a' has the shape .-1, {values}"):
            spec_from_json(spec.to_json(), 'm.onnx')


def test_a_tensor_of_another_rank_breaks_the_promise() -> None:
    spec = tiny_spec()
    reported = {t.name: t for t in (spec.input, *spec.outputs)}
    reported['depth'] = TensorSpec('depth', (-1, 16), 'float32')
    [sentence] = mismatches(spec, reported)
    assert "'depth' is (-1, 16) in the graph and (-1, 16, 32) in the spec" in sentence
    reported['depth'] = TensorSpec('depth', (-1, 16, 32, 1), 'float32')
    assert len(mismatches(spec, reported)) == 1


def test_errors_are_quoted_in_part() -> None:
    with pytest.raises(SpecError) as caught:
        spec_from_json(json.dumps({'format_version': 'x' * 999}), 'm.onnx')
    assert len(str(caught.value)) < 400


def test_a_class_table() -> None:
    table = [{'id': k, 'name': name, 'color_rgb': [k, 2, 3]} for k, name in enumerate('ab')]
    found = classes_from_options({'classes': table})
    assert found == (SemanticClass(0, 'a', (0, 2, 3)), SemanticClass(1, 'b', (1, 2, 3)))
    with pytest.raises(ValueError, match='unpack'):
        classes_from_options({'classes': [{'id': 0, 'name': 'a', 'color_rgb': [1, 2]}]})
