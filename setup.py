"""Installs mtscene_ros and builds the interface packages that the environment lacks.

One source serves pip, `colcon build` and `colcon build --base-paths . msg`: an interface package
under msg/ is built here only where neither AMENT_PREFIX_PATH nor sys.prefix holds it already, so
a distribution's own vision_msgs wins. Where no ROS is wanted (offline evaluation of bags only),
MTSCENE_INTERFACES=skip leaves the interface packages out.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from setuptools import Command, Distribution, find_packages, setup

from distutils.command.install_data import install_data  # isort: skip  # setuptools brings it

try:
    from setuptools.command.build import build
except ImportError:  # setuptools 59 of Ubuntu 22.04 (Humble)
    from distutils.command.build import build  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parent
INTERFACES = ('vision_msgs', 'mtscene_msgs')  # in the order in which they are built
MARKERS = 'share/ament_index/resource_index/packages'
PROGRAMS = {
    'mtscene': 'mtscene_ros.cli.main:main',
    'perception_node': 'mtscene_ros.ros.node:main',
}
PROGRAM_FOLDER = 'lib/mtscene_ros'  # where `ros2 run` and `ros2 launch` look
LAUNCHER = """#!/bin/sh
# pip puts programs into bin/; `ros2 run` and `ros2 launch` look here.
exec "$(dirname "$(realpath "$0")")/../../bin/{name}" "$@"
"""
SHARED = ('launch/*.py', 'config/*', 'rviz/*', 'foxglove/*')


def prefixes() -> list[Path]:
    """Installation prefixes of ROS packages, the environment's own first."""
    found = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    return [Path(sys.prefix), *(Path(prefix) for prefix in found if prefix)]


def missing_interfaces() -> list[str]:
    """Interface packages to build: absent, or there only because an earlier version of this
    package brought them, which pip removes together with that version.
    """
    if os.environ.get('MTSCENE_INTERFACES') == 'skip':
        return []
    site = [sysconfig.get_path('purelib'), sysconfig.get_path('platlib')]
    own = {
        file.name
        for distribution in metadata.distributions(name='mtscene_ros', path=site)
        for file in distribution.files or ()
        if file.parent.as_posix().endswith(MARKERS)
    }
    present = {name for name in INTERFACES for p in prefixes() if (p / MARKERS / name).exists()}
    return [name for name in INTERFACES if name not in present - own]


def check_build_chain() -> None:
    """Raises SystemExit with one sentence where the interface packages cannot be built."""
    if not any((p / MARKERS / 'rosidl_default_generators').exists() for p in prefixes()):
        raise SystemExit(
            f'Building {", ".join(missing_interfaces())} needs ROS 2, and neither {sys.prefix} '
            'nor AMENT_PREFIX_PATH holds it: run `pip install -r requirements/ros.txt` or source '
            'a ROS installation first, or set MTSCENE_INTERFACES=skip to install without the node.'
        )
    tools = [tool for tool in ('cmake', 'make', 'gcc', 'g++') if shutil.which(tool) is None]
    if tools:
        raise SystemExit(f'{", ".join(tools)} not found: run `apt-get install cmake make g++`.')


def build_environment(staged: Path) -> dict[str, str]:
    """Environment in which CMake finds ROS and the packages staged before.

    pip's isolated build environment is dropped from PYTHONPATH because it hides the generators.
    """
    ament = [str(staged), *map(str, prefixes())]
    python = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    return os.environ | {
        'AMENT_PREFIX_PATH': os.pathsep.join(ament),
        'CMAKE_PREFIX_PATH': os.pathsep.join([*ament, os.environ.get('CMAKE_PREFIX_PATH', '')]),
        'PYTHONPATH': os.pathsep.join(p for p in python if 'pip-build-env-' not in p),
        'DESTDIR': '',
    }


def build_interface(name: str, build_dir: Path, destdir: Path) -> None:
    """Configures, builds and installs msg/`name` for sys.prefix, under `destdir`."""
    environment = build_environment(destdir / Path(sys.prefix).relative_to('/'))
    configure = [
        'cmake',
        *('-S', str(ROOT / 'msg' / name), '-B', str(build_dir)),
        *('-DCMAKE_BUILD_TYPE=Release', '-DBUILD_TESTING=OFF'),
        f'-DCMAKE_INSTALL_PREFIX={sys.prefix}',
        f'-DPython3_EXECUTABLE={sys.executable}',
        f'-DCMAKE_PROJECT_INCLUDE={ROOT / "msg" / "relocated_wheels.cmake"}',
    ]
    jobs = os.environ.get('CMAKE_BUILD_PARALLEL_LEVEL') or str(os.cpu_count() or 1)
    subprocess.run(configure, check=True, env=environment)
    subprocess.run(
        ['cmake', '--build', str(build_dir), '--parallel', jobs], check=True, env=environment
    )
    environment['DESTDIR'] = str(destdir)
    subprocess.run(['cmake', '--install', str(build_dir)], check=True, env=environment)


