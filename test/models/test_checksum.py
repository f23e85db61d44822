"""Checksums of files: the two messages of FIPS 180-2, appendix B."""

from pathlib import Path

from mtscene_ros.models.checksum import sha256_of

ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
MILLION_A = 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'


def test_several_files_count_as_one_message(tmp_path: Path) -> None:
    (tmp_path / '1').write_bytes(b'a')
    (tmp_path / '2').write_bytes(b'bc')
    assert sha256_of(tmp_path / '1', tmp_path / '2') == ABC


def test_a_long_file(tmp_path: Path) -> None:
    (tmp_path / '1').write_bytes(b'a' * 1_000_000)
    assert sha256_of(tmp_path / '1') == MILLION_A
