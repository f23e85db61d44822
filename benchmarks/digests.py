"""Numbers that cannot rot: what each model answers to seeded images, per backend.

    python -m benchmarks.digests                 compare with test/data/digests, say what differs
    python -m benchmarks.digests --write         keep today's answers, on purpose
    python -m benchmarks.digests drive_lite --backends onnxruntime openvino
    python -m benchmarks.digests --backends onnxruntime_cuda --folder FOLDER --write
                      where a GPU is; FOLDER keeps exported models, or has those of another machine

A dependency that changes results beyond the limits of benchmarks/digest.py fails the canary
(test/trust/test_canary.py). Where the change is understood and wanted, --write and commit the
difference: it can be read line by line.
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
# Backend → why it cannot be used here, '' if it can.
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
    """Of what may change the numbers."""
    found = {}
    for name in DEPENDENCIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    if backend == 'onnxruntime_cuda':
        found.pop('onnxruntime', None)  # the other package may lie beside it, unused
        found['gpu'] = gpu_name()
    return found


def digests_of(backend: str, made: Made, folder: Path) -> dict[str, Any]:
    outputs = outputs_of(backend, made, folder)
    return {name: digest(name, array) for name, array in sorted(outputs.items())}


def kept(name: str) -> dict[str, Any]:
    """What the repository holds about a model. Raises FileNotFoundError."""
    found: dict[str, Any] = json.loads((FOLDER / f'{name}.json').read_text())
    return found


def differences(backend: str, want: dict[str, Any], got: dict[str, Any]) -> list[str]:
    """One sentence each."""
    told = [] if set(want) == set(got) else [f'outputs are {sorted(got)}, were {sorted(want)}.']
    for name in want.keys() & got.keys():
        told += complaints(name, want[name], got[name])
    return [f'{backend}: {sentence}' for sentence in sorted(told)]


def check(name: str, backends: list[str], folder: Path, *, write: bool) -> list[str]:
    """folder: of exported models."""
    made = MODELS[name](folder)
    today = {backend: digests_of(backend, made, folder) for backend in backends}
    if write:
        keep(name, today)
        return []
    told, about = [], kept(name)
    for backend, now in today.items():
        found = differences(backend, about['backends'][backend], now)
        was = ', '.join(f'{k} {v}' for k, v in about['versions'][backend].items())
        told += [*found, f'{backend}: the old numbers are of {was}.'] if found else []
    return told


def keep(name: str, today: dict[str, Any]) -> None:
    """Beside what is kept of other backends."""
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
    """JSON with each list on one line."""
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
    parser.add_argument('--folder', type=Path, help='of exported models, kept for the next time')
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