def files_under(directory: Path, pattern: str = '**/*') -> list[tuple[str, list[str]]]:
    """`data_files` that copy the files matching `pattern` below `directory` into the prefix."""
    files = sorted(path for path in directory.glob(pattern) if path.is_file())
    return [
        (str(path.parent.relative_to(directory)), [os.path.relpath(path, ROOT)]) for path in files
    ]


class BuildInterfaces(Command):
    """Builds the missing interface packages and has them installed with the package."""

    description = 'build the ROS interface packages that the environment lacks'
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        pass

    def finalize_options(self) -> None:
        pass

    def run(self) -> None:
        missing = missing_interfaces()
        if not missing:
            return
        check_build_chain()
        # CMake caches absolute paths, so every environment has its own build tree.
        key = hashlib.sha256(f'{sys.prefix} {sys.version}'.encode()).hexdigest()[:12]
        tree = Path(self.get_finalized_command('build').build_base).resolve() / 'interfaces' / key
        shutil.rmtree(tree / 'staged', ignore_errors=True)
        for name in missing:
            build_interface(name, tree / name, tree / 'staged')
        staged = tree / 'staged' / Path(sys.prefix).relative_to('/')
        self.distribution.data_files = [
            *(self.distribution.data_files or []),
            *files_under(staged),
        ]


class InstallData(install_data):
    """Also brings launchers to where ROS looks for programs, unless those go there themselves."""

    def run(self) -> None:
        super().run()
        scripts = vars(self.get_finalized_command('install'))['install_scripts']
        if str(scripts).endswith(PROGRAM_FOLDER):
            return  # colcon, by setup.cfg
        folder = Path(self.install_dir) / PROGRAM_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS:
            launcher = folder / name
            launcher.write_text(LAUNCHER.format(name=name))
            launcher.chmod(0o755)
            self.outfiles.append(str(launcher))


class WithInterfaces(Distribution):
    """A distribution that is bound to the platform where it carries interface packages."""

    def has_ext_modules(self) -> bool:
        return bool(missing_interfaces())

    def has_data(self) -> bool:
        """Under this name setuptools' editable installs ask whether there are `data_files`."""
        return self.has_data_files()


build.sub_commands = [*build.sub_commands, ('build_interfaces', None)]
os.chdir(ROOT)
PACKAGE = {
    element.tag: element.text or '' for element in ElementTree.parse('package.xml').getroot()
}
LINK = re.compile(r'!?\[((?:[^][]|\[[^]]*\])*)\]\((?!https?:)[^)]*\)')


def shown_on_an_index() -> str:
    """README without pictures and links that lead into the repository; '' in a part of it."""
    readme = ROOT / 'README.md'
    text = readme.read_text() if readme.exists() else ''
    return LINK.sub(lambda link: '' if link[0].startswith('!') else link[1], text)


REQUIREMENTS = (ROOT / 'requirements' / 'runtime.txt').read_text().splitlines()

setup(
    name=PACKAGE['name'],
    version=PACKAGE['version'],
    description=PACKAGE['description'],
    long_description=shown_on_an_index(),
    long_description_content_type='text/markdown',
    maintainer=PACKAGE['maintainer'],
    license=PACKAGE['license'],
    python_requires='>=3.10',
    classifiers=[
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    packages=find_packages(include=['mtscene_ros', 'mtscene_ros.*']),
    package_data={'mtscene_ros': ['models/*.onnx', 'models/*.json', 'models/*.md']},
    data_files=[
        (MARKERS, ['resource/mtscene_ros']),
        ('share/mtscene_ros', ['package.xml']),
        *(
            (f'share/mtscene_ros/{directory}', files)
            for pattern in SHARED
            for directory, files in files_under(ROOT, pattern)
        ),
    ],
    install_requires=[line for line in REQUIREMENTS if line and not line.startswith('#')],
    extras_require={
        'openvino': ['openvino>=2025.0,<2027'],
        'edge': ['pyEdgeEval==0.2.8'],
        'fleet': ['ray>=2.30,<3'],
        'evaluate': ['pyarrow>=16,<27', 'PyYAML>=6,<7'],
        'completion': ['shtab>=1.7,<2'],
        'view': ["rerun-sdk>=0.41,<0.42; python_version >= '3.11'"],
    },
    zip_safe=False,
    distclass=WithInterfaces,
    cmdclass={'build_interfaces': BuildInterfaces, 'install_data': InstallData},
    entry_points={'console_scripts': [f'{name} = {at}' for name, at in PROGRAMS.items()]},
)
