"""What the launch files check before they start anything.

`ros2 launch` ignores arguments that no file declares, and a process that it has started outlives
an error that comes later. A file of ours therefore refuses first what cannot work; `ros2 launch`
prints the sentence and ends with 1.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from mtscene_ros.ros.parameter_table import PARAMETERS
from mtscene_ros.ros.params import complaint
from mtscene_ros.terminal import did_you_mean

PACKAGE = 'mtscene_ros'
CHECKED = 'mtscene_ros_arguments_are_checked'
NUMBERS = tuple(row.name for row in PARAMETERS if isinstance(row.default, float))
SWITCHES = ('use_sim_time', 'autostart', 'use_respawn', 'rviz')
# What launch takes for a condition; YAML's other words for it are refused by some distributions.
BOOLEANS = ('true', 'false', 'True', 'False', '1', '0')
OPTIONAL = ('autostart', 'model', 'backend', 'precision', 'image_transport')  # '': params_file's
# As rcl reads --log-level; NAME:= sets that of one logger.
LOG_LEVEL = re.compile(r'([\w./]+:=)?(unset|debug|info|warn|error|fatal)', re.IGNORECASE)
LAUNCH_FILE = re.compile(r'.*launch\.(py|xml|ya?ml)')
PACKAGES = {  # how to get what is not part of this package
    'rviz2': 'apt-get install ros-$ROS_DISTRO-rviz2 ros-$ROS_DISTRO-vision-msgs-rviz-plugins'
}


class LaunchError(ValueError):
    """A launch file cannot be started as asked; the message is one sentence with the fix."""


def check(
    context: Any,
    file: str,
    description: Any,
    useless: Mapping[str, str] | None = None,
    programs: Iterable[tuple[str, str]] = (),
) -> None:
    """Is the first action of a launch file: refuses what it cannot start. Raises LaunchError.

    context: the LaunchContext; file: path of the launch file; description: its LaunchDescription;
    useless: see `check_arguments`; programs: (package, executable) of its own.
    """
    declared = [argument.name for argument in description.get_launch_arguments()]
    if not context.get_locals_as_dict().get(CHECKED):  # by a file of ours that includes this one
        check_arguments(file, declared, useless or {}, context.argv)
        context.extend_globals({CHECKED: True})
    values = context.launch_configurations
    check_values(values)
    check_programs([*node_programs(values), *programs])


def check_arguments(
    file: str, declared: Collection[str], useless: Mapping[str, str], given: Sequence[str]
) -> None:
    """Refuses arguments of the command line that the file would ignore. Raises LaunchError.

    declared: the arguments of the file and of those that it includes; useless: those of them that
    have no effect in it → what to do instead; given: NAME:=VALUE of the command line. Where
    another launch file was started, which includes this one, they are that file's.
    """
    if not is_started(file, sys.argv):
        return
    allowed = [name for name in declared if name not in useless]
    for word in given:
        name, assigned, _ = word.partition(':=')
        if not assigned or name in allowed or name.startswith('launch-prefix'):
            continue
        fix = useless.get(name) or did_you_mean(name, allowed, 'see --show-args.')
        raise LaunchError(f'{Path(file).name} has no argument {name}; {fix}')


def is_started(file: str, words: Sequence[str]) -> bool:
    """Whether `ros2 launch` was given this file rather than one that includes it.

    words: the command line. The arguments of a program that launches files by itself count as
    this file's.
    """
    files = [i for i, word in enumerate(words) if i and LAUNCH_FILE.fullmatch(word)]
    if 'launch' not in words or not files:
        return True
    at, word = files[0], words[files[0]]
    return Path(word).resolve() == Path(file).resolve() or (
        words[at - 1] == PACKAGE and word == Path(file).name
    )


def check_values(values: Mapping[str, str]) -> None:
    """Refuses values that would stop launch or the node half-way. Raises LaunchError.

    values: argument → value, of those that were given.
    """
    for name in SWITCHES:
        value = values.get(name, 'false')
        if value not in BOOLEANS and not (name in OPTIONAL and not value):
            raise LaunchError(f'{name} is {value!r}; it must be true or false.')
    level = values.get('log_level', 'info')
    if not LOG_LEVEL.fullmatch(level):
        raise LaunchError(f'log_level is {level!r}; it must be debug, info, warn, error or fatal.')
    for name in ('backend', 'precision', 'image_transport'):
        check_parameter(values, name, name)
    if values.get('model') and not Path(values['model']).is_file():
        raise LaunchError(f'model is {values["model"]!r}, which is not a file.')
    if 'params_file' in values:
        check_parameter_file(Path(values['params_file']))


def check_parameter_file(path: Path) -> None:
    """Refuses a file that is missing or holds no parameters of the node. Raises LaunchError."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else 'it is no text'
        raise LaunchError(f'params_file {path} cannot be read: {why}.') from None
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        why = getattr(error, 'problem', None) or 'it cannot be parsed'
        why += f' in line {mark.line + 1}' if mark else ''
        raise LaunchError(f'params_file {path} is no YAML file: {why}.') from None
    names = list(sections(content))
    if not any(name.rsplit('/', 1)[-1] in ('**', '*', 'perception') for name in names):
        found = f'it is about {", ".join(names)}' if names else 'it names no node'
        raise LaunchError(
            f'params_file {path} has no parameters of the node perception ({found}); start it '
            'with /**: and ros__parameters: as config/perception.yaml does.'
        )


