"""Never a wrong engine: whatever is not exactly what was asked for is built again."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from patience import PATIENCE_S

from mtscene_ros.backends.engine_build import BuildSettings, EngineCancelledError, EngineError
from mtscene_ros.backends.engine_cache import (
    Device,
    Engine,
    EngineKey,
    default_folder,
    engine_for,
    onnx_sha256_of,
    sidecar_of,
)
from mtscene_ros.backends.engine_process import build_in_subprocess

KEY = EngineKey('ab', 'tensorrt', '10.3', Device('Orin', '8.7', '540'), BuildSettings())
PLAN = b'plan' * 1000
ADA = BuildSettings(target='8.9')


def found(folder: Path, key: EngineKey = KEY, plan: bytes = PLAN) -> Engine:
    return engine_for(Path('model.onnx'), key, folder, lambda: plan)


def test_built_once_then_found(tmp_path: Path) -> None:
    assert found(tmp_path).reason == 'There is no engine of this model yet.'
    again = found(tmp_path, plan=b'other')
    assert (again.plan, again.reason, again.warning) == (PLAN, '', '')


@pytest.mark.parametrize(
    ('key', 'reason'),
    [
        (replace(KEY, onnx_sha256='cd'), 'onnx_sha256 ab instead of cd'),
        (replace(KEY, version='10.4'), 'version 10.3 instead of 10.4'),
        (replace(KEY, module='tensorrt_rtx'), 'module tensorrt instead of tensorrt_rtx'),
        (replace(KEY, device=Device('Orin', '8.7', '550')), 'device.driver 540 instead of 550'),
        (replace(KEY, device=Device('RTX', '8.9', '540')), 'device.name Orin instead of RTX'),
        (replace(KEY, settings=BuildSettings(4)), 'settings.max_batch 1 instead of 4'),
    ],
)
def test_another_engine_is_not_taken(tmp_path: Path, key: EngineKey, reason: str) -> None:
    found(tmp_path)
    other = found(tmp_path, key, b'new')
    assert other.plan == b'new'
    assert reason in other.reason
    assert found(tmp_path).plan == PLAN  # both are kept


def test_a_file_moved_to_another_name_is_not_taken(tmp_path: Path) -> None:
    first, other = found(tmp_path), replace(KEY, version='10.4')
    second = found(tmp_path, other, b'new')
    for suffix in ('.engine', '.json'):
        os.replace(first.path.with_suffix(suffix), second.path.with_suffix(suffix))
    again = found(tmp_path, other, b'newer')
    assert again.plan == b'newer'
    assert 'belongs to something else: version 10.3 instead of 10.4' in again.reason


def test_damage_is_seen(tmp_path: Path) -> None:
    path = found(tmp_path).path
    path.write_bytes(PLAN[:-1])
    assert 'damaged or truncated' in found(tmp_path).reason
    path.write_bytes(PLAN[:100] + b'X' + PLAN[101:])
    assert 'damaged or truncated' in found(tmp_path).reason
    path.with_suffix('.json').write_text('{"key": ')
    assert 'is damaged' in found(tmp_path).reason
    path.with_suffix('.json').unlink()
    assert found(tmp_path).reason
    assert found(tmp_path).reason == ''


def test_what_the_runtime_does_not_accept_is_rebuilt(tmp_path: Path) -> None:
    found(tmp_path)
    engine = engine_for(Path('model.onnx'), KEY, tmp_path, lambda: b'new', lambda _: False)
    assert (engine.plan, engine.reason[:28]) == (b'new', 'tensorrt 10.3 does not accep')


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> bytes:
        raise EngineError('refused')

    with pytest.raises(EngineError, match='refused'):
        engine_for(Path('model.onnx'), KEY, tmp_path, fails)
    assert [p.suffix for p in tmp_path.iterdir()] == ['.lock']
    assert found(tmp_path).plan == PLAN


USER = """
import resource, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from backends.test_engine_cache import KEY, PLAN
from mtscene_ros.backends.engine_cache import engine_for
folder, seconds, limit = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
def build():
    print('building', flush=True)
    time.sleep(seconds)
    return PLAN
