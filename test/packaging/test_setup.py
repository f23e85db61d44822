"""What setup.py installs, and which interface packages it builds where."""

import os
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MARKERS = 'share/ament_index/resource_index/packages'


@pytest.mark.parametrize('name', ['mtscene', 'perception_node'])
def test_console_script_can_be_loaded(name: str) -> None:
    (script,) = metadata.distribution('mtscene_ros').entry_points.select(name=name)
    assert callable(script.load())


@pytest.mark.parametrize(
    'file', [f'{MARKERS}/mtscene_ros', 'package.xml', 'launch/perception.launch.py']
)
def test_installed_files(file: str) -> None:
    share = '' if file.startswith('share') else 'share/mtscene_ros'
    assert (Path(sys.prefix) / share / file).is_file()


@pytest.fixture
def empty_python(tmp_path: Path) -> Path:
    """An interpreter whose prefix holds no ROS."""
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', tmp_path / 'v'], check=True)
    return tmp_path / 'v' / 'bin' / 'python'


def build_interfaces(python: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the build hook with this environment's setuptools and nothing else of it."""
    environment = os.environ | {'PYTHONPATH': sysconfig.get_path('purelib'), **variables}
    command = [python, '-W', 'ignore', ROOT / 'setup.py', '-q', 'build_interfaces']
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_refuses_without_ros(empty_python: Path) -> None:
    result = build_interfaces(empty_python, AMENT_PREFIX_PATH='')
    assert result.returncode == 1
    assert 'vision_msgs, mtscene_msgs needs ROS 2' in result.stderr
    assert 'pip install -r requirements/ros.txt' in result.stderr


def test_distribution_wins(empty_python: Path, tmp_path: Path) -> None:
    for name in ('vision_msgs', 'mtscene_msgs'):
        marker = tmp_path / 'distribution' / MARKERS / name
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    result = build_interfaces(empty_python, AMENT_PREFIX_PATH=str(tmp_path / 'distribution'))
    assert (result.returncode, result.stderr) == (0, '')


def test_interfaces_of_an_older_version_are_built_again(empty_python: Path) -> None:
    prefix = empty_python.parents[1]
    (prefix / MARKERS).mkdir(parents=True)
    (prefix / MARKERS / 'vision_msgs').touch()
    (site,) = prefix.glob('lib/python*/site-packages')
    info = site / 'mtscene_ros-0.0.1.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: mtscene_ros\nVersion: 0.0.1\n')
    (info / 'RECORD').write_text(f'../../../{MARKERS}/vision_msgs,,\n')
    result = build_interfaces(empty_python, AMENT_PREFIX_PATH='')
    assert 'vision_msgs, mtscene_msgs needs ROS 2' in result.stderr


def test_skipped_on_request(empty_python: Path) -> None:
    result = build_interfaces(empty_python, AMENT_PREFIX_PATH='', MTSCENE_INTERFACES='skip')
    assert result.returncode == 0


def test_setuptools_of_humble_will_do() -> None:
    """Ubuntu 22.04 has setuptools 59, without setuptools.command.build."""
    code = (
        'import runpy, sys; sys.modules["setuptools.command.build"] = None; '
        'sys.argv = ["setup.py", "--name"]; runpy.run_path("setup.py")'
    )
    command = [sys.executable, '-W', 'ignore', '-c', code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, 'mtscene_ros')
