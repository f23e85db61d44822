"""The node runs a task that a few frames taught, and swaps it for another one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip('torch')

from mtscene_msgs.srv import SwapModel
from sensor_msgs.msg import Image

from mtscene_ros.datasets.class_tables import coloured
from mtscene_ros.types import CameraFrame
from training import meta_train
from training.graphs.onnx_export import write_onnx
from training.graphs.taught import TaughtGraph, Windows, taught_spec
from training.networks.zoo import COMPACT_MATCHING
from training.tasks.channels import ChannelTask

from .fleet import TYPES, Fleet, info_of

SIZE = (64, 128)
SEC = 10**9
NAMES = ('floor', 'walls')
TOPICS = ('debug/frame_stats', *(f'own/{name}/image' for name in NAMES))
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')


@pytest.fixture(scope='module')
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Model files of two tasks, with untrained weights. The second is the first, renamed: an
    export takes a while."""
    network = meta_train.fresh_network(COMPACT_MATCHING['test_match']).eval()
    rgb = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8)
    labels = np.zeros((2, 2, *SIZE), np.float32)
    labels[:, 0, :, :64] = labels[:, 1, :, 64:] = 1
    task = ChannelTask('floor', coloured(['grass', 'stone']))
    graph = TaughtGraph(network, task, (rgb, labels), (0,), Windows(SIZE, SIZE)).eval()
    folder = tmp_path_factory.mktemp('taught')
    write_onnx(graph, taught_spec(graph, 'floor', '1', ''), folder / 'floor.onnx')
    model = onnx.load(folder / 'floor.onnx')
    for node in model.graph.node:
        node.input[:] = [name.replace('floor_', 'walls_') for name in node.input]
        node.output[:] = [name.replace('floor_', 'walls_') for name in node.output]
    for output in model.graph.output:
        output.name = output.name.replace('floor_', 'walls_')
    for entry in model.metadata_props:
        entry.value = entry.value.replace('floor', 'walls')
    onnx.save(model, folder / 'walls.onnx')
    return {name: str(folder / f'{name}.onnx') for name in NAMES}


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    for topic in TOPICS[1:]:
        monkeypatch.setitem(TYPES, topic, Image)
    made = Fleet(('',), TOPICS)
    yield made
    made.node.destroy_node()


def test_the_node_swaps_between_two_taught_tasks(
    start_node: Callable[..., subprocess.Popen[str]],
    fleet: Fleet,
    frame: CameraFrame,
    taught: dict[str, str],
) -> None:
    start_node(model=taught['floor'])
    fleet.connect({'': info_of('', 64, 32, 64.0)})
    stamp = 10
    for name in ('walls', 'floor'):
        request = SwapModel.Request(model=taught[name])
        answer: Any = fleet.call(SwapModel, 'swap_model', request)
        assert answer.success, answer.message
        got = fleet.got['', f'own/{name}/image']
        before, stamp = len(got), stamp + 1
        fleet.show('', frame.rgb, stamp * SEC)
        fleet.wait(lambda got=got, before=before: len(got) > before)
        assert (got[-1].height, got[-1].width) == frame.rgb.shape[:2]
        assert got[-1].encoding == 'mono8'
        assert set(got[-1].data) <= {0, 1}
