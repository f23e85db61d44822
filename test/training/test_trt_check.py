"""TensorRT for RTX accepts the bundled model and a float16 graph with prompts."""

import warnings
from pathlib import Path

import pytest

pytest.importorskip('torch')
pytest.importorskip('tensorrt_rtx')

from mtscene_ros.backends.engine_build import BuildSettings, EngineError
from mtscene_ros.backends.engine_process import build_in_subprocess
from mtscene_ros.models.catalogue import BUNDLED_MODEL
from training.trt_check import TARGETS, checked, table


def test_the_bundled_model_for_three_gpus() -> None:
    plan = build_in_subprocess(
        Path(BUNDLED_MODEL), 'tensorrt_rtx', BuildSettings(4, target=TARGETS)
    )
    assert len(plan) > 1_000_000


@pytest.mark.trust  # exports a graph and builds an engine, 20 s
def test_a_float16_graph_is_a_row_of_the_table() -> None:
    with warnings.catch_warnings():
        # torch.onnx of torch 2.13 calls functions that torch deprecates
        warnings.simplefilter('ignore')
        row = checked('test_prompts', 'fp16', TARGETS)
    assert 'refused' not in row
    assert row['engine_mb'] > 0.1
    assert '| test_prompts | fp16 |' in table([row], TARGETS, 20)
    assert table([row], TARGETS, 20).rstrip().endswith('| accepted |')


@pytest.mark.trust
def test_int8_by_quantise_is_accepted() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        row = checked('test', 'int8', TARGETS)
    assert 'refused' not in row
    assert row['onnx_mb'] > 0.1


def test_a_gpu_that_rtx_does_not_serve_is_refused() -> None:
    with pytest.raises(EngineError, match=r'cannot build for compute capability 8.7'):
        build_in_subprocess(Path(BUNDLED_MODEL), 'tensorrt_rtx', BuildSettings(target='8.7'))
