"""Every call of TensorRT's API exists, with room for our arguments, in the releases we serve."""

import importlib
import json
from pathlib import Path

import pytest
from backends.tensorrt_api import (
    DATA,
    NOT_IN_RTX,
    OLD_ALONE,
    RTX_ALONE,
    RTX_CLASSES,
    most_arguments,
    signatures,
    used_names,
)

USED = used_names()


def missing(found: dict[str, str], optional: set[str]) -> list[str]:
    return sorted(n for n in USED if n not in found and n not in optional)


def crowded(found: dict[str, str]) -> list[str]:
    return sorted(n for n in USED if n in found and USED[n] > most_arguments(found[n]))


def test_the_list_is_not_empty() -> None:
    assert USED['Runtime.deserialize_cuda_engine'] == 1
    assert USED['IExecutionContext.execute_async_v3'] == 1
    assert len(USED) > 40


@pytest.mark.parametrize('path', sorted(DATA.glob('*.json')), ids=lambda path: path.stem)
def test_full_tensorrt_has_what_we_call(path: Path) -> None:
    found = json.loads(path.read_text())
    only_rtx = RTX_ALONE | {n for n in USED if n.split('.')[0] in RTX_CLASSES}
    assert missing(found, only_rtx | OLD_ALONE) == []
    assert crowded(found) == []


def test_the_releases_of_jetpack_and_desktops_are_there() -> None:
    assert {path.stem.rsplit('.', 1)[0] for path in DATA.glob('*.json')} >= {'10.3', '11.4.0'}


def test_rtx_has_what_we_call() -> None:
    trt = pytest.importorskip('tensorrt_rtx')
    found = signatures(importlib.import_module(trt.__name__), USED)
    assert missing(found, OLD_ALONE | NOT_IN_RTX) == []
    assert crowded(found) == []


def test_a_call_with_too_many_arguments_would_be_seen() -> None:
    text = 'set_input_shape(self: trt.IExecutionContext, name: str, shape: trt.Dims) -> bool'
    assert most_arguments(text) == 2
