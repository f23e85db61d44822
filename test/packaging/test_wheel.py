"""What pip leaves behind, looked at where it has been put: a real wheel under a real prefix."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What a checkout of its own needs; a build in ROOT would find leftovers of earlier ones.
FOLDERS = ('mtscene_ros', 'launch', 'config', 'rviz', 'foxglove', 'resource', 'requirements')
FILES = ('package.xml', 'setup.py', 'setup.cfg', 'pyproject.toml', 'MANIFEST.in', 'README.md')


def run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        words, env=os.environ | environment, capture_output=True, text=True, cwd='/'
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package without interface packages, installed by pip."""
    folder = tmp_path_factory.mktemp('wheel')
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    pip = (sys.executable, '-m', 'pip', '--disable-pip-version-check')
    quiet = ('-q', '--no-deps', '--no-build-isolation')
    wheels = folder / 'wheels'
    run(*pip, 'wheel', *quiet, '-w', wheels, folder, MTSCENE_INTERFACES='skip')
    (wheel,) = wheels.iterdir()
    run(*pip, 'install', '-q', '-I', '--no-deps', '--prefix', folder / 'prefix', wheel)
    return folder / 'prefix'


def test_share_holds_every_file_that_the_checkout_has(prefix: Path) -> None:
    for folder in ('launch', 'config', 'rviz', 'foxglove'):
        names = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
        found = {p.name for p in (prefix / 'share/mtscene_ros' / folder).iterdir() if p.is_file()}
        assert found == names
        assert names


def test_markers_of_the_ament_index(prefix: Path) -> None:
    assert (prefix / 'share/ament_index/resource_index/packages/mtscene_ros').is_file()
    assert (prefix / 'share/mtscene_ros/package.xml').is_file()


def test_models_come_with_card_and_licence(prefix: Path) -> None:
    (folder,) = prefix.glob('lib*/python*/*-packages/mtscene_ros/models')
    names = {path.name for path in folder.iterdir()}
    for name in ('drive_lite', 'street_lite', 'room_lite'):
        assert names >= {f'{name}.onnx', f'{name}.md', f'{name}.about.json'}
    assert names >= {'street_lite.licence.md', 'room_lite.licence.md'}


@pytest.mark.parametrize('name', ['mtscene', 'perception_node'])
def test_programs_are_where_ros2_run_looks(prefix: Path, name: str) -> None:
    launcher = prefix / 'lib' / 'mtscene_ros' / name
    assert os.access(launcher, os.X_OK)
    assert (prefix / 'bin' / name).is_file()


def test_the_launcher_runs_the_installed_code(prefix: Path) -> None:
    (site,) = prefix.glob('lib*/python*/*-packages')
    words = (prefix / 'lib' / 'mtscene_ros' / 'mtscene', 'models', '--json')
    shown = run(*words, PYTHONPATH=str(site))
    assert str(site / 'mtscene_ros' / 'models' / 'drive_lite.onnx') in shown


def test_an_index_shows_the_readme_without_links_into_the_repository(prefix: Path) -> None:
    (metadata,) = prefix.glob('lib*/python*/*-packages/mtscene_ros-*.dist-info/METADATA')
    text = metadata.read_text()
    assert 'Description-Content-Type: text/markdown' in text
    assert '`mtscene predict`' in text
    assert not re.findall(r'\]\((?!https?:)', text)
