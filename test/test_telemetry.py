"""No runtime writes an identifier of the machine, as those do that report to their makers."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

USE = 'import sys\nfrom mtscene_ros.estimator import open_estimator\nopen_estimator(*sys.argv[1:])'
MODULES = {'onnxruntime': 'onnxruntime', 'openvino': 'openvino', 'training': 'torch'}


@pytest.mark.parametrize('backend', MODULES)
def test_nothing_is_written_at_home(backend: str, tiny_path: str, tmp_path: Path) -> None:
    if not importlib.util.find_spec(MODULES[backend]):
        pytest.skip(f'{MODULES[backend]} is not installed')
    code = 'import training\nimport onnxruntime' if backend == 'training' else USE
    # Both keep still in CI by themselves.
    environment = {k: v for k, v in os.environ.items() if k not in ('CI', 'ORT_DISABLE_TELEMETRY')}
    environment |= {'HOME': str(tmp_path), 'XDG_CACHE_HOME': str(tmp_path)}
    command = [sys.executable, '-c', code, tiny_path, backend]
    subprocess.run(command, env=environment, check=True, timeout=600)
    assert list(tmp_path.rglob('*')) == []
