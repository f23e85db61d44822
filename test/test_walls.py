"""Only ros/ imports ROS, only backends/x.py its runtime, only training/ torch.

The walls are drawn in docs/architecture.md, section Walls.
"""

import subprocess
import sys

import pytest

WALLED = ('rclpy', 'torch', 'tensorrt', 'onnxruntime', 'onnx', 'rosbags', 'scipy')


@pytest.mark.parametrize(
    ('module', 'allowed'),
    [
        ('mtscene_ros.estimator', ()),
        ('mtscene_ros.worlds.drive', ()),
        ('mtscene_ros.tracking', ()),
        ('mtscene_ros.backends.onnxruntime', ('onnxruntime',)),
        ('mtscene_ros.camera.outputs', ()),
        ('mtscene_ros.evaluate.run.bag', ('rosbags',)),
    ],
)
def test_what_an_import_brings_along(module: str, allowed: tuple[str, ...]) -> None:
    code = f'import sys, {module}; print(*(m for m in {WALLED} if m in sys.modules))'
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) <= set(allowed)
