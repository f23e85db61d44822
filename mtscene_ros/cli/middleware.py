"""The Fast DDS profile of this package: where it is, and whether a process uses one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')  # new name first
NAMESPACE = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'


@dataclass(frozen=True, slots=True)
class Transport:
    """What a profile sets for shared memory; sizes in bytes, 0 where it sets none."""

    segment_bytes: int
    message_bytes: int


def shared_file(name: str) -> Path | None:
    """Returns a file of the package's share folder: from the checkout, pip or colcon."""
    package = Path(__file__).resolve().parents[2]
    prefixes = [sys.prefix, *os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)]
    # lib/pythonX.Y/site-packages lies three folders below the prefix.
    folders = [package, *(p / 'share' / 'mtscene_ros' for p in package.parents[2:3])]
    folders += [Path(prefix) / 'share' / 'mtscene_ros' for prefix in prefixes if prefix]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def fastdds_profile() -> Path | None:
    """Returns the profile under which large images are not lost."""
    return shared_file('config/fastdds.xml')


def profile_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that select our profile, none where one is selected already.

    Both names: Fast DDS 2 (up to Jazzy) reads the old one only, Fast DDS 3 (Kilted and later) the
    new one, and the old one as long as it is not removed.
    """
    profile = fastdds_profile()
    if profile is None or any(environment.get(name) for name in VARIABLES):
        return {}
    return dict.fromkeys(VARIABLES, str(profile))


def with_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment with our profile, unless one is set already."""
    return {**environment, **profile_variables(environment)}


def choose_profile(context: Any) -> None:
    """Is an action of launch files: our profile for what is started later in the same group.

    context: the LaunchContext.
    """
    context.environment.update(profile_variables(context.environment))


def transport_of(profile: Path) -> Transport:
    """Reads the sizes from a profile.

    Raises OSError, and ValueError where the file is not XML or a size is not a number.
    """
    try:
        root = ElementTree.parse(profile).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f'{profile} is not an XML file ({error}).') from error
    sizes = [
        max((int(e.text or 0) for e in root.iter(f'{NAMESPACE}{name}')), default=0)
        for name in ('segment_size', 'maxMessageSize')
    ]
    return Transport(*sizes)
