"""Camera and node as two users of one computer (docs/security.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_S

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from mtscene_ros.models.child_process import module_command

ROOT = Path(__file__).parents[2]
CAMERA = Path(__file__).with_name('two_users_camera.py')
READ = '-all,+dac_read_search'  # see test_unprivileged.py
NODE_USER, CAMERA_USER = 54322, 54323

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='only root can start processes of other users'),
    pytest.mark.skipif(not shutil.which('setpriv'), reason='setpriv (util-linux) is missing'),
]


@pytest.fixture
def folder(tiny_path: str) -> Iterator[Path]:
    """Homes for both, and the model."""
    path = Path(tempfile.mkdtemp(prefix='two-users-'))
    path.chmod(0o755)
    shutil.copy(tiny_path, path / 'tiny.onnx')
    for user in (NODE_USER, CAMERA_USER):
        (path / str(user)).mkdir()
        os.chown(path / str(user), user, user)
    yield path
    shutil.rmtree(path)


def started(
    folder: Path, user: int, command: list[str], profile: str, **how: int
) -> subprocess.Popen[str]:
    keep = {k: v for k, v in os.environ.items() if not k.startswith(('ROS_LOG', 'XDG_', 'PYTEST'))}
    paths = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    keep |= {'HOME': str(folder / str(user)), 'PYTHONPATH': paths, 'PYTHONDONTWRITEBYTECODE': '1'}
    keep.pop('ROS_AUTOMATIC_DISCOVERY_RANGE', None)  # LOCALHOST would add shared memory again
    keep['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(ROOT / 'config' / profile)
    as_user = [f'--reuid={user}', f'--regid={user}', '--clear-groups', '--no-new-privs']
    as_user += [f'--{kind}={READ}' for kind in ('bounding-set', 'inh-caps', 'ambient-caps')]
    return subprocess.Popen(['setpriv', *as_user, *command], env=keep, cwd='/', text=True, **how)


def answers(folder: Path, profile: str, seconds: float, size: tuple[int, int]) -> int:
    """How many results the camera hears; profile: the node's."""
    given = ['-p', f'model:={folder / "tiny.onnx"}', '-p', 'backend:=onnxruntime']
    given += ['-r', 'image:=/camera/image_raw']
    command = module_command('mtscene_ros.ros.node', '--ros-args', *given)
    node = started(folder, NODE_USER, command, profile, stderr=subprocess.DEVNULL)
    words = [sys.executable, str(CAMERA), str(seconds), *map(str, size)]
    camera = started(folder, CAMERA_USER, words, 'fastdds.xml', stdout=subprocess.PIPE)
    heard = int(camera.communicate(timeout=PATIENCE_S)[0])
    node.terminate()
    node.wait(PATIENCE_S)
    return heard


def test_without_shared_memory_they_hear_each_other(folder: Path) -> None:
    """The node with fastdds_udp.xml, the camera as it was; an image of 0.9 MB, in fragments."""
    assert answers(folder, 'fastdds_udp.xml', 0.8 * PATIENCE_S, (640, 480)) == 10


def test_shared_memory_reaches_no_other_user(folder: Path) -> None:
    """If this fails one day, the page may say so: Fast DDS falls back by itself."""
    assert answers(folder, 'fastdds.xml', 5.0, (64, 32)) == 0
