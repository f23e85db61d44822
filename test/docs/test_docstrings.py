"""Docstrings become lists of parameters, results and errors."""

from __future__ import annotations

from docs.docstrings import as_fields, escaped, split_fields, types_of
from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.types import Intrinsics


def test_prose_becomes_fields() -> None:
    text = 'Cuts (H, W) → (h, w).\n\nwidth_px: of the map; smooth: fast. Raises AError if bad.'
    types = {'width_px': 'int', 'smooth': 'bool', 'return': 'Array'}
    assert as_fields(text, types).splitlines()[2:] == [
        ':param width_px: of the map',
        ':param smooth: fast.',
        ':type width_px: int',
        ':type smooth: bool',
        ':returns: (h, w)',
        ':rtype: Array',
        ':raises AError: if bad',
    ]


def test_errors_share_a_reason_or_have_their_own() -> None:
    text = 'Loads. Raises AError where x is 0, BError and CError for y.'
    assert as_fields(text, {}).splitlines()[-3:] == [
        ':raises CError: for y',
        ':raises BError: for y',
        ':raises AError: where x is 0',
    ]


def test_names_that_share_a_meaning() -> None:
    prose, meanings = split_fields('A box. a, b: in metres; c: time: s.', ('a', 'b', 'c'))
    assert prose == 'A box.'
    assert meanings == {'a': 'in metres', 'b': 'in metres', 'c': 'time: s'}


def test_other_words_with_a_colon_stay_prose() -> None:
    assert split_fields('Two things: one and two.', ('a',)) == ('Two things: one and two.', {})


def test_drawings_are_kept() -> None:
    assert as_fields('A map:\n\n    a → b\n      → c', {}) == (
        'A map:\n\n.. code-block:: text\n\n       a → b\n         → c\n\n'
    )


def test_sections_of_google_style_are_kept() -> None:
    text = 'Opens.\n\nArgs:\n    path: a file.'
    assert as_fields(text, {'path': 'Path'}) == f'{text}\n\n:type path: Path'


def test_what_would_be_markup_is_escaped() -> None:
    assert escaped('a * b_ | `c * d_`, *e*') == r'a \* b\_ \| `c * d_`, *e*'


def test_types_are_those_of_the_source() -> None:
    assert types_of(Intrinsics, 'class')['fx_px'] == 'float'
    assert types_of(SceneEstimator.estimate, 'method')['return'] == 'list[Scene]'
    assert 'return' not in types_of(SceneEstimator, 'class')
