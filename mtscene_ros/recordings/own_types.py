"""The message types that this package brings along."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

INTERFACES = ('vision_msgs', 'mtscene_msgs')
SOURCE = Path(__file__).resolve().parents[2] / 'msg'


class BagError(ValueError):
    """The recording cannot be used; the message is one sentence that says why and what to do."""


def definitions(package: str) -> list[Path]:
    """Returns the .msg files of an interface package, installed ones before the source tree's.

    Raises BagError where there are none.
    """
    prefixes = [*os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep), sys.prefix]
    folders = [Path(prefix) / 'share' / package / 'msg' for prefix in prefixes if prefix]
    for folder in (*folders, SOURCE / package / 'msg'):
        found = sorted(folder.glob('*.msg'))
        if found:
            return found
    raise BagError(
        f'The message definitions of {package} are not installed; reinstall mtscene_ros.'
    )


def typestore() -> Typestore:
    """Returns the messages of ROS 2 Jazzy and of INTERFACES."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for package in INTERFACES:
        for path in definitions(package):
            types.update(get_types_from_msg(path.read_text(), f'{package}/msg/{path.stem}'))
    store.register({k: v for k, v in types.items() if k not in store.types})
    return store
