"""Conditions on scores, `PATH OPERATOR NUMBER` ("semantic.miou < -0.5"): a grammar of three words,
nothing is evaluated as code."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    '<': operator.lt,
    '<=': operator.le,
    '>': operator.gt,
    '>=': operator.ge,
}
_NUMBER = r'[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?'
_CONDITION = re.compile(rf'\s*([^\s<>=](?:[^<>=]*[^\s<>=])?)\s*(<=|>=|<|>)\s*({_NUMBER})\s*')


class ConditionError(ValueError):
    """No condition, or one on a score that does not exist; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Condition:
    """path: of a score, as `semantic.miou`."""

    path: str
    operator: str
    number: float

    def __str__(self) -> str:
        return f'{self.path} {self.operator} {self.number:g}'

    def holds(self, value: float) -> bool:
        """Never for NaN: what could not be measured is neither above nor below."""
        return OPERATORS[self.operator](value, self.number)

    def fires(self, value: float) -> bool:
        """Also for NaN: a score that can no longer be measured must not pass unseen."""
        return math.isnan(value) or self.holds(value)


def parsed(text: str) -> Condition:
    """Raises ConditionError."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ConditionError(
            f'{text!r} is no condition; write a score, one of {", ".join(OPERATORS)} and a '
            'number, as "semantic.miou < -0.5".'
        )
    return Condition(found[1], found[2], float(found[3]))


def check(conditions: Collection[Condition], scores: Mapping[str, float]) -> None:
    """Raises ConditionError for the first whose score is not there, with the nearest that is."""
    for condition in conditions:
        if condition.path not in scores:
            raise ConditionError(
                f'There is no score {condition.path!r}; {hint(condition.path, scores)}'
            )


def hint(word: str, known: Collection[str]) -> str:
    """The end of a refusal: the nearest known word, or all of them."""
    near = get_close_matches(word, known, 1)
    return f'did you mean {near[0]}?' if near else f'known are {", ".join(known) or "none"}.'
