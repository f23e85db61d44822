"""Keeps engines on disk: reused where everything they depend on is the same, else built again.

An engine belongs to one ONNX file, one TensorRT, one GPU with its driver, and the settings of its
build. A sidecar beside it records these and the engine's checksum; an engine that does not match
is rebuilt, with the reason in one sentence. Files are complete or absent; a lock lets one process
build while others wait for its engine.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from mtscene_ros.backends.engine_build import (
    BuildSettings,
    EngineCancelledError,
    EngineError,
    Progress,
)
from mtscene_ros.models import atomic_file
from mtscene_ros.models.checksum import sha256_of
from mtscene_ros.models.external_data import external_files
from mtscene_ros.models.nested import leaves
from mtscene_ros.models.spec import MALFORMED

POLL_S = 0.1
PRIVATE = 0o600  # permissions of what this user's GPU will run


@dataclass(frozen=True, slots=True)
class Device:
    """The GPU that an engine is bound to; '' where it is built for other machines.

    compute_capability: such as '8.9'.
    """

    name: str = ''
    compute_capability: str = ''
    driver: str = ''


@dataclass(frozen=True, slots=True)
class EngineKey:
    """Everything that decides whether an engine may be reused."""

    onnx_sha256: str
    module: str
    version: str
    device: Device
    settings: BuildSettings

    @property
    def digest(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """An engine; plan: serialized; reason: why it was built, '' where it was in the cache;
    warning: why it could not be kept, or ''."""

    plan: bytes
    path: Path
    reason: str
    warning: str = ''


def default_folder() -> Path:
    """$XDG_CACHE_HOME/mtscene_ros/engines."""
    home = os.environ.get('XDG_CACHE_HOME') or str(Path.home() / '.cache')
    return Path(home) / 'mtscene_ros' / 'engines'


def onnx_sha256_of(path: Path) -> str:
    """Returns the checksum of a model file and its weight files. Raises EngineError."""
    try:
        return sha256_of(path, *weight_files(path))
    except FileNotFoundError as error:
        raise EngineError(
            f'{error.filename} does not exist; give the path of a complete model file.'
        ) from None


def weight_files(path: Path) -> list[Path]:
    """Returns the files beside a model that its tensors name.

    None for a file that is not ONNX or that names other files, which loading refuses.
    """
    try:
        return external_files(path)
    except ValueError:
        return []


def engine_for(
    onnx_path: Path,
    key: EngineKey,
    folder: Path,
    build: Callable[[], bytes],
    is_valid: Callable[[bytes], bool] = lambda plan: True,
    progress: Progress | None = None,
) -> Engine:
    """Returns the cached engine, or builds and caches a new one.

    is_valid: whether TensorRT accepts an engine; progress: called while another process builds.
    Raises EngineError where the build fails or `progress` cancels the wait. A full disk costs the
    cache, not the engine.
    """
    path = folder / f'{onnx_path.stem}-{key.digest[:16]}.engine'
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(folder)
        with locked(path.with_suffix('.lock'), progress):
            for file in (path, path.with_suffix('.json')):
                atomic_file.remove_leftovers(file)
            plan, reason = stored(path, key, is_valid)
            if plan is not None:
                return Engine(plan, path, '')
            plan = build()
            return Engine(plan, path, reason, keep(path, key, plan))
    except OSError as error:  # without a folder or a lock there is no cache
        warning = f'The engine cache {folder} cannot be used ({error}); set XDG_CACHE_HOME.'
        return Engine(build(), path, 'There is no cache.', warning)


def check_private(folder: Path) -> None:
    """Raises PermissionError where others than this user and root may write.

    An engine is code for the GPU, which runs it as it is.
    """
    about = folder.stat()
    if about.st_uid not in (0, os.geteuid()) or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            f'others may write there; run `chmod go-w {folder}`, or choose a folder of your own'
        )


@contextmanager
def locked(path: Path, progress: Progress | None) -> Iterator[None]:
    """Holds the lock of an engine; the kernel releases it however the process ends."""
    # A link at this place is not followed.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, PRIVATE)
    with os.fdopen(handle, 'w') as file:
        while not taken(file):
            if progress and not progress('waiting for the process that builds this engine', 0.0):
                raise EngineCancelledError('Waiting for an engine was cancelled.')
            time.sleep(POLL_S)
        yield


def taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stored(
    path: Path, key: EngineKey, is_valid: Callable[[bytes], bool]
) -> tuple[bytes | None, str]:
    """Returns the cached engine, or why there is none that may be used."""
    sidecar = path.with_suffix('.json')
    if path.is_symlink() or not path.is_file() or not sidecar.is_file():
        return None, other_engine(path, key)
    try:
        recorded: dict[str, Any] = json.loads(sidecar.read_text())
        wanted, checksum = recorded['key'], recorded['engine_sha256']
    except MALFORMED:
        return None, f'{sidecar} is damaged.'
    if wanted != json.loads(json.dumps(asdict(key))):
        return None, f'{path} belongs to something else: {difference(wanted, asdict(key))}.'
    plan = path.read_bytes()
    if hashlib.sha256(plan).hexdigest() != checksum:
        return None, f'{path} is damaged or truncated.'
    if not is_valid(plan):
        return None, f'{key.module} {key.version} does not accept {path}.'
    return plan, ''


def sidecar_of(path: Path) -> dict[str, Any]:
    """Returns the sidecar of an engine. Raises EngineError."""
    try:
        recorded: dict[str, Any] = json.loads(path.with_suffix('.json').read_text())
    except (OSError, *MALFORMED) as error:
        raise EngineError(f'{path} has no readable sidecar ({error}); build it again.') from error
    return recorded


def other_engine(path: Path, key: EngineKey) -> str:
    """Returns how a cached engine of the same model differs, if there is one."""
    stem = path.stem.rsplit('-', 1)[0]
    for sidecar in sorted(path.parent.glob(f'{stem}-*.json')):
        try:
            recorded = json.loads(sidecar.read_text())['key']
        except (OSError, *MALFORMED):
            continue
        if recorded != json.loads(json.dumps(asdict(key))):
            return f'The engine in the cache has {difference(recorded, asdict(key))}.'
    return 'There is no engine of this model yet.'


def difference(old: Any, new: Any) -> str:
    """Returns 'version 10.3 instead of 10.4, ...'."""
    flat_old, flat_new = dict(leaves(old if isinstance(old, dict) else {})), dict(leaves(new))
    changed = [k for k in flat_new if str(flat_old.get(k)) != str(flat_new[k])]
    return ', '.join(f'{k} {flat_old.get(k)} instead of {flat_new[k]}' for k in changed)


def keep(path: Path, key: EngineKey, plan: bytes) -> str:
    """Writes the engine, then the sidecar that vouches for it; returns '' or what went wrong."""
    about = {'key': asdict(key), 'engine_sha256': hashlib.sha256(plan).hexdigest()}
    try:
        atomic_file.write_bytes(path, plan, PRIVATE)
        sidecar = json.dumps(about, indent=1).encode()
        atomic_file.write_bytes(path.with_suffix('.json'), sidecar, PRIVATE)
    except OSError as error:
        return f'{path} cannot be kept ({error}); the next start builds it again.'
    return ''
