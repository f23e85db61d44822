"""Compares what each model computes for seeded images with stored digests, per backend.

    python -m benchmarks.digests                 compare with test/data/digests, print differences
    python -m benchmarks.digests --write         store the current digests after a wanted change
    python -m benchmarks.digests drive_lite --backends onnxruntime openvino
    python -m benchmarks.digests --backends onnxruntime_cuda --folder FOLDER --write
                      on a machine with a GPU; FOLDER caches exported models, also across machines

A dependency that changes results beyond the limits of benchmarks/digest.py fails the canary
(test/trust/test_canary.py). If the change is understood and wanted, use --write and commit the
difference, which is readable line by line.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.digest import complaints, digest
from benchmarks.digest_models import MODELS, Made, outputs_of
from mtscene_ros.backends import BackendOptions, auto
from mtscene_ros.backends.cuda import gpu_name

FOLDER = Path(__file__).parents[1] / 'test' / 'data' / 'digests'
# Backend → why it is not usable here, '' if it is.
BACKENDS: dict[str, Callable[[BackendOptions], str]] = {
    'torch': lambda options: '',
    'onnxruntime': lambda options: '',
    'openvino': auto.why_not_openvino,
    'onnxruntime_cuda': auto.why_not_onnxruntime_cuda,
    'constant': lambda options: '',
}
DEPENDENCIES = (
    'numpy', 'torch', 'timm', 'onnx', 'onnxscript', 'onnxruntime', 'onnxruntime-gpu', 'openvino'
)  # fmt: skip


def versions(backend: str) -> dict[str, str]:
    """Returns the versions of everything that may change the numbers."""
    found = {}
    for name in DEPENDENCIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    if backend == 'onnxruntime_cuda':
        found.pop('onnxruntime', None)  # may be installed beside it but is not used
        found['gpu'] = gpu_name()
    return found


def digests_of(backend: str, made: Made, folder: Path) -> dict[str, Any]:
    outputs = outputs_of(backend, made, folder)
    return {name: digest(name, array) for name, array in sorted(outputs.items())}


def kept(name: str) -> dict[str, Any]:
    """Reads the stored digests of a model. Raises FileNotFoundError."""
    found: dict[str, Any] = json.loads((FOLDER / f'{name}.json').read_text())
    return found


def differences(backend: str, want: dict[str, Any], got: dict[str, Any]) -> list[str]:
    """Returns one sentence per difference."""
    sentences = (
        [] if set(want) == set(got) else [f'outputs are {sorted(got)}, were {sorted(want)}.']
    )
    for name in want.keys() & got.keys():
        sentences += complaints(name, want[name], got[name])
    return [f'{backend}: {sentence}' for sentence in sorted(sentences)]


def check(name: str, backends: list[str], folder: Path, *, write: bool) -> list[str]:
    """Compares or stores one model's digests; folder: cache of exported models."""
    made = MODELS[name](folder)
    today = {backend: digests_of(backend, made, folder) for backend in backends}
    if write:
        keep(name, today)
        return []
    sentences, about = [], kept(name)
    for backend, now in today.items():
        found = differences(backend, about['backends'][backend], now)
        was = ', '.join(f'{k} {v}' for k, v in about['versions'][backend].items())
        sentences += [*found, f'{backend}: the stored digests come from {was}.'] if found else []
    return sentences


def keep(name: str, today: dict[str, Any]) -> None:
    """Stores digests and keeps those of other backends."""
    path = FOLDER / f'{name}.json'
    old = kept(name) if path.exists() else {'versions': {}, 'backends': {}}
    found = {backend: versions(backend) for backend in today}
    about = {
        'versions': old['versions'] | found,
        'backends': old['backends'] | today,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    path.write_text(readable(about))


def readable(about: dict[str, Any]) -> str:
    """Formats JSON with each list on one line."""
    text = json.dumps(about, indent=1)
    return re.sub(r'\[[^\[\]]*\]', lambda found: ' '.join(found[0].split()), text) + '\n'


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('models', nargs='*', choices=[[], *MODELS], help='default: all')
    usable = [name for name, why_not in BACKENDS.items() if not why_not(BackendOptions())]
    parser.add_argument('--backends', nargs='+', choices=usable, default=usable)
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--folder', type=Path, help='cache of exported models')
    options = parser.parse_args(arguments)
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.models or MODELS:
            found = check(name, options.backends, folder, write=options.write)
            failures += bool(found)
            print(f'{name}: {"written" if options.write else "differs" if found else "the same"}')
            print(''.join(f'  {sentence}\n' for sentence in found), end='', flush=True)
    return int(failures > 0)


if __name__ == '__main__':
    sys.exit(main())
