"""One bag to evaluate: its options, whether it is done already, and the outcome."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import mtscene_ros
from mtscene_ros.backends import BackendError
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.evaluate.run.report_folder import (
    DONE,
    FRAMES,
    METRICS,
    PAGE,
    PREDICTIONS,
    SEQUENCES,
    ReportError,
    check_whole,
    name_of,
    read_done,
    seal,
)
from mtscene_ros.models.array_file import first_line
from mtscene_ros.models.atomic_file import remove_abandoned, scratch_folder
from mtscene_ros.models.catalogue import BUNDLED_MODEL, file_of, spec_of_file
from mtscene_ros.models.checksum import sha256_of
from mtscene_ros.models.spec import ModelSpec, spec_from_json

OTHER = 'there is no result, or that of another job'
# Options that do not change a score: the number of threads and the display of progress.
WITHOUT_EFFECT = ('threads', 'progress')


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """One evaluation; folder: where its report goes; key: a digest of all that affects its
    scores."""

    name: str
    bag: Path
    options: EvaluateOptions
    folder: Path
    key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one job; error: '' or one sentence; resumed: it was done already; replaced:
    what was damaged in the earlier result, or ''."""

    name: str
    error: str = ''
    resumed: bool = False
    seconds: float = 0.0
    replaced: str = ''


def jobs_of(bags: Sequence[Path], options: EvaluateOptions, report: Path) -> list[EvaluationJob]:
    """Returns one job per bag; one bag goes to the top of the report, several to sequences/.

    Paths become absolute, because other processes may have another working directory.
    """
    manifest = Path(options.truth)
    options = replace(
        options,
        model=str(Path(file_of(options.model)).resolve()) if options.model else '',
        truth=str(manifest.resolve()) if manifest.is_file() else options.truth,
    )
    model = _digest([Path(options.model or BUNDLED_MODEL)])
    jobs = []
    for name, bag in zip(names_of(bags), bags, strict=True):
        folder = report if len(bags) == 1 else report / SEQUENCES / name
        jobs.append(
            EvaluationJob(name, bag.resolve(), options, folder, key_of(bag, options, model))
        )
    return jobs


def names_of(bags: Sequence[Path]) -> list[str]:
    """Returns the names of the sequences, with a number where several bags have one name."""
    names: list[str] = []
    for bag in bags:
        name, number = name_of(bag.resolve()), 2
        while name in names:
            name, number = f'{name_of(bag.resolve())}-{number}', number + 1
        names.append(name)
    return names


def key_of(bag: Path, options: EvaluateOptions, model_sha256: str) -> str:
    """Returns a digest of the bag's files (size, time of change), the model, options and code."""
    files = sorted(bag.rglob('*')) if bag.is_dir() else [bag]
    stats = [
        (str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.exists()
    ]
    requested = {k: v for k, v in asdict(options).items() if k not in WITHOUT_EFFECT}
    manifest = Path(options.truth)
    truth = _digest([manifest]) if manifest.is_file() else ''
    text = json.dumps([stats, requested, model_sha256, truth, own_code()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def own_code() -> str:
    """Returns a digest of this package; results of other code are not reused."""
    return _digest(sorted(Path(mtscene_ros.__file__).parent.rglob('*.py')))


def is_done(job: EvaluationJob) -> bool:
    """Whether the folder contains the complete result of exactly this job."""
    return not why_not_done(job)


def why_not_done(job: EvaluationJob) -> str:
    """Returns '' for a complete result of exactly this job, what is damaged in one, and 'other'
    where there is none or another job's."""
    try:
        if read_done(job.folder).get('key') != job.key:
            return OTHER
        check_whole(job.folder)
    except ReportError as error:
        return str(error) if (job.folder / DONE).exists() else OTHER
    return ''


def run_job(job: EvaluationJob) -> Outcome:
    """Evaluates a bag unless it is done. A failure is an outcome, so that other bags go on.

    The new result takes the place of an earlier one when it is complete.
    """
    for left in ('.evaluation-*', '.recording-*', '.mds-*'):  # the last two of earlier versions
        remove_abandoned(job.folder, left)
    begin_s, damage = time.monotonic(), why_not_done(job)
    if not damage:
        return Outcome(job.name, resumed=True)
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(job.folder, '.evaluation-') as scratch:
            evaluate_bag(job.bag, job.options, scratch)
            spec = spec_of_file(job.options.model).to_json()
            take_over(job.folder, scratch)
        about = {'key': job.key, 'options': asdict(job.options), 'spec': spec}
        seal(job.folder, about)
    except (ValueError, OSError, BackendError) as error:  # BagError, SpecError: one sentence each
        return failed(job, str(error), begin_s)
    except Exception as error:  # a bug of ours, but no reason to lose the other bags
        sentence = (
            f'{type(error).__name__}: {error}; this is a bug of mtscene_ros, please report it.'
        )
        return failed(job, sentence, begin_s)
    replaced = '' if damage == OTHER else damage
    return Outcome(job.name, seconds=time.monotonic() - begin_s, replaced=replaced)


def failed(job: EvaluationJob, why: str, begin_s: float) -> Outcome:
    """Returns the outcome of a failure; what is in the folder is not the result of this job."""
    with contextlib.suppress(OSError):
        (job.folder / DONE).unlink(missing_ok=True)
    return Outcome(job.name, why, seconds=time.monotonic() - begin_s)


def take_over(folder: Path, finished: Path) -> None:
    """Replaces an earlier result; what is cut off here lacks its metrics, and is no result."""
    for name in (DONE, METRICS, PAGE):
        (folder / name).unlink(missing_ok=True)
    for name in (PREDICTIONS, FRAMES, METRICS):
        os.replace(finished / name, folder / name)


def options_of(folder: Path) -> tuple[EvaluateOptions, ModelSpec]:
    """Returns the options and the model of an evaluated sequence, the defaults where unknown.

    Raises SpecError, ReportError.
    """
    path = folder / DONE
    if not path.is_file():
        return EvaluateOptions(), spec_of_file()
    done = read_done(folder)
    if not {'options', 'spec'} <= done.keys():
        return EvaluateOptions(), spec_of_file()
    try:
        options = {k: _tuples(v) for k, v in done['options'].items()}
        return EvaluateOptions(**options), spec_from_json(done['spec'], str(path))
    except (AttributeError, LookupError, TypeError) as error:
        raise ReportError(f'{path} is damaged ({first_line(error)}); evaluate again.') from error


def _tuples(value: Any) -> Any:
    """Converts JSON's lists into tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _digest(files: Sequence[Path]) -> str:
    """Returns a digest of the files that exist; opening a missing one reports it."""
    return sha256_of(*(path for path in files if path.is_file()))
