"""Measures the limits of the GPU itself: arithmetic and bandwidth."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import torch


def gpu_name(device: str) -> str:
    """Returns the GPU's name and driver version."""
    if device == 'cpu':
        return 'no GPU: the harness was tried on the CPU'
    query = ['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader']
    found = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    return found or torch.cuda.get_device_name()


def seconds(device: str, run: Callable[[], object], repeats: int = 20) -> float:
    """Returns the median time of one run, including everything that it queued."""
    times = []
    for number in range(repeats + 3):
        wait(device)
        begin_s = time.perf_counter()
        run()
        wait(device)
        if number >= 3:
            times.append(time.perf_counter() - begin_s)
    return sorted(times)[len(times) // 2]


def wait(device: str) -> None:
    if device == 'cuda':
        torch.cuda.synchronize()


def ceilings(device: str) -> dict[str, float]:
    """Measures TFLOP/s of matrix products of random numbers and GB/s of copies (read plus
    write)."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    small = device == 'cpu'
    found = {
        'fp16_tflops': product_tflops(device, torch.float16, 512 if small else 8192),
        'fp32_tflops': product_tflops(device, torch.float32, 512 if small else 8192),
    }
    many = torch.empty((1 << 22) if small else (1 << 30), dtype=torch.int32, device=device)
    other = torch.empty_like(many)
    found['copy_gb_per_s'] = 8 * many.numel() / seconds(device, lambda: other.copy_(many)) / 1e9
    if not small:
        host = torch.empty(64 << 20, dtype=torch.uint8, pin_memory=True)
        there = torch.empty_like(host, device=device)
        to = seconds(device, lambda: there.copy_(host, non_blocking=True))
        back = seconds(device, lambda: host.copy_(there, non_blocking=True))
        found |= {'to_gpu_gb_per_s': host.numel() / to / 1e9}
        found |= {'from_gpu_gb_per_s': host.numel() / back / 1e9}
    return found


def product_tflops(device: str, dtype: torch.dtype, size: int) -> float:
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds(device, lambda: a @ b) / 1e12
