"""CUDA's driver API through ctypes: one GPU, one stream, buffers that live as long as the model.

libcuda comes with the driver and has kept these functions since CUDA 11.4, so that one file serves
JetPack 5 to 7 and desktops, whereas NVIDIA's cuda-bindings must match the CUDA version of the
machine. All calls must come from one thread, to which the context is bound.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from contextlib import suppress
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.backends import BackendError

COMPUTE_MAJOR, COMPUTE_MINOR, INTEGRATED = 75, 76, 18  # CUdevice_attribute
NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: does not wait for the default stream
DEVICE_MAP = 2  # CU_MEMHOSTALLOC_DEVICEMAP
THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may still allocate
OUT_OF_MEMORY = 2
KERNEL_DRIVER = Path('/proc/driver/nvidia/version')


class CudaError(BackendError):
    """A call of the driver failed; the message names the call and what to do."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    compute_capability: '8.9'; driver: the versions of CUDA and, if known, of the kernel driver;
    is_integrated: the GPU shares its memory with the CPU, as on a Jetson.
    """

    name: str
    compute_capability: str
    driver: str
    is_integrated: bool


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Memory that CPU and GPU can access.

    host: (n,) uint8; device: the address on the GPU; is_mapped: both are the same memory, so that
    nothing is copied.
    """

    host: NDArray[np.uint8]
    host_address: int
    device: int
    is_mapped: bool


def open_driver() -> Any:
    """Opens libcuda. Raises CudaError where there is none."""
    for name in ('libcuda.so.1', 'libcuda.so'):
        with suppress(OSError):
            return ctypes.CDLL(name)
    raise CudaError(
        'libcuda.so.1 cannot be loaded: there is no NVIDIA driver here; install it, or set '
        'backend: onnxruntime.'
    )


def gpu_name(gpu_id: int = 0) -> str:
    """Returns the GPU's name with the versions of CUDA and of the kernel driver, '' for none."""
    with suppress(CudaError):
        cuda = Cuda(open_driver(), gpu_id)
        cuda.close()
        cuda_version, _, kernel = cuda.gpu.driver.partition(', ')
        number = re.search(r'\d+(\.\d+)+', kernel)
        driver = f', driver {number[0]}' if number else ''
        return f'{cuda.gpu.name}, {cuda_version}{driver}'
    return ''


