"""A GPU made of host memory: the driver's functions and TensorRT's runtime, with their rules.

Work on a stream happens when the stream is synchronized, not before; what is captured happens when
its graph is launched; every call must come from the thread that made the context current; what is
not given back stays in `live`. `fail` makes the n-th call of one function return an error.
"""

# ruff: noqa: N802, N815 - the names are CUDA's

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np

SIZE = (2, 4, 3)  # of the network's image
GAIN = 2.0  # y = GAIN * mean of the image


class FakeDriver:
    """libcuda as `mtscene_ros.backends.cuda` calls it."""

    def __init__(self, *, integrated: bool = False, gpus: int = 1) -> None:
        self.integrated, self.gpus = integrated, gpus
        self.calls: list[str] = []
        self.live: dict[int, Any] = {}
        self.fail: tuple[str, int, int] = ('', 0, 0)  # function, which call, error
        self.owner: int | None = None
        self.queue: list[Callable[[], None]] = []
        self.captured: list[Callable[[], None]] | None = None
        self._handles = count(1)

    def __getattr__(self, name: str) -> Callable[..., int]:
        action = getattr(FakeDriver, f'do_{name}')

        def call(*arguments: Any) -> int:
            self.calls.append(name)
            assert self.owner in (None, threading.get_ident()), f'{name} from another thread'
            which, number, error = self.fail
            if name == which and self.calls.count(name) == number:
                if name == 'cuStreamEndCapture':
                    self.captured = None  # a capture that fails is over as well
                return error
            return action(self, *arguments) or 0

        return call

    def new(self, out: Any, thing: Any) -> None:
        handle = next(self._handles)
        self.live[handle] = thing
        out._obj.value = handle

    def memory(self, size: int) -> int:
        memory = ctypes.create_string_buffer(size)
        address = ctypes.addressof(memory)
        self.live[address] = memory
        return address

    def gone(self, handle: Any) -> None:
        assert handle.value in self.live, 'freed twice, or never made'
        del self.live[handle.value]

    def enqueue(self, work: Callable[[], None]) -> None:
        (self.queue if self.captured is None else self.captured).append(work)

    def do_cuInit(self, flags: Any) -> None: ...

    def do_cuDeviceGetCount(self, out: Any) -> None:
        out._obj.value = self.gpus

    def do_cuDeviceGet(self, out: Any, index: Any) -> None:
        out._obj.value = index.value

    def do_cuDeviceGetName(self, name: Any, size: Any, device: Any) -> None:
        name.value = b'Fake RTX'

    def do_cuDriverGetVersion(self, out: Any) -> None:
        out._obj.value = 12060

    def do_cuDeviceGetAttribute(self, out: Any, which: Any, device: Any) -> None:
        out._obj.value = {75: 8, 76: 9, 18: int(self.integrated)}[which.value]

    def do_cuGetErrorString(self, status: Any, out: Any) -> None:
        out._obj.value = b'made to fail'

    def do_cuDevicePrimaryCtxRetain(self, out: Any, device: Any) -> None:
        self.new(out, 'context')
        self.live[('primary', device.value)] = self.live.pop(out._obj.value)  # type: ignore[index]

    def do_cuDevicePrimaryCtxRelease_v2(self, device: Any) -> None:
        del self.live[('primary', device.value)]  # type: ignore[arg-type]
        self.owner = None  # the next backend has a thread of its own

    def do_cuCtxSetCurrent(self, context: Any) -> None:
        self.owner = threading.get_ident()

    def do_cuStreamCreate(self, out: Any, flags: Any) -> None:
        self.new(out, 'stream')

    def do_cuStreamDestroy_v2(self, stream: Any) -> None:
        self.gone(stream)

    def do_cuMemHostAlloc(self, out: Any, size: Any, flags: Any) -> None:
        assert flags.value == (2 if self.integrated else 0)
        out._obj.value = self.memory(size.value)

    def do_cuMemHostGetDevicePointer_v2(self, out: Any, host: Any, flags: Any) -> None:
        out._obj.value = host.value

    def do_cuMemAlloc_v2(self, out: Any, size: Any) -> None:
        out._obj.value = self.memory(size.value)

    do_cuMemFreeHost = do_cuMemFree_v2 = gone

    def do_cuMemcpyHtoDAsync_v2(self, device: Any, host: Any, size: Any, stream: Any) -> None:
        self.enqueue(lambda: ctypes.memmove(device.value, host.value, size.value) and None)

    def do_cuMemcpyDtoHAsync_v2(self, host: Any, device: Any, size: Any, stream: Any) -> None:
        self.enqueue(lambda: ctypes.memmove(host.value, device.value, size.value) and None)

    def do_cuStreamSynchronize(self, stream: Any) -> None:
        assert self.captured is None, 'synchronized while capturing'
        for work in self.queue:
            work()
        self.queue.clear()

    def do_cuStreamBeginCapture_v2(self, stream: Any, mode: Any) -> None:
        self.captured = []

    def do_cuStreamEndCapture(self, stream: Any, out: Any) -> None:
        self.new(out, self.captured)
        self.captured = None

    def do_cuGraphInstantiateWithFlags(self, out: Any, graph: Any, flags: Any) -> None:
        self.new(out, list(self.live[graph.value]))

    def do_cuGraphLaunch(self, executable: Any, stream: Any) -> None:
        self.queue.extend(self.live[executable.value])

    do_cuGraphDestroy = do_cuGraphExecDestroy = gone

    def do_cuMemGetInfo_v2(self, free: Any, total: Any) -> None:
        free._obj.value, total._obj.value = 5 << 30, 8 << 30


