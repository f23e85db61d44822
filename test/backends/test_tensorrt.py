"""The TensorRT path over a GPU made of host memory: order, threads, failures, leaks."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends.fake_gpu import GAIN, SIZE, FakeDriver, fake_tensorrt

from mtscene_ros.backends import (
    BackendError,
    BackendOptions,
    cuda,
    engine_build,
    engine_process,
    open_backend,
    tensorrt,
)
from mtscene_ros.backends.cuda import Cuda, CudaError

IMAGES = np.stack([np.full(SIZE, value, np.uint8) for value in (10, 20, 30)])


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    made = FakeDriver()
    use(monkeypatch, made, fake_tensorrt(made))
    return made


def use(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver, trt: Any) -> None:
    monkeypatch.setattr(tensorrt, 'open_driver', lambda: driver)
    monkeypatch.setattr(engine_build, 'find_module', lambda: trt)
    monkeypatch.setattr(engine_process, 'build_in_subprocess', lambda *_: b'plan')
    monkeypatch.setattr(engine_build, '_LOGGERS', {})


def opened(path: str, folder: Path, **options: Any) -> tensorrt.TensorRt:
    return tensorrt.load(path, BackendOptions(engine_folder=str(folder), **options))


def test_answers_and_leaves_nothing(driver: FakeDriver, tiny_path: str, tmp_path: Path) -> None:
    backend = opened(tiny_path, tmp_path)
    for _ in range(3):
        y = backend.infer(IMAGES, ['y'])['y']
        np.testing.assert_allclose(y, [[10 * GAIN, 0], [20 * GAIN, 1], [30 * GAIN, 2]])
    assert driver.calls.count('cuStreamBeginCapture_v2') == 1
    assert driver.calls.count('cuGraphLaunch') == 3
    backend.close()
    assert not driver.live


def test_a_graph_per_batch_size(driver: FakeDriver, tiny_path: str, tmp_path: Path) -> None:
    backend = opened(tiny_path, tmp_path)
    for size in (1, 3, 1, 2, 3):
        y = backend.infer(IMAGES[:size], ['y'])['y']
        np.testing.assert_allclose(y[:, 0], GAIN * np.array([10, 20, 30])[:size])
    assert driver.calls.count('cuStreamBeginCapture_v2') == 3
    allocations = driver.calls.count('cuMemAlloc_v2')
    assert allocations == 2  # input and output, once
    backend.close()


def test_a_batch_above_the_engine_s_runs_in_steps(
    driver: FakeDriver, tiny_path: str, tmp_path: Path
) -> None:
    backend = opened(tiny_path, tmp_path)
    images = np.stack([np.full(SIZE, value, np.uint8) for value in range(10)])
    y = backend.infer(images, ['y'])['y']
    np.testing.assert_allclose(y[:, 0], GAIN * np.arange(10))
    np.testing.assert_allclose(y[:, 1], [0, 1, 2, 3, 0, 1, 2, 3, 0, 1])
    backend.close()


def test_only_what_is_asked_for_is_downloaded(
    driver: FakeDriver, tiny_path: str, tmp_path: Path
) -> None:
    backend = opened(tiny_path, tmp_path)
    assert backend.infer(IMAGES, []) == {}
    assert 'cuMemcpyDtoHAsync_v2' not in driver.calls
    backend.close()


def test_integrated_gpus_copy_nothing(
    monkeypatch: pytest.MonkeyPatch, tiny_path: str, tmp_path: Path
) -> None:
    driver = FakeDriver(integrated=True)
    use(monkeypatch, driver, fake_tensorrt(driver))
    backend = opened(tiny_path, tmp_path)
    np.testing.assert_allclose(backend.infer(IMAGES[:1], ['y'])['y'], [[20, 0]])
    assert not [name for name in driver.calls if 'Memcpy' in name]
    backend.close()
    assert not driver.live


def test_one_thread_owns_cuda(driver: FakeDriver, tiny_path: str, tmp_path: Path) -> None:
    backend = opened(tiny_path, tmp_path)  # the fake refuses calls from any other thread
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(backend.infer(IMAGES, ['y'])['y']))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0], backend.infer(IMAGES, ['y'])['y'])
    assert driver.owner != threading.get_ident()
    backend.close()


CALLS = (
    'cuInit', 'cuDeviceGetCount', 'cuDeviceGet', 'cuDeviceGetName', 'cuDriverGetVersion',
    'cuDeviceGetAttribute', 'cuDevicePrimaryCtxRetain', 'cuCtxSetCurrent', 'cuStreamCreate',
    'cuMemHostAlloc', 'cuMemAlloc_v2',
)  # fmt: skip


@pytest.mark.parametrize('call', CALLS)
def test_each_failure_at_loading_leaks_nothing(
    driver: FakeDriver, tiny_path: str, tmp_path: Path, call: str
) -> None:
    driver.fail = (call, 1, 2)
    with pytest.raises(CudaError, match=rf'{call} failed on GPU 0 with error 2 \(made to fail\)'):
        opened(tiny_path, tmp_path)
    assert not driver.live


@pytest.mark.parametrize('call', ['cuMemcpyHtoDAsync_v2', 'cuStreamSynchronize'])
def test_a_failed_frame_is_one_sentence_and_the_next_works(
    driver: FakeDriver, tiny_path: str, tmp_path: Path, call: str
) -> None:
    backend = opened(tiny_path, tmp_path)
    driver.fail = (call, 1, 700)
    with pytest.raises(BackendError, match=call):
        backend.infer(IMAGES, ['y'])
    np.testing.assert_allclose(backend.infer(IMAGES, ['y'])['y'][:, 0], [20, 40, 60])
    backend.close()
    assert not driver.live


@pytest.mark.parametrize(
    'call', ['cuStreamBeginCapture_v2', 'cuStreamEndCapture', 'cuGraphInstantiateWithFlags']
)
def test_what_cannot_be_captured_runs_call_by_call(
    driver: FakeDriver, tiny_path: str, tmp_path: Path, call: str
) -> None:
    driver.fail = (call, 1, 901)
    backend = opened(tiny_path, tmp_path)
    for _ in range(2):
        np.testing.assert_allclose(backend.infer(IMAGES, ['y'])['y'][:, 0], [20, 40, 60])
    assert 'cuGraphLaunch' not in driver.calls
    backend.close()


def test_a_refused_enqueue_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tiny_path: str, tmp_path: Path
) -> None:
    driver = FakeDriver()
    use(monkeypatch, driver, fake_tensorrt(driver, runs=False))
    backend = opened(tiny_path, tmp_path)
    with pytest.raises(BackendError, match='could not run a batch of 3'):
        backend.infer(IMAGES, ['y'])
    backend.close()
    assert not driver.live


def test_the_precision_is_the_engine_s(driver: FakeDriver, tiny_path: str, tmp_path: Path) -> None:
    backend = opened(tiny_path, tmp_path)
    assert backend.precision == 'fp16'  # as its layers say; the file is float32
    assert 'TensorRT 10.3.0, Fake RTX, fp16, up to 4 images' in backend.description
    assert backend.details['GPU memory'] == '0 MB'
    assert backend.details['engine built because'].startswith('There is no engine')
    backend.close()
    with pytest.raises(BackendError, match="precision is 'fp32', but TensorRT"):
        open_backend(
            'tensorrt', tiny_path, BackendOptions(precision='fp32', engine_folder=str(tmp_path))
        )
    assert not driver.live


def test_an_engine_that_is_refused_is_built_again(
    driver: FakeDriver, tiny_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_process, 'build_in_subprocess', lambda *_: b'other')
    with pytest.raises(BackendError, match='cannot load it'):
        opened(tiny_path, tmp_path)
    monkeypatch.setattr(engine_process, 'build_in_subprocess', lambda *_: b'plan')
    backend = opened(tiny_path, tmp_path)
    assert 'does not accept' in backend.details['engine built because']
    backend.close()
    again = opened(tiny_path, tmp_path)
    assert again.details['engine built because'] == 'it was in the cache'
    again.close()


def test_a_wrong_image_is_refused(driver: FakeDriver, tiny_path: str, tmp_path: Path) -> None:
    backend = opened(tiny_path, tmp_path)
    with pytest.raises(
        BackendError, match=r'takes uint8 \(-1, 2, 4, 3\), not uint8 \(1, 5, 4, 3\)'
    ):
        backend.infer(np.zeros((1, 5, 4, 3), np.uint8), ['y'])
    backend.close()


def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(CudaError, match='gpu_id is 3, but the number of GPUs is 2'):
        Cuda(FakeDriver(gpus=2), 3)


def test_the_name_of_a_gpu_for_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    version = tmp_path / 'version'
    version.write_text(
        'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Rel\n'
    )
    monkeypatch.setattr(cuda, 'KERNEL_DRIVER', version)
    monkeypatch.setattr(cuda, 'open_driver', FakeDriver)
    assert cuda.gpu_name() == 'Fake RTX, CUDA 12.6, driver 580.159.04'
    assert cuda.gpu_name(7) == ''
