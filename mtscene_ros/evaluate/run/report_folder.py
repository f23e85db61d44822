"""The folder that `mtscene evaluate` writes: one sequence at its top, or several in `sequences/`
with their total at the top.

    report/metrics.json                       of the one sequence, or of all, and `sequences`
    report/index.html
    report/[sequences/NAME/]metrics.json      frames.parquet  predictions.mcap
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.models.checksum import sha256_of
from mtscene_ros.models.limits import text_of
from mtscene_ros.models.nested import leaves, plain

METRICS, FRAMES, PREDICTIONS, PAGE = (
    'metrics.json',
    'frames.parquet',
    'predictions.mcap',
    'index.html',
)
DONE = 'done.json'  # written last: key, options and spec of the results beside it, and digests
SEQUENCES = 'sequences'
BAG_ENDINGS = ('.mcap', '.bag', '.db3')
FORMAT = 1

Columns = dict[str, NDArray[Any]]


class ReportError(ValueError):
    """There is no report, or it cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceReport:
    """One evaluated bag; metrics: the content of its metrics.json."""

    name: str
    folder: Path
    metrics: Mapping[str, Any]

    @property
    def bag(self) -> Path:
        return Path(self.metrics['bag']['path'])

    def frames(self) -> Columns:
        """Reads frames.parquet: column → (frames,). Raises ReportError."""
        return read_frames(self.folder / FRAMES)


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """A whole report; metrics: of all sequences together; failed: bag → why it failed."""

    folder: Path
    metrics: Mapping[str, Any]
    sequences: tuple[SequenceReport, ...]

    @property
    def failed(self) -> Mapping[str, str]:
        return {f['bag']: f['reason'] for f in self.metrics.get('failed', ())}


def read_report(folder: Path) -> Report:
    """Reads a report. Raises ReportError."""
    metrics = read_metrics(folder / METRICS)
    if SEQUENCES not in metrics:
        name = name_of(Path(metrics['bag']['name']))
        return Report(folder, metrics, (SequenceReport(name, folder, metrics),))
    inside = tuple(
        SequenceReport(of['name'], folder / SEQUENCES / of['name'], of['metrics'])
        for of in metrics[SEQUENCES]
    )
    return Report(folder, metrics, inside)


def name_of(bag: Path) -> str:
    """Returns the name of a sequence: the file name without its suffix, or the folder name."""
    return bag.stem if bag.suffix in BAG_ENDINGS else bag.name


def read_metrics(path: Path) -> dict[str, Any]:
    """Reads a metrics.json. Raises ReportError."""
    try:
        found = json.loads(text_of(path))
    except OSError:
        raise ReportError(
            f'{path.parent} contains no {path.name}; give a folder that `mtscene evaluate` wrote.'
        ) from None
    except (ValueError, RecursionError) as error:
        raise ReportError(f'{path} is not JSON ({error}); evaluate again.') from None
    if not isinstance(found, dict) or found.get('format') != FORMAT:
        raise ReportError(
            f'{path} does not have format {FORMAT}; evaluate again with this version.'
        )
    return found


def seal(folder: Path, about: Mapping[str, Any]) -> None:
    """Writes done.json, which says that the files beside it are complete and belong together."""
    sealed = {**about, 'files': digests(folder)}
    write_text(folder / DONE, json.dumps(sealed, indent=1) + '\n')


def digests(folder: Path) -> dict[str, Any]:
    """Returns what identifies the files of a sequence; criteria are judged later. Raises
    ReportError, OSError."""
    metrics = read_metrics(folder / METRICS)
    metrics.pop('criteria', None)
    text = json.dumps(metrics, sort_keys=True)
    return {
        METRICS: hashlib.sha256(text.encode()).hexdigest(),
        FRAMES: sha256_of(folder / FRAMES),
        PREDICTIONS: (folder / PREDICTIONS).stat().st_size,
    }


def read_done(folder: Path) -> dict[str, Any]:
    """Returns the content of done.json. Raises ReportError."""
    path = folder / DONE
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
        if isinstance(found, dict):
            return found
    except OSError:
        raise ReportError(
            f'{folder} holds no complete result ({DONE} is missing); evaluate again.'
        ) from None
    except (ValueError, RecursionError):
        pass
    raise ReportError(f'{path} is damaged; evaluate again.')


def check_whole(folder: Path) -> None:
    """Raises ReportError unless the files of a sequence are complete and belong together."""
    sealed = read_done(folder).get('files')
    if sealed is None:  # of a version that kept no digests
        read_metrics(folder / METRICS)
        return
    try:
        found = digests(folder)
    except OSError as error:
        raise ReportError(f'{error.filename} is missing; evaluate again.') from None
    for name, digest in found.items():
        if not isinstance(sealed, dict) or sealed.get(name) != digest:
            raise ReportError(f'{folder / name} does not belong to {DONE}; evaluate again.')


def check_complete(report: Report) -> None:
    """Raises ReportError for a report whose evaluation was cut off."""
    for sequence in report.sequences:
        check_whole(sequence.folder)
        apart = read_metrics(sequence.folder / METRICS)['metrics'] != sequence.metrics['metrics']
        if apart:
            raise ReportError(
                f'{report.folder / METRICS} is older than {sequence.folder / METRICS}; evaluate '
                'again.'
            )


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Writes the metrics.json of a sequence or of all. Raises OSError."""
    text = json.dumps(plain(metrics), indent=1, allow_nan=False)
    write_text(folder / METRICS, text + '\n')


def scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Returns every score of a metrics.json by its path, such as `semantic.miou`.

    NaN stands for what could not be measured.
    """
    return {
        name: number(value)
        for name, value in leaves(metrics['metrics'])
        if value is None or isinstance(value, int | float)
    }


def number(value: Any) -> float:
    """Converts a number of JSON, where null means NaN."""
    return math.nan if value is None else float(value)


def read_frames(path: Path) -> Columns:
    """Reads frames.parquet. Raises ReportError where pyarrow or the file is missing."""
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise ReportError(
            'Reading frames.parquet needs pyarrow; run `pip install pyarrow`.'
        ) from None
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise ReportError(f'{path} cannot be read ({error}); evaluate again.') from None
    return {name: table.column(name).to_numpy() for name in table.column_names}


# Task → the score that selects its worst frames, whether more of it is worse, its text.
WORST_BY = {
    'semantic': ('semantic.present_miou', False, 'mIoU {:.1f} %'),
    'depth': ('depth.abs_rel', True, 'depth AbsRel {:.3f}'),
    'boxes3d': ('boxes3d.recall', False, 'boxes found {:.2f}'),
    'normals': ('normals.mean_deg', True, 'normals {:.1f}° off'),
    'boundary': ('boundary.ods_f', False, 'boundary odsF {:.1f} %'),
    'saliency': ('saliency.max_f', False, 'saliency maxF {:.1f} %'),
    'human_parts': ('human_parts.present_miou', False, 'mIoU of parts {:.1f} %'),
    'novelty': ('image.novelty', True, 'novelty {:.2f}'),  # of evaluate --novelty
}
