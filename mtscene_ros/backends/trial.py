"""precision: auto on a CPU: tries what the processor can do, and remembers what was fastest.

A way is a backend, a number format and a file: the model itself, or its INT8 sibling, which is
NAME_int8.onnx beside it. Each is opened, answers the model's self-test and is timed for a second.
What is off by more than bfloat16 may be is left out, and a coarser format is taken only where it
saves a tenth. Times are CPU times of this process, because those hardly depend on what else runs
on the machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from mtscene_ros.backends.proof import Infer, judged
from mtscene_ros.models.atomic_file import write_bytes
from mtscene_ros.models.checksum import sha256_of
from mtscene_ros.models.external_data import external_files
from mtscene_ros.models.onnx_file import precision_of
from mtscene_ros.models.self_test import SelfTest
from mtscene_ros.models.spec import MALFORMED
from mtscene_ros.terminal import plural

BUDGET_S, MOST_RUNS = 1.0, 10  # of one way, after one run that is not counted
LONGEST_S = 15.0  # after this no further way is begun, and nothing is remembered
WORTH = 0.9  # share of the time of the best exact way that a coarser one must stay below
COARSEST = 'bf16'  # its bounds hold for every way
BF16_FLAGS, INT8_FLAGS = {'amx_bf16', 'avx512_bf16'}, {'amx_int8', 'avx512_vnni', 'avx_vnni'}
RUNTIMES = ('onnxruntime', 'openvino')


@dataclass(frozen=True, slots=True)
class Processor:
    """What /proc/cpuinfo says about the first core."""

    name: str
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Way:
    """backend: a key of BACKENDS; precision: 'file' or 'bf16'; path: of the file."""

    backend: str
    precision: str
    path: str

    def __str__(self) -> str:
        of_file = 'INT8 sibling' if self.path.endswith('_int8.onnx') else 'as exported'
        return f'{self.backend} {of_file if self.precision == "file" else self.precision}'


@dataclass(frozen=True, slots=True)
class Trial:
    """ms: CPU milliseconds of an inference by the ways that may be taken; refused: by way, why;
    left: how many ways LONGEST_S left untried."""

    chosen: Way
    ms: dict[str, float]
    refused: dict[str, str]
    left: int = 0

    def __str__(self) -> str:
        times = ', '.join(f'{way} {ms:.0f} ms' for way, ms in self.ms.items())
        refused = ''.join(f'; {way} refused: {why}' for way, why in self.refused.items())
        more = f'; {plural(self.left, "way")} untried after {LONGEST_S:g} s' if self.left else ''
        return f'precision auto took {self.chosen} of {times} of CPU time{refused}{more}'


def processor(cpuinfo: str) -> Processor:
    """Reads the text of /proc/cpuinfo; '' gives a processor without flags."""
    lines = [line.partition(':') for line in cpuinfo.split('\n\n')[0].splitlines()]
    rows = {name.strip(): value.strip() for name, _, value in lines}
    flags = rows.get('flags', rows.get('Features', ''))
    return Processor(rows.get('model name', platform.machine()), frozenset(flags.split()))


def this_processor() -> Processor:
    with suppress(OSError):
        return processor(Path('/proc/cpuinfo').read_text())
    return processor('')


def ways(model_path: str, has_openvino: bool, cpu: Processor) -> list[Way]:
    """Returns what may be tried; the exact ways first."""
    backends = ('onnxruntime', 'openvino') if has_openvino else ('onnxruntime',)
    found = [Way(backend, 'file', model_path) for backend in backends]
    if precision_of(Path(model_path)) != 'fp32':
        return found
    if has_openvino and cpu.flags & BF16_FLAGS:
        found.append(Way('openvino', 'bf16', model_path))
    sibling = Path(model_path).with_name(f'{Path(model_path).stem}_int8.onnx')
    if sibling.is_file() and cpu.flags & INT8_FLAGS:
        found += [Way(backend, 'file', str(sibling)) for backend in backends]
    return found


def measured(test: SelfTest, infer: Infer) -> tuple[float, str]:
    """Returns CPU milliseconds of the fastest inference and what is beyond its bound, or ''.

    infer: of an opened backend; the first inference is the self-test.
    """
    off = [str(agreement) for agreement in judged(test, infer, COARSEST) if not agreement.passes]
    names, batch = [answer.tensor for answer in test.answers], test.rgb[None]
    best_ms, until_s = float('inf'), time.monotonic() + BUDGET_S
    for run in range(MOST_RUNS):
        if run >= 2 and time.monotonic() > until_s:
            break
        start_s = time.process_time()
        infer(batch, names)
        best_ms = min(best_ms, 1e3 * (time.process_time() - start_s))
    return best_ms, '; '.join(off)


def fastest(ms: dict[Way, float], model_path: str) -> Way:
    """Returns the exact way that takes least, or a coarser one that is worth it."""
    exact = [way for way in ms if (way.precision, way.path) == ('file', model_path)]
    best, quickest = min(exact, key=lambda way: ms[way]), min(ms, key=lambda way: ms[way])
    return quickest if ms[quickest] < WORTH * ms[best] else best


def key_of(found: list[Way], threads: int, cpu: Processor) -> dict[str, Any]:
    """Returns everything that a trial depends on."""
    files = sorted({Path(way.path) for way in found})
    return {
        'processor': cpu.name,
        'flags': ' '.join(sorted(cpu.flags)),
        'cores': os.cpu_count(),
        'versions': dict(versions()),
        'files': [sha256_of(path, *external_files(path)) for path in files],
        'ways': [str(way) for way in found],
        'threads': threads,
    }


def versions() -> Iterator[tuple[str, str]]:
    for name in RUNTIMES:
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def remembered(
    model_path: str, key: dict[str, Any], found: list[Way], run: Callable[[], Trial]
) -> Trial:
    """Returns the trial in the user's cache, or runs one and keeps it.

    A cache that cannot be written costs the next start another trial.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    path = default_folder() / f'{Path(model_path).stem}-{digest[:16]}.json'
    try:
        raw = json.loads(path.read_text())
        return Trial(found[int(raw['chosen'])], dict(raw['ms']), dict(raw['refused']))
    except (OSError, *MALFORMED):
        trial = run()
    if trial.left:
        return trial
    kept = {**asdict(trial), 'chosen': found.index(trial.chosen), 'key': key}
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_bytes(path, json.dumps(kept, indent=1).encode(), 0o600)
    return trial


def default_folder() -> Path:
    """$XDG_CACHE_HOME/mtscene_ros/trials."""
    home = os.environ.get('XDG_CACHE_HOME') or str(Path.home() / '.cache')
    return Path(home) / 'mtscene_ros' / 'trials'
