"""Conditions on scores, `PATH OPERATOR NUMBER` ("semantic.miou < -0.5").

The grammar has three words, and nothing is executed as code.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from mtscene_ros.terminal import did_you_mean

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    '<': operator.lt,
    '<=': operator.le,
    '>': operator.gt,
    '>=': operator.ge,
}
_NUMBER = r'[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?'
_CONDITION = re.compile(rf'\s*([^\s<>=](?:[^<>=]*[^\s<>=])?)\s*(<=|>=|<|>)\s*({_NUMBER})\s*')


class ConditionError(ValueError):
    """The text is not a condition, or its score does not exist; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; path: that of a score, such as `semantic.miou`."""

    path: str
    operator: str
    number: float

    def __str__(self) -> str:
        return f'{self.path} {self.operator} {self.number:g}'

    def holds(self, value: float) -> bool:
        """Whether the condition holds; never for NaN, which is neither above nor below."""
        return OPERATORS[self.operator](value, self.number)

    def fires(self, value: float) -> bool:
        """Whether an alarm fires; NaN fires too, so that an unmeasured score is noticed."""
        return math.isnan(value) or self.holds(value)


def parsed(text: str) -> Condition:
    """Parses a condition. Raises ConditionError."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ConditionError(
            f'{text!r} is not a condition; write a score, one of {", ".join(OPERATORS)} and a '
            'number, such as "semantic.miou < -0.5".'
        )
    return Condition(found[1], found[2], float(found[3]))


def check(conditions: Collection[Condition], scores: Mapping[str, float]) -> None:
    """Raises ConditionError for the first condition whose score does not exist, with the nearest
    one that does."""
    for condition in conditions:
        if condition.path not in scores:
            raise ConditionError(
                f'There is no score {condition.path!r}; {hint(condition.path, scores)}'
            )


def hint(word: str, known: Collection[str]) -> str:
    """Returns the end of an error: the nearest known word, or all of them."""
    return did_you_mean(word, known, f'known are {", ".join(known) or "none"}.')