def sections(content: Any) -> Iterator[str]:
    """Yields the names of nodes in a parameter file, which namespaces may enclose."""
    for name, inner in content.items() if isinstance(content, dict) else ():
        if isinstance(inner, dict):
            yield from (str(name),) if 'ros__parameters' in inner else sections(inner)


def camera_names(text: str) -> list[str]:
    """'[front, left]' → the names of cameras. Raises LaunchError.

    A name may be a word that YAML takes for something else, such as on.
    """
    try:
        found = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, yaml.SequenceNode):
        raise LaunchError(
            f"cameras is {text!r}; it must be a YAML list such as cameras:='[front, left]'."
        )
    names = [str(node.value) for node in found.value]
    sentence = complaint('cameras', names) or (
        '' if all(names) else 'An empty name in cameras is a single camera: perception.launch.py.'
    )
    if sentence:
        raise LaunchError(sentence)
    return names


def check_parameter(values: Mapping[str, str], argument: str, parameter: str) -> None:
    """Refuses the value of an argument that the node would refuse. Raises LaunchError."""
    if not values.get(argument):
        return
    try:
        value = float(values[argument]) if parameter in NUMBERS else values[argument]
    except ValueError:
        raise LaunchError(f'{argument} is {values[argument]!r}; it must be a number.') from None
    sentence = complaint(parameter, value)
    if sentence:
        raise LaunchError(sentence)


def check_programs(programs: Iterable[tuple[str, str]]) -> None:
    """Refuses to start where a (package, executable) is missing. Raises LaunchError."""
    for package, executable in programs:
        fix = PACKAGES.get(package, f'install {package} and source its setup.bash')
        try:
            folder = Path(get_package_prefix(package)) / 'lib' / package
        except (PackageNotFoundError, ValueError, LookupError):
            raise LaunchError(
                f'The package {package} is not installed: {fix}; nothing was started.'
            ) from None
        if shutil.which(executable, path=str(folder)) is None:
            raise LaunchError(
                f'{folder} has no executable {executable}: {fix}; nothing was started.'
            )


def node_programs(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns the (package, executable) that perception.launch.py starts."""
    wants_rviz = values.get('rviz', 'false') in ('true', 'True', '1')
    rviz = [('rviz2', 'rviz2')] if wants_rviz else []
    return [(PACKAGE, 'perception_node'), *rviz]
