"""The lock file names everything with checksums, and no place but the registry."""

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parents[2] / 'requirements'
LOCK = (FOLDER / 'lock.txt').read_text()
LOCKED = dict(re.findall(r'^([a-z0-9.-]+)==(\S+)', LOCK, re.MULTILINE))


def wanted() -> list[Requirement]:
    """Of the other files of the folder."""
    files = [p for p in FOLDER.glob('*.txt') if p.name != 'lock.txt']
    lines = [line for p in files for line in p.read_text().splitlines()]
    return [Requirement(line) for line in lines if line and line[0] not in '#-']


def test_every_requirement_is_locked_within_its_range() -> None:
    wrong = [
        str(r) for r in wanted() if LOCKED.get(canonicalize_name(r.name), '-') not in r.specifier
    ]
    assert wrong == []
    assert len(wanted()) > 40


def test_every_version_has_a_checksum() -> None:
    entries = re.split(r'^(?=[a-z0-9.-]+==)', LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(LOCKED) > 150
    assert [e for e in entries if not re.search(r'--hash=sha256:[0-9a-f]{64}', e)] == []


def test_no_address_is_in_the_lock_file() -> None:
    assert re.findall(r'://|--(?:extra-)?index|--find-links|@ ', LOCK) == []
