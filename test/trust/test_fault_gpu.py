"""A GPU that is really full; runs where there is one."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from mtscene_ros.backends import BackendError
from mtscene_ros.backends.cuda import Cuda, CudaError, open_driver

LEFT_BYTES = 512 << 20


@pytest.fixture
def cuda() -> Iterator[Cuda]:
    try:
        made = Cuda(open_driver(), 0)
    except CudaError as error:
        pytest.skip(str(error))
    yield made
    made.close()


def filled(driver: Any) -> list[ctypes.c_ulonglong]:
    """Allocations that leave LEFT_BYTES of the GPU, or less."""
    free, total, taken = ctypes.c_size_t(), ctypes.c_size_t(), []
    while True:
        driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        size = min(free.value - LEFT_BYTES, 8 << 30)
        address = ctypes.c_ulonglong()
        if size <= 0 or driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)):
            return taken
        taken.append(address)


def test_a_gpu_that_is_full(cuda: Cuda) -> None:
    """One sentence; what was allocated before works on; with room again it goes on."""
    driver = open_driver()
    before = cuda.buffer(1 << 20)
    taken = filled(driver)
    assert taken
    with pytest.raises(BackendError, match=r'error 2 \(out of memory\); free GPU memory or lower'):
        cuda.buffer(2 * LEFT_BYTES)
    assert before.host.nbytes == 1 << 20
    for address in taken:
        assert driver.cuMemFree_v2(address) == 0
    assert cuda.buffer(2 * LEFT_BYTES).host.nbytes == 2 * LEFT_BYTES
