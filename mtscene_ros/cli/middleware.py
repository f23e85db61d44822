"""The Fast DDS profile of this package: where it is, and whether a process is under one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')  # new name first
NAMESPACE = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'


@dataclass(frozen=True, slots=True)
class Transport:
    """What a profile says of shared memory. Sizes in bytes, 0 where it says nothing."""

    segment_bytes: int
    message_bytes: int


def shared_file(name: str) -> Path | None:
    """A file of the package's share/: of the checkout, of `pip install`, or of `colcon build`."""
    package = Path(__file__).resolve().parents[1]
    prefixes = [sys.prefix, *os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)]
    # lib/pythonX.Y/site-packages lies three folders below the prefix.
    folders = [package, *(p / 'share' / 'mtscene_ros' for p in package.parents[2:3])]
    folders += [Path(prefix) / 'share' / 'mtscene_ros' for prefix in prefixes if prefix]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def fastdds_profile() -> Path | None:
    """The profile that loses no large image."""
    return shared_file('config/fastdds.xml')


def with_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with our profile, unless one is chosen already."""
    profile = fastdds_profile()
    if profile is None or any(environment.get(name) for name in VARIABLES):
        return dict(environment)
    return {**environment, VARIABLES[1]: str(profile)}


def transport_of(profile: Path) -> Transport:
    """Raises OSError, and ValueError where the file is no XML or a size in it is no number."""
    try:
        root = ElementTree.parse(profile).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f'{profile} is no XML file ({error}).') from error
    sizes = [
        max((int(e.text or 0) for e in root.iter(f'{NAMESPACE}{name}')), default=0)
        for name in ('segment_size', 'maxMessageSize')
    ]
    return Transport(*sizes)
