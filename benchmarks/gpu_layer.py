"""Compares our CUDA layer (mtscene_ros/backends/cuda.py) with PyTorch's, and tries TensorRT.

The layer has no kernels of its own, so a PyTorch network runs on its stream and in its graph, as
TensorRT's engine does on a robot.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu_ceilings import seconds
from mtscene_ros.backends import BackendError, BackendOptions, open_backend
from mtscene_ros.backends.cuda import Buffer, Cuda, open_driver
from mtscene_ros.models.catalogue import BUNDLED_MODEL
from training.config import CONFIGS
from training.graphs.deploy import DeployGraph
from training.graphs.precision import halved
from training.networks.decoders import compact_network

SIZES = {'512x256': 512 * 256 * 3, '1920x1080': 1920 * 1080 * 3, '64 MB': 64 << 20}


def layer(device: str) -> dict[str, Any]:
    """Measures copies of an image in microseconds and a captured network in milliseconds."""
    if device == 'cpu':
        return {}
    torch.zeros(1, device='cuda')  # creates the primary context before our layer asks for it
    cuda = Cuda(open_driver(), 0)
    try:
        with patch.object(torch.Tensor, 'new_tensor', kept_constants()):
            return copies(cuda) | captured(cuda)
    except RuntimeError as error:
        return {'failed': ' '.join(str(error).split())}
    finally:
        torch.cuda.synchronize()
        cuda.close()


def copies(cuda: Cuda) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, size in SIZES.items():
        buffer = cuda.buffer(size)
        host = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        there = torch.empty_like(host, device='cuda')

        def ours(buffer: Buffer = buffer, size: int = size) -> None:
            cuda.upload(buffer, size)
            cuda.synchronize()

        def theirs(host: Tensor = host, there: Tensor = there) -> None:
            there.copy_(host, non_blocking=True)
            torch.cuda.current_stream().synchronize()

        both = {'ours': seconds('cuda', ours, 200), 'torch': seconds('cuda', theirs, 200)}
        found[f'copy of {name} to the GPU, us'] = {k: round(1e6 * v, 1) for k, v in both.items()}
        buffer.host[:] = np.random.default_rng(1).integers(0, 256, size, np.uint8)
        sent = buffer.host.copy()
        cuda.upload(buffer, size)
        cuda.synchronize()
        buffer.host[:] = 0
        cuda.download(buffer, size)
        cuda.synchronize()
        found[f'{name} came back unchanged'] = bool((buffer.host == sent).all())
    return found


def kept_constants() -> Any:
    """Caches constants: a capture cannot contain copies from memory that is not pinned."""
    made: dict[Any, Tensor] = {}

    def new_tensor(self: Tensor, data: Any) -> Tensor:
        key = (data, self.device, self.dtype)
        if key not in made:
            made[key] = torch.tensor(data, device=self.device, dtype=self.dtype)
        return made[key]

    return new_tensor


class Foreign:
    """Presents our memory as a tensor of torch."""

    def __init__(self, buffer: Buffer, shape: tuple[int, ...]) -> None:
        self.__cuda_array_interface__ = {
            'shape': shape,
            'typestr': '|u1',
            'data': (buffer.device, False),
            'version': 3,
        }


def captured(cuda: Cuda) -> dict[str, Any]:
    """Times drive_lite in float16: eager, captured and replayed by us, captured by torch."""
    torch.manual_seed(0)
    config = CONFIGS['drive_lite']
    network = halved(compact_network(config).eval().requires_grad_(False))
    graph = DeployGraph(network, config).eval().cuda()
    shape = (1, config.height_px, config.width_px, 3)
    buffer = cuda.buffer(int(np.prod(shape)))
    buffer.host[:] = np.random.default_rng(2).integers(0, 256, buffer.host.size, np.uint8)
    image = torch.as_tensor(Foreign(buffer, shape), device='cuda')
    stream = torch.cuda.ExternalStream(cuda.stream)
    kept: dict[str, Tensor] = {}

    def enqueue() -> None:
        cuda.upload(buffer, buffer.host.size)
        for name, value in graph(image).items():
            kept.setdefault(name, torch.empty_like(value)).copy_(value)

    with torch.inference_mode(), torch.cuda.stream(stream):
        for _ in range(5):
            enqueue()
        cuda.synchronize()
        want = {name: value.clone() for name, value in kept.items()}
        eager_s = seconds('cuda', enqueue, 100)
        repeated = cuda.capture(enqueue)
        for value in kept.values():
            value.zero_()
        cuda.launch(repeated)
        cuda.synchronize()
        same = all(torch.equal(kept[name], value) for name, value in want.items())
        ours_s = seconds('cuda', lambda: (cuda.launch(repeated), cuda.synchronize()), 200)
    return {
        'drive_lite, fp16, with the upload, ms': {
            'eager on our stream': round(1e3 * eager_s, 3),
            'captured and repeated by us': round(1e3 * ours_s, 3),
            'captured by torch': round(1e3 * by_torch(graph, buffer, shape), 3),
        },
        'our repetition gives the eager result': same,
    }


def by_torch(graph: nn.Module, buffer: Buffer, shape: tuple[int, ...]) -> float:
    host = torch.from_numpy(buffer.host.reshape(shape).copy()).pin_memory()
    there = host.cuda()
    with torch.inference_mode():
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                graph(there)
        torch.cuda.synchronize()
        repeated = torch.cuda.CUDAGraph()
        with torch.cuda.graph(repeated):
            there.copy_(host, non_blocking=True)
            graph(there)
        return seconds('cuda', repeated.replay, 200)


def tensorrt_attempt() -> dict[str, Any]:
    """Reports what TensorRT says about the bundled model here, and which backend `auto` takes."""
    found: dict[str, Any] = {}
    for backend in ('tensorrt', 'auto'):
        begin_s = time.perf_counter()
        try:
            opened = open_backend(backend, BUNDLED_MODEL, BackendOptions())
        except (BackendError, ctypes.ArgumentError) as error:
            found[f'backend {backend}'] = ' '.join(str(error).split())
            continue
        image = opened.tensors['rgb']
        opened.infer(np.zeros((1, *image.shape[1:]), np.uint8), [])
        spent_s = time.perf_counter() - begin_s
        found[f'backend {backend}'] = f'{opened.description}; ready after {spent_s:.1f} s'
        opened.close()
    return found
