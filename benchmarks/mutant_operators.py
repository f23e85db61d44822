"""Small changes of a module's source, made by Cosmic Ray's operators, one change per mutant.

Cosmic Ray can exchange every operator for every other. Most of those mutants die of a TypeError
(`a | b` of floats), which says nothing about the tests: here are only those that run.
"""

from __future__ import annotations

import ast
import difflib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.provider import OperatorProvider

COMPARISON = (
    'Lt_LtE', 'LtE_Lt', 'Gt_GtE', 'GtE_Gt',  # boundaries
    'Lt_GtE', 'GtE_Lt', 'Gt_LtE', 'LtE_Gt', 'Eq_NotEq', 'NotEq_Eq', 'Is_IsNot', 'IsNot_Is',
)  # fmt: skip
ARITHMETIC = (
    'Add_Sub', 'Sub_Add', 'Mul_Div', 'Div_Mul', 'FloorDiv_Mul', 'Mod_Mul', 'Pow_Mul',
    'LShift_RShift', 'RShift_LShift', 'BitAnd_BitOr', 'BitOr_BitAnd',
)  # fmt: skip
OTHERS = (
    'ReplaceUnaryOperator_Delete_USub', 'ReplaceUnaryOperator_Delete_Invert',
    'ReplaceUnaryOperator_Delete_Not', 'AddNot', 'ReplaceAndWithOr', 'ReplaceOrWithAnd',
    'ReplaceTrueWithFalse', 'ReplaceFalseWithTrue', 'NumberReplacer', 'ZeroIterationForLoop',
    'ReplaceBreakWithContinue', 'ReplaceContinueWithBreak',
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """before, after: the lines that differ; code: the whole module."""

    operator: str
    line: int
    before: str
    after: str
    code: str


class DropStatement(Operator):  # type: ignore[misc]
    """Puts `pass` for a call, a `raise`, an assignment to an item or attribute, and for one that
    changes what a name holds. A name's first assignment stays: without it nothing runs."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if node.type == 'simple_stmt' and is_droppable(node.children[0]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        first = node.children[0]
        prefix = first.get_first_leaf().prefix
        node.children[0] = parso.python.tree.Keyword('pass', first.start_pos, prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example('tracks.clear()\n', 'pass\n'),
            Example('x = 1\nx = f(x)\n', 'x = 1\npass\n'),
        )


def is_droppable(statement: Any) -> bool:
    [found] = ast.parse(statement.get_code(include_prefix=False)).body
    match found:
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign():
            return True
        case ast.Assign(targets=[target], value=value):
            written = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
            read = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
            return isinstance(target, ast.Subscript | ast.Attribute) or bool(written & read)
    return False


def operators() -> dict[str, Operator]:
    known = OperatorProvider()
    names = [
        *(f'ReplaceComparisonOperator_{name}' for name in COMPARISON),
        *(f'ReplaceBinaryOperator_{name}' for name in ARITHMETIC),
        *OTHERS,
    ]
    return {name: known[name]() for name in names} | {'DropStatement': DropStatement()}


def places(source: str) -> dict[str, int]:
    """Operator → how often it can be applied; some of it changes annotations or decorators."""
    tree = get_ast(source)
    counts = {
        name: sum(len(list(operator.mutation_positions(node))) for node in ast_nodes(tree))
        for name, operator in operators().items()
    }
    return {name: count for name, count in counts.items() if count}


def mutants_of(source: str, chance: random.Random) -> Iterator[Mutant]:
    """All of them, round by round one of each operator."""
    known, meaning = operators(), meaning_of(source)
    shuffled = {name: chance.sample(range(n), n) for name, n in places(source).items()}
    while shuffled:
        for name, left in list(shuffled.items()):
            code = mutate_code(source, known[name], left.pop())
            if not left:
                del shuffled[name]
            if meaning_of(code) not in ('', meaning):
                yield difference(name, source, code)


def meaning_of(source: str) -> str:
    """The code without annotations, which nothing evaluates here, and without decorators, whose
    arguments (frozen, slots) compute nothing; '' where it is no code."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ''
    for node in ast.walk(tree):
        for name in ('annotation', 'returns'):
            if getattr(node, name, None) is not None:
                setattr(node, name, ast.Constant(None))
        if hasattr(node, 'decorator_list'):
            node.decorator_list = []
    return ast.dump(tree)


def difference(operator: str, source: str, code: str) -> Mutant:
    old, new = source.splitlines(), code.splitlines()
    changes = [
        change
        for change in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if change[0] != 'equal'
    ]
    (_, first, _, new_first, _), (_, _, end, _, new_end) = changes[0], changes[-1]
    before, after = old[first:end], new[new_first:new_end]
    return Mutant(operator, first + 1, joined(before), joined(after), code)


def joined(lines: list[str]) -> str:
    return ' ⏎ '.join(line.strip() for line in lines)