engine = engine_for(Path('model.onnx'), KEY, folder, build)
print(engine.reason or 'found', '|', engine.warning, '|', len(engine.plan), flush=True)
"""


def user(folder: Path, seconds: float, limit: int = 0) -> 'subprocess.Popen[str]':
    here = str(Path(__file__).parents[1])
    command = [sys.executable, '-c', USER, str(folder), str(seconds), str(limit), here]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_one_builds_and_the_others_wait(tmp_path: Path) -> None:
    printed = [
        p.communicate(timeout=PATIENCE_S)[0] for p in [user(tmp_path, 0.5) for _ in range(4)]
    ]
    assert sum('building' in text for text in printed) == 1
    assert sum('found' in text for text in printed) == 3


def test_waiting_can_be_cancelled(tmp_path: Path) -> None:
    builder = user(tmp_path, 60)
    assert builder.stdout is not None
    assert builder.stdout.readline() == 'building\n'
    requested: list[str] = []

    def twice(phase: str, share: float) -> bool:
        requested.append(phase)
        return len(requested) < 2

    with pytest.raises(EngineCancelledError, match='cancelled'):
        engine_for(Path('model.onnx'), KEY, tmp_path, lambda: PLAN, progress=twice)
    assert requested == ['waiting for the process that builds this engine'] * 2
    builder.kill()
    builder.communicate()


def test_no_room_to_build_in_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, 'tempdir', '/proc/nowhere')
    with pytest.raises(
        EngineError, match=r'No engine could be built .*/proc/nowhere.* set TMPDIR'
    ):
        engine_for(
            Path('m.onnx'),
            KEY,
            tmp_path,
            lambda: build_in_subprocess(Path('m.onnx'), 'tensorrt', ADA),
        )


def test_killed_while_building(tmp_path: Path) -> None:
    builder = user(tmp_path, 60)
    assert builder.stdout is not None
    assert builder.stdout.readline() == 'building\n'
    time.sleep(0.1)
    builder.send_signal(signal.SIGKILL)
    builder.communicate()
    assert 'no engine of this model' in found(tmp_path).reason  # the lock was let go
    assert found(tmp_path).reason == ''


def test_a_full_disk_costs_the_cache_alone(tmp_path: Path) -> None:
    printed = user(tmp_path, 0, limit=1000).communicate(timeout=PATIENCE_S)[0]
    assert 'cannot be kept' in printed
    assert printed.rstrip().endswith(f'| {len(PLAN)}')
    assert not list(tmp_path.glob('*.engine')) + list(tmp_path.glob('*.partial'))


def test_no_folder_no_cache() -> None:
    engine = found(Path('/proc/nowhere'))
    assert engine.plan == PLAN
    assert 'set XDG_CACHE_HOME' in engine.warning


def test_external_weights_count(tmp_path: Path) -> None:
    model, weights = tmp_path / 'm.onnx', tmp_path / 'weights.bin'
    tensor = numpy_helper.from_array(np.ones(3, np.float32), 'weight')
    whole = helper.make_model(helper.make_graph([], 'g', [], [], [tensor]))
    onnx.save(whole, model, save_as_external_data=True, location=weights.name, size_threshold=0)
    first = onnx_sha256_of(model)
    weights.write_bytes(bytes(12))
    assert onnx_sha256_of(model) != first
    weights.unlink()
    for missing in (model, tmp_path / 'n.onnx'):
        with pytest.raises(EngineError, match=r'(weights\.bin|n\.onnx) does not exist'):
            onnx_sha256_of(missing)


@pytest.mark.parametrize('mode', [0o770, 0o707])
def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    engine = found(tmp_path)
    assert engine.plan == PLAN
    assert 'others may write there' in engine.warning
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    cache, elsewhere = tmp_path / 'cache', tmp_path / 'elsewhere'
    lock = found(cache).path.with_suffix('.lock')
    lock.unlink()
    lock.symlink_to(elsewhere)
    assert 'cannot be used' in found(cache).warning
    assert not elsewhere.exists()


def test_an_engine_that_is_a_link_is_built_again(tmp_path: Path) -> None:
    path = found(tmp_path / 'cache').path
    os.replace(path, tmp_path / 'elsewhere')
    path.symlink_to(tmp_path / 'elsewhere')
    assert found(tmp_path / 'cache').reason
    assert not path.is_symlink()


def test_what_a_killed_process_left_is_taken_away(tmp_path: Path) -> None:
    path = found(tmp_path).path
    left = path.with_suffix('.engine.1.partial')
    left.write_bytes(b'half')
    assert found(tmp_path).reason == ''
    assert not left.exists()


def test_only_this_user_may_look_into_the_cache(tmp_path: Path) -> None:
    path = found(tmp_path / 'a' / 'cache').path
    modes = [p.stat().st_mode & 0o777 for p in (path.parent, path, path.with_suffix('.lock'))]
    assert modes == [0o700, 0o600, 0o600]


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', '/somewhere')
    assert default_folder() == Path('/somewhere/mtscene_ros/engines')
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert default_folder() == Path.home() / '.cache/mtscene_ros/engines'


def test_the_sidecar_says_what_the_engine_belongs_to(tmp_path: Path) -> None:
    path = found(tmp_path).path
    assert sidecar_of(path)['key']['device']['driver'] == '540'
    path.with_suffix('.json').write_text('{')
    with pytest.raises(EngineError, match='no readable sidecar'):
        sidecar_of(path)
    path.with_suffix('.json').unlink()
    with pytest.raises(EngineError, match='no readable sidecar'):
        sidecar_of(path)


def test_engines_of_other_models_give_no_reason(tmp_path: Path) -> None:
    for name in ('other', 'big-other'):
        engine_for(Path(f'{name}.onnx'), replace(KEY, version='1'), tmp_path, lambda: PLAN)
    big = engine_for(Path('big-model.onnx'), KEY, tmp_path, lambda: PLAN)
    assert big.reason == 'There is no engine of this model yet.'
    assert found(tmp_path).reason == 'There is no engine of this model yet.'
    (tmp_path / 'model-0.json').write_text('{')
    again = found(tmp_path, replace(KEY, version='10.4'))
    assert again.reason == 'The engine in the cache has version 10.3 instead of 10.4.'
