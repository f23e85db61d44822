"""Numbers that cannot rot: what each model answers to seeded images, per backend.

    python -m benchmarks.digests                 compare with test/data/digests, say what differs
    python -m benchmarks.digests --write         keep today's answers, on purpose
    python -m benchmarks.digests drive_lite --backends onnxruntime openvino

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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.digest import complaints, digest
from benchmarks.digest_models import MODELS, Made, outputs_of

FOLDER = Path(__file__).parents[1] / 'test' / 'data' / 'digests'
BACKENDS = ('torch', 'onnxruntime', 'openvino', 'constant')
DEPENDENCIES = ('numpy', 'torch', 'timm', 'onnx', 'onnxscript', 'onnxruntime', 'openvino')


def versions() -> dict[str, str]:
    """Of what may change the numbers."""
    found = {}
    for name in DEPENDENCIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = 'absent'
    return found


def digests_of(backend: str, made: Made, folder: Path) -> dict[str, Any]:
    outputs = outputs_of(backend, made, folder)
    return {name: digest(name, array) for name, array in sorted(outputs.items())}


def kept(name: str) -> dict[str, Any]:
    """What the repository holds about a model. Raises FileNotFoundError."""
    found: dict[str, Any] = json.loads((FOLDER / f'{name}.json').read_text())
    return found


def differences(backend: str, want: dict[str, Any], got: dict[str, Any]) -> list[str]:
    """One sentence each, with the versions that the numbers were kept with."""
    told = [] if set(want) == set(got) else [f'outputs are {sorted(got)}, were {sorted(want)}.']
    for name in want.keys() & got.keys():
        told += complaints(name, want[name], got[name])
    return [f'{backend}: {sentence}' for sentence in sorted(told)]


def check(name: str, backends: list[str], folder: Path, *, write: bool) -> list[str]:
    made = MODELS[name](folder)
    today = {backend: digests_of(backend, made, folder) for backend in backends}
    if write:
        old = kept(name)['backends'] if (FOLDER / f'{name}.json').exists() else {}
        about = {'versions': versions(), 'backends': old | today}
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f'{name}.json').write_text(readable(about))
        return []
    stored = kept(name)['backends']
    return [s for b in backends for s in differences(b, stored[b], today[b])]


def readable(about: dict[str, Any]) -> str:
    """JSON with each list on one line."""
    text = json.dumps(about, indent=1)
    return re.sub(r'\[[^\[\]]*\]', lambda found: ' '.join(found[0].split()), text) + '\n'


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('models', nargs='*', choices=[[], *MODELS], help='default: all')
    parser.add_argument('--backends', nargs='+', choices=BACKENDS, default=BACKENDS)
    parser.add_argument('--write', action='store_true')
    options = parser.parse_args(arguments)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models or MODELS:
            found = check(name, list(options.backends), Path(folder), write=options.write)
            failures += bool(found)
            print(f'{name}: {"written" if options.write else "differs" if found else "the same"}')
            print(''.join(f'  {sentence}\n' for sentence in found), end='', flush=True)
    return int(failures > 0)


if __name__ == '__main__':
    sys.exit(main())
