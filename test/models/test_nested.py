"""Nested mappings and their dotted names."""

from mtscene_ros.models.nested import leaves, plain


def test_names_are_dotted_through_every_level() -> None:
    values = {'a': {'b': {'c': 1}, 'd': [2]}, 'e': None, 'f': {}}
    assert dict(leaves(values)) == {'a.b.c': 1, 'a.d': [2], 'e': None}


def test_json_has_no_nan() -> None:
    nan, inf = float('nan'), float('inf')
    assert plain({1: nan, 'a': (inf, -inf, 2.5)}) == {'1': None, 'a': [None, None, 2.5]}
