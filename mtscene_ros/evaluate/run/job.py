"""One bag to evaluate: its options, whether it is done already, and the outcome."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import mtscene_ros
from mtscene_ros.backends import BackendError
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.run.bag import evaluate_bag
from mtscene_ros.evaluate.run.report_folder import METRICS, SEQUENCES, name_of
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.catalogue import BUNDLED_MODEL, file_of, spec_of_file
from mtscene_ros.models.checksum import sha256_of
from mtscene_ros.models.spec import ModelSpec, spec_from_json

DONE = 'done.json'  # written last; holds key, options and spec of the results beside it
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
    """The outcome of one job; error: '' or one sentence; resumed: it was done already."""

    name: str
    error: str = ''
    resumed: bool = False
    seconds: float = 0.0


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
    done = job.folder / DONE
    if not (done.is_file() and (job.folder / METRICS).is_file()):
        return False
    return bool(json.loads(done.read_text()).get('key') == job.key)


def run_job(job: EvaluationJob) -> Outcome:
    """Evaluates a bag unless it is done. A failure is an outcome, so that other bags go on."""
    if is_done(job):
        return Outcome(job.name, resumed=True)
    begin_s = time.monotonic()
    (job.folder / DONE).unlink(missing_ok=True)
    for scratch in job.folder.glob('.recording-*'):  # left by a process that was killed
        shutil.rmtree(scratch, ignore_errors=True)
    try:
        evaluate_bag(job.bag, job.options, job.folder)
    except (ValueError, OSError, BackendError) as error:  # BagError, SpecError: one sentence each
        return Outcome(job.name, str(error), seconds=time.monotonic() - begin_s)
    except Exception as error:  # a bug of ours, but no reason to lose the other bags
        sentence = (
            f'{type(error).__name__}: {error}; this is a bug of mtscene_ros, please report it.'
        )
        return Outcome(job.name, sentence, seconds=time.monotonic() - begin_s)
    spec = spec_of_file(job.options.model).to_json()
    done = {'key': job.key, 'options': asdict(job.options), 'spec': spec}
    write_text(job.folder / DONE, json.dumps(done, indent=1) + '\n')
    return Outcome(job.name, seconds=time.monotonic() - begin_s)


def options_of(folder: Path) -> tuple[EvaluateOptions, ModelSpec]:
    """Returns the options and the model of an evaluated sequence, the defaults where unknown.

    Raises SpecError.
    """
    path = folder / DONE
    if not path.is_file():
        return EvaluateOptions(), spec_of_file()
    done = json.loads(path.read_text())
    options = {k: _tuples(v) for k, v in done['options'].items()}
    return EvaluateOptions(**options), spec_from_json(done['spec'], str(path))


def _tuples(value: Any) -> Any:
    """Converts JSON's lists into tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _digest(files: Sequence[Path]) -> str:
    """Returns a digest of the files that exist; opening a missing one reports it."""
    return sha256_of(*(path for path in files if path.is_file()))
