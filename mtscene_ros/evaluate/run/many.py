"""Evaluates several bags at the same time on this machine, each in its own process.

The memory is released after each, and a process that is killed affects no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing.connection import Connection

from mtscene_ros.evaluate.run.job import EvaluationJob, Outcome, run_job
from mtscene_ros.models.child_process import spawning


def run_here(jobs: Sequence[EvaluationJob], at_once: int) -> Iterator[Outcome]:
    """Yields outcomes as they arrive. A single job runs in this process."""
    if len(jobs) == 1:
        yield run_job(jobs[0])
        return
    threads = max(1, cores() // at_once)
    with ThreadPoolExecutor(at_once) as pool:
        shared = [with_threads(job, threads, progress=at_once == 1) for job in jobs]
        waiting = [pool.submit(in_own_process, job) for job in shared]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def with_threads(job: EvaluationJob, threads: int, *, progress: bool) -> EvaluationJob:
    """Returns the job with this number of threads unless its options set one.

    progress: False where several progress bars would share a terminal.
    """
    options = replace(
        job.options,
        threads=job.options.threads or threads,
        progress=job.options.progress and progress,
    )
    return replace(job, options=options)


def in_own_process(job: EvaluationJob) -> Outcome:
    """Calls run_job in a new process; the death of the process is an outcome as well."""
    spawn = spawning()  # runtimes hold threads and the state of CUDA, which survive no fork
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_answer, args=(job, theirs))
    process.start()
    theirs.close()
    try:
        outcome: Outcome = ours.recv()
    except EOFError:
        process.join()
        code = process.exitcode or 0
        how = f'signal {-code}' if code < 0 else f'exit status {code}'
        outcome = Outcome(
            job.name,
            f'The process that evaluated it ended with {how}; with signal 9 memory may have run '
            'out: use fewer --jobs.',
        )
    process.join()
    return outcome


def _answer(job: EvaluationJob, to: Connection) -> None:
    to.send(run_job(job))
    to.close()


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    )
