"""Evaluates bags on a Ray cluster (extra `fleet`), on whatever node has free cores.

All nodes must see the bags, the model and the report under the same paths.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mtscene_ros.evaluate.run.job import EvaluationJob, Outcome, is_done, run_job
from mtscene_ros.evaluate.run.many import with_threads

KNOCK_S = 5.0
LOCAL = 'local'  # starts a cluster on this machine for this run


class FleetError(ValueError):
    """The cluster cannot be used; the message is one sentence."""


def run_on_ray(jobs: Sequence[EvaluationJob], address: str) -> Iterator[Outcome]:
    """Yields outcomes as they arrive.

    address: LOCAL, auto, HOST:PORT or ray://HOST:PORT. Raises FleetError.
    """
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError:
        raise FleetError('--ray needs Ray; run `pip install ray` on every node.') from None
    _connect(address)
    try:
        # The bags of a lost node are tried once more elsewhere; results are complete or absent.
        remote = ray.remote(run_job)
        waiting = {}
        for job in jobs:
            one = with_threads(job, 1, progress=False)
            options = remote.options(num_cpus=one.options.threads, max_retries=1)
            waiting[options.remote(one)] = job
        while waiting:
            [done], _ = ray.wait(list(waiting), num_returns=1)
            job = waiting.pop(done)
            try:
                yield seen_from_here(job, ray.get(done))
            except RayError as error:
                lines = str(error).strip().splitlines() or [type(error).__name__]
                yield Outcome(job.name, f'Ray lost it: {lines[-1].strip()}')
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    import ray

    extra: dict[str, Any] = {'include_dashboard': False} if address == LOCAL else {}
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **extra)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise FleetError(
            f'No Ray cluster answers at {address!r} ({first}); start one with `ray start --head`, '
            'set RAY_AUTH_MODE=token here if it requires a token, or use --jobs.'
        ) from None


def _knock(address: str) -> None:
    """Raises OSError where nothing listens; Ray itself would retry for minutes."""
    host, colon, port = address.removeprefix('ray://').rpartition(':')
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), KNOCK_S).close()


def seen_from_here(job: EvaluationJob, outcome: Outcome) -> Outcome:
    if outcome.error or is_done(job):
        return outcome
    return replace(
        outcome,
        error=f'It was evaluated on another node, but {job.folder} is empty here; put the report '
        'on a file system that all nodes share.',
    )
