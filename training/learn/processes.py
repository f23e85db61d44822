"""What the processes of one training share, and how they are asked to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed


@contextmanager
def process_group() -> Iterator[None]:
    """Joins the processes that torchrun has started, if it has."""
    together = int(os.environ.get('WORLD_SIZE', '1')) > 1
    if together:
        torch.distributed.init_process_group('nccl' if torch.cuda.is_available() else 'gloo')
    try:
        yield
    finally:
        if together:
            torch.distributed.destroy_process_group()


def rank_and_world() -> tuple[int, int]:
    return int(os.environ.get('RANK', '0')), int(os.environ.get('WORLD_SIZE', '1'))


def device_of_this_process(threads: int) -> torch.device:
    torch.set_num_threads(threads)
    if not torch.cuda.is_available():
        return torch.device('cpu')
    device = torch.device('cuda', int(os.environ.get('LOCAL_RANK', '0')))
    torch.cuda.set_device(device)
    return device


def shared_progress(progress: float) -> float:
    """Returns the first process's progress everywhere, so that all processes end at one step."""
    if not torch.distributed.is_initialized():
        return progress
    device = 'cuda' if torch.distributed.get_backend() == 'nccl' else 'cpu'
    value = torch.tensor(progress, dtype=torch.float64, device=device)
    torch.distributed.broadcast(value, 0)
    return float(value)


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """Yields a list that is empty until Ctrl-C or SIGTERM; the step at hand is completed. A second
    one ends the process at once."""
    asked: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)

    def ask(number: int, _: Any) -> None:
        asked.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)

    before = {each: signal.getsignal(each) for each in signals}
    try:
        for each in signals:
            signal.signal(each, ask)
    except ValueError:  # not in the main thread, where no signal arrives
        before = {}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
