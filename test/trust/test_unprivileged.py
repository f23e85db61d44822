"""The real node as a user without rights: it works, and what it writes is its own."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

ROOT = Path(__file__).parents[2]
USER = 54321  # nobody else's, so that every file that it makes is known by its owner
# The interpreter of this test may lie in a folder that only root can enter: the user may read
# everything, which gives no way to write anything.
READ = '-all,+dac_read_search'
# Logs, shared memory of the middleware and of ROS's tracing; without a GPU there is no engine.
MAY_WRITE = (
    r'{home}|{home}/(\.ros|\.ros/log(/.*)?|tiny\.onnx|listing)|/dev/shm/(sem\.)?(fastrtps|fastdds|fast_datasharing)_\S*'
    r'|/dev/shm/lttng-ust-wait-\d+-\d+'
)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of this user that others can enter."""
    path = Path(tempfile.mkdtemp(prefix='unprivileged-'))
    path.chmod(0o755)
    os.chown(path, USER, USER)
    yield path
    shutil.rmtree(path)


def as_user(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    keep = {k: v for k, v in os.environ.items() if not k.startswith(('ROS_LOG', 'XDG_', 'PYTEST'))}
    paths = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    extra = {'HOME': str(home), 'PYTHONPATH': paths, 'PYTHONDONTWRITEBYTECODE': '1'}
    user = [f'--reuid={USER}', f'--regid={USER}', '--clear-groups', '--no-new-privs']
    rights = [f'--{kind}={READ}' for kind in ('bounding-set', 'inh-caps', 'ambient-caps')]
    return subprocess.run(
        ['setpriv', *user, *rights, *command],
        env=keep | extra,
        cwd='/',
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can become another user')
@pytest.mark.skipif(shutil.which('setpriv') is None, reason='no setpriv')
def test_the_node_needs_no_rights_and_writes_only_its_own(tiny_path: str, home: Path) -> None:
    if as_user(home, sys.executable, '-c', 'import mtscene_ros.ros.node').returncode:
        pytest.skip(f'another user cannot read {ROOT} or {sys.prefix}')
    model = home / 'tiny.onnx'
    shutil.copy(tiny_path, model)
    model.chmod(0o444)
    script = str(ROOT / 'test' / 'trust' / 'unprivileged.py')
    ended = as_user(home, sys.executable, script, str(model), str(home / 'listing'))
    assert ended.returncode == 0, ended.stderr
    written = (home / 'listing').read_text().splitlines()
    assert any(path.startswith(f'{home}/.ros/log') for path in written)
    allowed = re.compile(MAY_WRITE.format(home=re.escape(str(home))))
    assert [path for path in written if not allowed.fullmatch(path)] == []
