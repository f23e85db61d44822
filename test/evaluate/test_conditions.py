"""Conditions on scores: three words, nothing is evaluated as code."""

import math

import pytest

from mtscene_ros.evaluate.conditions import Condition, ConditionError, check, parsed


def test_a_score_an_operator_and_a_number() -> None:
    assert parsed('semantic.miou < -0.5') == Condition('semantic.miou', '<', -0.5)
    assert parsed(' depth.abs_rel>=1e-2 ') == Condition('depth.abs_rel', '>=', 0.01)
    assert parsed('semantic.iou traffic light > 3') == Condition(
        'semantic.iou traffic light', '>', 3
    )


@pytest.mark.parametrize(
    'text',
    ['', 'semantic.miou', '< 3', 'a.b < c', 'a.b == 3', 'a.b < 3 or True', 'a.b < 3 < 4',
     'a.b < __import__("os")', 'a.b <> 3', 'a.b < nan', 'a.b =< 3'],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConditionError, match='is not a condition'):
        parsed(text)


def test_when_it_holds() -> None:
    assert [Condition('x', o, 1).holds(1) for o in ('<', '<=', '>', '>=')] == [0, 1, 0, 1]
    assert not Condition('x', '<', 1).holds(math.nan)
    assert not Condition('x', '>', 1).holds(math.nan)


def test_a_score_that_can_no_longer_be_measured_fires() -> None:
    assert Condition('x', '<', -1).fires(math.nan)
    assert not Condition('x', '<', -1).fires(0)


def test_an_unknown_score_is_refused_with_the_nearest() -> None:
    scores = {'semantic.miou': 1.0, 'depth.rmse': 2.0}
    check([parsed('depth.rmse < 3')], scores)
    with pytest.raises(ConditionError, match=r"'semantic.miuo'; did you mean semantic.miou\?"):
        check([parsed('semantic.miuo < 3')], scores)
    with pytest.raises(ConditionError, match=r'known are semantic.miou, depth.rmse\.'):
        check([parsed('x < 3')], scores)