def fake_tensorrt(driver: FakeDriver, most: int = 4, *, runs: bool = True) -> Any:
    """A module with one engine: rgb (n, 2, 4, 3) uint8 → y (n, 2) float32, of which y[:, 0] is
    GAIN times the image's mean and y[:, 1] its index in the batch. Plans are b'plan'."""

    class Context:
        def __init__(self) -> None:
            self.address: dict[str, int] = {}
            self.shape: tuple[int, ...] = ()

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self.address[name] = memory
            return True

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            self.shape = shape
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            assert stream_handle in driver.live
            n, address = self.shape[0], dict(self.address)
            driver.enqueue(lambda: network(n, address))
            return runs

    def network(n: int, address: dict[str, int]) -> None:
        size = n * int(np.prod(SIZE))
        pixels = np.frombuffer(ctypes.string_at(address['rgb'], size), np.uint8)
        means = pixels.reshape(n, -1).mean(1)
        y = np.stack([GAIN * means, np.arange(n)], 1).astype(np.float32)
        ctypes.memmove(address['y'], y.tobytes(), y.nbytes)

    layers = {'Layers': [{'Outputs': [{'Format/Datatype': 'Row major linear FP16 format'}]}]}
    engine = SimpleNamespace(
        num_io_tensors=2,
        device_memory_size=1000,
        get_tensor_name=lambda index: ('rgb', 'y')[index],
        get_tensor_shape=lambda name: {'rgb': (-1, *SIZE), 'y': (-1, 2)}[name],
        get_tensor_dtype=lambda name: {'rgb': np.uint8, 'y': np.float32}[name],
        get_tensor_mode=lambda name: {'rgb': 'in', 'y': 'out'}[name],
        get_tensor_profile_shape=lambda name, profile: [(1, *SIZE), (1, *SIZE), (most, *SIZE)],
        create_execution_context=Context,
        create_engine_inspector=lambda: SimpleNamespace(
            get_engine_information=lambda form: json.dumps(layers)
        ),
    )

    class Runtime:
        def __init__(self, logger: Any) -> None: ...

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
            return engine if serialized_engine == b'plan' else None

    return SimpleNamespace(
        __name__='tensorrt',
        __version__='10.3.0',
        ILogger=type('ILogger', (), {'ERROR': 1, 'INTERNAL_ERROR': 0}),
        Runtime=Runtime,
        TensorIOMode=SimpleNamespace(INPUT='in', OUTPUT='out'),
        LayerInformationFormat=SimpleNamespace(JSON='json'),
        nptype=lambda dtype: dtype,
    )
