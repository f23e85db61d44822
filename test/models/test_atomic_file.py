"""Files that appear whole or not at all."""

import os
import subprocess
from pathlib import Path

import pytest

from mtscene_ros.models.atomic_file import (
    move_into_place,
    remove_leftovers,
    replacing,
    scratch_folder,
    write_bytes,
    write_text,
)
from mtscene_ros.models.child_process import code_command


def test_the_old_content_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with replacing(path) as partial_file:
        partial_file.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(UnicodeEncodeError), replacing(path) as partial_file:
        partial_file.write_text('half \ud800')
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_a_new_file(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        write_bytes(tmp_path / 'private', b'x', 0o600)
        write_text(tmp_path / 'page', 'x')
    finally:
        os.umask(umask)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ('private', 'page')]
    assert modes == [0o600, 0o644]


def test_a_link_beside_it_is_not_followed(tmp_path: Path) -> None:
    """The name of the partial file can be guessed: somebody may have put a link there."""
    path, other = tmp_path / 'a', tmp_path / 'other'
    other.write_text('of somebody else')
    (tmp_path / f'a.{os.getpid()}.partial').symlink_to(other)
    with pytest.raises(OSError, match='symbolic links'):
        write_bytes(path, b'x')
    assert (other.read_text(), path.exists()) == ('of somebody else', False)


def test_text_is_written_through_a_link_of_the_user(tmp_path: Path) -> None:
    (tmp_path / 'latest').symlink_to(tmp_path / 'a.html')
    (tmp_path / 'a.html').write_text('old')
    write_text(tmp_path / 'latest', 'ä')
    assert (tmp_path / 'latest').is_symlink()
    assert (tmp_path / 'a.html').read_bytes() == b'\xc3\xa4'


def test_text_goes_to_a_device_as_well() -> None:
    write_text(Path('/dev/null'), 'x')
    assert Path('/dev/null').is_char_device()


def test_a_finished_folder_takes_its_place(tmp_path: Path) -> None:
    (tmp_path / 'scratch' / 'inside').mkdir(parents=True)
    (tmp_path / 'scratch' / 'inside' / 'a').write_text('1')
    move_into_place(tmp_path / 'scratch', tmp_path / 'bag')
    assert (tmp_path / 'bag' / 'inside' / 'a').read_text() == '1'


def test_leftovers_of_killed_processes_go_and_those_of_other_files_stay(tmp_path: Path) -> None:
    for name in ('a[1].pt.17.partial', 'a[1].pt', 'b.pt.17.partial'):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / 'a[1].pt')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['a[1].pt', 'b.pt.17.partial']


KILLED = """
import sys, time
from pathlib import Path
from mtscene_ros.models.atomic_file import replacing, scratch_folder
folder = Path(sys.argv[1])
with scratch_folder(folder, '.scratch-') as made, replacing(folder / 'a[1].txt') as partial_file:
    partial_file.write_text('half')
    print('ready', flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    """But not while it lives: its lock says that it does."""
    command = code_command(KILLED, str(tmp_path))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == 'ready\n'
    write_bytes(tmp_path / 'a[1].txt', b'whole')
    with scratch_folder(tmp_path, '.scratch-'):
        assert len(list(tmp_path.iterdir())) == 4  # its two, our folder, the file
    process.kill()
    process.communicate()
    with scratch_folder(tmp_path, '.scratch-'):
        write_bytes(tmp_path / 'a[1].txt', b'again')
    assert [path.name for path in tmp_path.iterdir()] == ['a[1].txt']


def test_a_folder_without_a_lock_is_left_alone_for_a_while(tmp_path: Path) -> None:
    (tmp_path / '.scratch-1').mkdir()
    with scratch_folder(tmp_path, '.scratch-'):
        pass
    assert (tmp_path / '.scratch-1').exists()
    os.utime(tmp_path / '.scratch-1', (0, 0))
    with scratch_folder(tmp_path, '.scratch-'):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_written_aside_also_behind_a_link(tmp_path: Path) -> None:
    """The file behind it is another one afterwards, never a half one."""
    (tmp_path / 'a.html').write_text('old')
    (tmp_path / 'latest').symlink_to('a.html')
    number = (tmp_path / 'a.html').stat().st_ino
    write_text(tmp_path / 'latest', 'new')
    assert (tmp_path / 'latest').is_symlink()
    assert (tmp_path / 'a.html').read_text() == 'new'
    assert (tmp_path / 'a.html').stat().st_ino != number
