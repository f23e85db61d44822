"""A model whose answers are readable in its input image, so that tests can be checked by hand."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper

from mtscene_ros.datasets.classes import CITYSCAPES_19, DRIVE_BOXES
from mtscene_ros.models.spec import METADATA_KEY, ModelSpec, TensorSpec
from mtscene_ros.types import CameraFrame, Intrinsics

# The same examples in every run, on machines of any speed.
settings.register_profile('mtscene', derandomize=True, deadline=None, max_examples=50)
settings.load_profile('mtscene')

H, W, STRIDE = 16, 32, 4
FOCAL_PX = 32.0


def own_domain() -> int:
    """A ROS domain that no other test run on this machine has, nor another worker of this one:
    their nodes would answer for ours. The lock ends with this process."""
    for number in (1 + (os.getpid() + k) % 100 for k in range(100)):
        path = Path(tempfile.gettempdir()) / f'mtscene_domain_{number}.lock'
        lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
        else:
            return number
    raise RuntimeError('a hundred test runs at once')


def pytest_configure() -> None:
    """Before anything is collected: what is started from here on inherits it."""
    # A shell lets what it starts in the background ignore SIGINT, by which tests end programs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ['ROS_DOMAIN_ID'] = str(own_domain())
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


def shared_folder() -> Path | None:
    """Recordings that are not part of the project: $MTSCENE_SHARED or ../shared."""
    folder = Path(os.environ.get('MTSCENE_SHARED', Path(__file__).parents[2] / 'shared'))
    return folder if folder.is_dir() else None


@pytest.fixture(scope='session')
def shared() -> Path:
    """Skips the test where the recordings are absent."""
    folder = shared_folder()
    if folder is None:
        pytest.skip('no recordings: ../shared is absent and MTSCENE_SHARED is not set')
    return folder


def class_options(classes: tuple) -> list[dict]:
    return [{'id': c.id, 'name': c.name, 'color_rgb': list(c.color_rgb)} for c in classes]


def tiny_spec() -> ModelSpec:
    """32x16 px; red / 8 = label, green = confidence and box score, blue / 2 = depth in metres."""
    h, w = H // STRIDE, W // STRIDE
    return ModelSpec(
        name='tiny',
        version='1',
        commit='test',
        input=TensorSpec('image', (-1, H, W, 3), 'uint8'),
        outputs=(
            TensorSpec('semantic_labels', (-1, H, W), 'uint8'),
            TensorSpec('semantic_confidence', (-1, H, W), 'uint8'),
            TensorSpec('depth', (-1, H, W), 'float32'),
            TensorSpec('boxes3d_scores', (-1, 7, h, w), 'float32'),
            TensorSpec('boxes3d_code', (-1, 8, h, w), 'float32'),
        ),
        tasks={
            'semantic': {'classes': class_options(CITYSCAPES_19)},
            'depth': {'convention': 'metric', 'focal_px': FOCAL_PX, 'min_m': 0.5, 'max_m': 100.0},
            'boxes3d': {
                'code': 'center_alpha',
                'classes': class_options(DRIVE_BOXES),
                'stride_px': STRIDE,
                'focal_px': FOCAL_PX,
                'min_score': 0.3,
                'max_boxes': 10,
                'max_m': 100.0,
            },
        },
    )


def tiny_model() -> onnx.ModelProto:
    """The graph behind tiny_spec; boxes are cars of 4 x 2 x 1.5 m with alpha 0."""
    constants = {
        'eight': np.float32(8), 'half': np.float32(0.5), '255': np.float32(255),
        'r': np.int64(0), 'g': np.int64(1), 'b': np.int64(2), 'axis': np.array([1]),
        'from': np.array([0, 0]), 'to': np.array([H, W]), 'step': np.array([STRIDE, STRIDE]),
        'axes': np.array([2, 3]), 'others': np.zeros(6, np.float32).reshape(1, 6, 1, 1),
        'code': np.array([0, 0, 0, 4, 2, 1.5, 1, 0], np.float32).reshape(1, 8, 1, 1),
        'at': np.array([0, 0, 1, 0, 0, 0, 0, 0], np.float32).reshape(1, 8, 1, 1),
    }  # fmt: skip
    steps = [
        ('Cast', 'image', 'x', {'to': TensorProto.FLOAT}),
        *[('Gather', f'x {c}', c.upper(), {'axis': 3}) for c in 'rgb'],
        ('Div', 'R eight', 'label', {}),
        ('Cast', 'label', 'semantic_labels', {'to': TensorProto.UINT8}),
        ('Cast', 'G', 'semantic_confidence', {'to': TensorProto.UINT8}),
        ('Mul', 'B half', 'depth', {}),
        ('Unsqueeze', 'G axis', 'g1', {}), ('Slice', 'g1 from to axes step', 'gs', {}),
        ('Div', 'gs 255', 'score', {}), ('Mul', 'score others', 'zeros', {}),
        ('Concat', 'score zeros', 'boxes3d_scores', {'axis': 1}),
        ('Unsqueeze', 'depth axis', 'd1', {}), ('Slice', 'd1 from to axes step', 'ds', {}),
        ('Mul', 'ds at', 'dz', {}), ('Add', 'dz code', 'boxes3d_code', {}),
    ]  # fmt: skip
    nodes = [helper.make_node(op, i.split(), [o], **a) for op, i, o, a in steps]
    spec = tiny_spec()
    values = {
        t.name: helper.make_tensor_value_info(
            t.name, helper.np_dtype_to_tensor_dtype(np.dtype(t.dtype)), ['n', *t.shape[1:]]
        )
        for t in (spec.input, *spec.outputs)
    }
    initializers = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    outputs = [values[t.name] for t in spec.outputs]
    graph = helper.make_graph(nodes, 'tiny', [values['image']], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope='session')
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the tiny model."""
    path = tmp_path_factory.mktemp('model') / 'tiny.onnx'
    onnx.save(tiny_model(), path)
    return str(path)


@pytest.fixture
def frame() -> CameraFrame:
    """64x32 px, fx 64, twice the tiny model's size; sky above, one box of score 0.8 at 20 m."""
    rgb = np.zeros((32, 64, 3), np.uint8)
    rgb[:16] = (80, 51, 255)  # label 10, confidence 51, 127.5 m: beyond range
    rgb[16:] = (8, 51, 40)  # label 1, confidence 51, 20 m
    rgb[24:26, 32:34, 1] = 204  # network pixel (16, 12) = corner of cell (row 3, column 4)
    return CameraFrame(rgb, Intrinsics(64, 32, 64.0, 64.0, 31.5, 15.5), 5, 'camera_optical_frame')
