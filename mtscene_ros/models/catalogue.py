"""Model files on this machine, with everything that they state about themselves."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from mtscene_ros.models.about import About, about_of
from mtscene_ros.models.array_file import read_npz
from mtscene_ros.models.checksum import sha256_of
from mtscene_ros.models.onnx_file import metadata_of, precision_of
from mtscene_ros.models.spec import METADATA_KEY, ModelSpec, SpecError, spec_from_json

BUNDLED_MODEL = str(files('mtscene_ros') / 'models' / 'drive_lite.onnx')
VARIABLE = 'MTSCENE_MODELS'
NON_COMMERCIAL = re.compile(r'-NC\b|-noncommercial$', re.IGNORECASE)  # in SPDX identifiers


@dataclass(frozen=True, slots=True)
class Model:
    """One model file; precision: that of most weights; sha256: hexadecimal digits."""

    path: Path
    spec: ModelSpec
    about: About
    precision: str
    size_bytes: int
    sha256: str
    is_bundled: bool

    def to_dict(self) -> dict[str, Any]:
        """Returns a dict that is ready for JSON."""
        return {**asdict(self), 'path': str(self.path)}


def folders() -> list[Path]:
    """Returns where models are searched: the package, the user's folder and $MTSCENE_MODELS."""
    data = Path(os.environ.get('XDG_DATA_HOME') or Path.home() / '.local' / 'share')
    named = [Path(p) for p in os.environ.get(VARIABLE, '').split(os.pathsep) if p]
    return [Path(BUNDLED_MODEL).parent, data / 'mtscene_ros' / 'models', *named]


def path_of(model: str | Path) -> Path:
    """Returns the path of a model file, which may be named as `mtscene models` does: `drive_lite`.

    Raises FileNotFoundError with one sentence.
    """
    if Path(model).is_file():
        return Path(model)
    for folder in folders():
        if (folder / f'{model}.onnx').is_file():
            return folder / f'{model}.onnx'
    raise FileNotFoundError(
        f'There is no model {str(model)!r}, neither as a file nor in '
        f'{", ".join(map(str, folders()))}; `mtscene models` lists those that are there.'
    )


def file_of(model: str) -> str:
    """Returns the path of a model that is named as `mtscene models` does; any other text, such as
    the path of a file or '', comes back as it is."""
    try:
        return str(path_of(model)) if model else ''
    except FileNotFoundError:
        return model


def model_paths(places: Iterable[Path]) -> Iterator[Path]:
    """Yields the given files and the model files in the given folders, each once.

    Raises FileNotFoundError for a place that does not exist.
    """
    seen = set()
    for place in places:
        if not place.exists():
            raise FileNotFoundError(f'{place} does not exist.')
        for path in sorted(place.glob('*.onnx')) if place.is_dir() else [place]:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def model_of(path: Path) -> Model:
    """Reads one model file. Raises SpecError, ValueError and OSError, each with one sentence."""
    try:
        metadata = metadata_of(path)
        precision = precision_of(path)
    except SpecError:
        raise
    except ValueError as error:
        raise SpecError(f'{path} is not an ONNX model ({error}).') from error
    return Model(
        path,
        spec_from_json(metadata.get(METADATA_KEY), str(path)),
        about_of(path, metadata),
        precision,
        path.stat().st_size,
        sha256_of(path),
        path.resolve().parent == Path(BUNDLED_MODEL).resolve().parent,
    )


def licence_remark(model_path: str) -> str:
    """Returns a sentence about a model whose licence rules out commercial use, otherwise ''."""
    path = Path(file_of(model_path) or BUNDLED_MODEL)
    try:
        licence = about_of(path, metadata_of(path)).licence
    except (ValueError, OSError):  # such as stored outputs, which are no ONNX file
        return ''
    if not NON_COMMERCIAL.search(licence):
        return ''
    return (
        f'{path.stem} is not for commercial use (licence {licence}); `mtscene models` shows the '
        'terms of every model.'
    )


def found(places: Iterable[Path]) -> tuple[list[Model], list[str]]:
    """Returns the models, and a sentence for each file that is not one of mtscene_ros."""
    models, sentences = [], []
    for path in model_paths(places):
        try:
            models.append(model_of(path))
        except (ValueError, OSError) as error:  # SpecError is one
            sentences.append(str(error))
    return models, sentences


def spec_of_file(model_path: str = '') -> ModelSpec:
    """Reads the spec of a model file or of a named model without opening it in a runtime.

    Raises SpecError.
    """
    path = Path(file_of(model_path) or BUNDLED_MODEL)
    try:
        if path.suffix == '.npz':  # stored outputs
            return spec_from_json(str(read_npz(path, {METADATA_KEY})[METADATA_KEY]), str(path))
        return spec_from_json(metadata_of(path).get(METADATA_KEY), str(path))
    except FileNotFoundError:
        raise SpecError(f'Model file {str(path)!r} does not exist; check its path.') from None
    except (OSError, KeyError) as error:
        raise SpecError(
            f'Model file {str(path)!r} cannot be read ({error}); check its path.'
        ) from error
    except SpecError:
        raise
    except ValueError as error:
        kind = 'a file of stored outputs' if path.suffix == '.npz' else 'an ONNX model'
        raise SpecError(f'{path} is not {kind} ({error}); export it again.') from error
