"""Only the arrays that are asked for are read, and no more than the limit."""

from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_spec

from mtscene_ros.backends import BackendError, BackendOptions, constant, open_backend
from mtscene_ros.models.array_file import read_npz

MB = 1_000_000


def test_arrays_that_nobody_names_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'a.npz'
    np.savez_compressed(path, a=np.arange(3), b=np.zeros(2 * MB, np.uint8))
    monkeypatch.setenv('MTSCENE_MAX_ARRAYS_MB', '1')
    assert list(read_npz(path, {'a', 'c'})) == ['a']
    with pytest.raises(ValueError, match=r'a\.npz: what is read of it takes 2 MB, more than the '):
        read_npz(path, {'a', 'b'})


@pytest.mark.parametrize('name', ['delay_s', 'load_delay_s'])
@pytest.mark.parametrize('value', [float('nan'), float('inf'), -1.0, 1e6])
def test_delays_that_are_none_are_refused_at_load(tmp_path: Path, name: str, value: float) -> None:
    path, spec = tmp_path / 'a.npz', tiny_spec()
    outputs = {t.name: np.zeros((1, *t.shape[1:]), t.dtype) for t in spec.outputs}
    constant.write(path, spec, outputs, **{name: value})
    with pytest.raises(BackendError, match=f'{name} is .*; it must lie between 0 and 86400 s'):
        open_backend('constant', str(path), BackendOptions(threads=1))