class Cuda:
    """The context, its stream and everything allocated in it; `close` frees all of it."""

    def __init__(self, driver: Any, gpu_id: int) -> None:
        self._driver, self.gpu_id = driver, gpu_id
        self.allocated_bytes = 0
        self._undo: list[tuple[str, Any]] = []  # function and handle, newest last
        self._call('cuInit', c_uint(0))
        count, device = c_int(), c_int()
        self._call('cuDeviceGetCount', byref(count))
        if not 0 <= gpu_id < count.value:
            raise CudaError(
                f'gpu_id is {gpu_id}, but the number of GPUs is {count.value}; set gpu_id to '
                f'a number from 0 to {count.value - 1}.'
            )
        self._call('cuDeviceGet', byref(device), c_int(gpu_id))
        self.gpu = self._identify(device)
        self._device = device
        try:
            self._enter()
        except CudaError:
            self.close()
            raise

    def _enter(self) -> None:
        context, stream = c_void_p(), c_void_p()
        # TensorRT and ONNX Runtime use the primary context as well.
        self._call('cuDevicePrimaryCtxRetain', byref(context), self._device)
        self._undo.append(('cuDevicePrimaryCtxRelease_v2', self._device))
        self._call('cuCtxSetCurrent', context)
        self._call('cuStreamCreate', byref(stream), c_uint(NON_BLOCKING))
        self._undo.append(('cuStreamDestroy_v2', stream))
        self._stream = stream

    @property
    def stream(self) -> int:
        """The handle that TensorRT expects."""
        return int(self._stream.value or 0)

    def buffer(self, size_bytes: int) -> Buffer:
        """Allocates pinned host memory and its counterpart on the GPU.

        Both are the same memory where the GPU is integrated.
        """
        host, device = c_void_p(), c_ulonglong()
        mapped = self.gpu.is_integrated
        flags = c_uint(DEVICE_MAP if mapped else 0)
        self._call('cuMemHostAlloc', byref(host), c_size_t(size_bytes), flags)
        self._undo.append(('cuMemFreeHost', host))
        if mapped:
            self._call('cuMemHostGetDevicePointer_v2', byref(device), host, c_uint(0))
        else:
            self._call('cuMemAlloc_v2', byref(device), c_size_t(size_bytes))
            self._undo.append(('cuMemFree_v2', device))
        self.allocated_bytes += size_bytes
        address = int(host.value or 0)
        memory = (ctypes.c_ubyte * size_bytes).from_address(address)
        return Buffer(np.ctypeslib.as_array(memory), address, device.value, mapped)

    def upload(self, buffer: Buffer, size_bytes: int) -> None:
        """Queues a copy from the host to the GPU on the stream."""
        if not buffer.is_mapped:
            host, device = c_void_p(buffer.host_address), c_ulonglong(buffer.device)
            self._call('cuMemcpyHtoDAsync_v2', device, host, c_size_t(size_bytes), self._stream)

    def download(self, buffer: Buffer, size_bytes: int) -> None:
        """Queues a copy from the GPU to the host, which is complete after `synchronize`."""
        if not buffer.is_mapped:
            host, device = c_void_p(buffer.host_address), c_ulonglong(buffer.device)
            self._call('cuMemcpyDtoHAsync_v2', host, device, c_size_t(size_bytes), self._stream)

    def synchronize(self) -> None:
        """Waits for everything on the stream."""
        self._call('cuStreamSynchronize', self._stream)

    def capture(self, enqueue: Callable[[], None]) -> c_void_p:
        """Returns what `enqueue` puts on the stream as one graph, which `launch` repeats."""
        graph, executable = c_void_p(), c_void_p()
        self._call('cuStreamBeginCapture_v2', self._stream, c_int(THREAD_LOCAL))
        try:
            enqueue()
        finally:  # the stream is unusable until the capture has ended
            status = self._driver.cuStreamEndCapture(self._stream, byref(graph))
        self._check('cuStreamEndCapture', status)
        try:
            flags = c_ulonglong(0)
            self._call('cuGraphInstantiateWithFlags', byref(executable), graph, flags)
        finally:
            self._driver.cuGraphDestroy(graph)
        self._undo.append(('cuGraphExecDestroy', executable))
        return executable

    def launch(self, executable: c_void_p) -> None:
        """Queues a captured graph."""
        self._call('cuGraphLaunch', executable, self._stream)

    def free_bytes(self) -> int:
        """Returns the free GPU memory in bytes."""
        free, total = c_size_t(), c_size_t()
        self._call('cuMemGetInfo_v2', byref(free), byref(total))
        return free.value

    def close(self) -> None:
        """Frees everything, newest first, even if a call fails. May be called twice."""
        while self._undo:
            name, handle = self._undo.pop()
            getattr(self._driver, name)(handle)
        self.allocated_bytes = 0

    def _identify(self, device: c_int) -> Gpu:
        name, version = ctypes.create_string_buffer(256), c_int()
        self._call('cuDeviceGetName', name, c_int(len(name)), device)
        self._call('cuDriverGetVersion', byref(version))
        major, minor, integrated = (
            self._attribute(which, device) for which in (COMPUTE_MAJOR, COMPUTE_MINOR, INTEGRATED)
        )
        cuda = f'CUDA {version.value // 1000}.{version.value % 1000 // 10}'
        kernel = KERNEL_DRIVER.read_text().split('\n')[0] if KERNEL_DRIVER.is_file() else ''
        driver = f'{cuda}, {kernel}' if kernel else cuda
        return Gpu(name.value.decode(), f'{major}.{minor}', driver, bool(integrated))

    def _attribute(self, which: int, device: c_int) -> int:
        value = c_int()
        self._call('cuDeviceGetAttribute', byref(value), c_int(which), device)
        return value.value

    def _call(self, name: str, *arguments: Any) -> None:
        self._check(name, getattr(self._driver, name)(*arguments))

    def _check(self, name: str, status: int) -> None:
        if not status:
            return
        text = c_char_p()
        self._driver.cuGetErrorString(c_int(status), byref(text))
        reason = (text.value or b'unknown error').decode()
        fix = 'free GPU memory or lower max_batch' if status == OUT_OF_MEMORY else 'see dmesg'
        raise CudaError(
            f'{name} failed on GPU {self.gpu_id} with error {status} ({reason}); {fix}.'
        )
