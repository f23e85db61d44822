"""The node runs a task that a few frames taught, and swaps it for another one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mtscene_msgs.srv import SwapModel  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from mtscene_ros.backends import BackendOptions, open_backend  # noqa: E402
from mtscene_ros.datasets.class_tables import coloured  # noqa: E402
from mtscene_ros.types import CameraFrame  # noqa: E402
from training import meta_train  # noqa: E402
from training.graphs.onnx_export import OPSET  # noqa: E402
from training.graphs.taught import TaughtGraph, Windows, taught_spec  # noqa: E402
from training.graphs.taught_template import write_taught  # noqa: E402
from training.networks.zoo import COMPACT_MATCHING  # noqa: E402
from training.tasks.channels import ChannelTask  # noqa: E402

from .fleet import TYPES, Fleet, info_of  # noqa: E402

SIZE = (64, 128)
SEC = 10**9
NAMES = ('floor', 'walls')
TOPICS = ('debug/frame_stats', *(f'own/{name}/image' for name in NAMES))
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')


@pytest.fixture(scope='module')
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[TaughtGraph, str]]:
    """Two tasks with untrained weights and one and two examples, and their model files."""
    network = meta_train.fresh_network(COMPACT_MATCHING['test_match']).eval()
    folder = tmp_path_factory.mktemp('taught')
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(folder))
        for count, name in enumerate(NAMES, start=1):
            rgb = np.random.default_rng(count).integers(0, 256, (count, *SIZE, 3), np.uint8)
            labels = np.zeros((count, 2, *SIZE), np.float32)
            labels[:, 0, :, :64] = labels[:, 1, :, 64:] = 1
            task = ChannelTask(name, coloured(['left', 'right']))
            graph = TaughtGraph(network, task, (rgb, labels), (0,), Windows(SIZE, SIZE)).eval()
            path = folder / f'{name}.onnx'
            write_taught(graph, taught_spec(graph, name, '1', ''), path, OPSET, None)
            found[name] = graph, str(path)
    assert len(list(folder.glob('mtscene_taught/*.onnx'))) == 1  # one export for both
    return found


def test_the_files_answer_as_torch_does(taught: dict[str, tuple[TaughtGraph, str]]) -> None:
    rgb = np.random.default_rng(9).integers(0, 256, (2, *SIZE, 3), np.uint8)
    for name, (graph, path) in taught.items():
        with torch.inference_mode():
            want = graph(torch.from_numpy(rgb))
        found = open_backend('onnxruntime', path, BackendOptions(threads=1, max_batch=2)).infer(
            rgb, list(want)
        )
        assert set(want) == {f'{name}_labels', f'{name}_confidence'}
        assert (found[f'{name}_labels'] == want[f'{name}_labels'].numpy()).mean() > 0.999
        difference = found[f'{name}_confidence'].astype(int) - want[f'{name}_confidence'].numpy()
        assert np.abs(difference).max() <= 1


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
    taught: dict[str, tuple[TaughtGraph, str]],
) -> None:
    start_node(model=taught['floor'][1])
    fleet.connect({'': info_of('', 64, 32, 64.0)})
    stamp = 10
    for name in ('walls', 'floor'):
        request = SwapModel.Request(model=taught[name][1])
        answer: Any = fleet.call(SwapModel, 'swap_model', request)
        assert answer.success, answer.message
        got = fleet.got['', f'own/{name}/image']
        before, stamp = len(got), stamp + 1
        fleet.show('', frame.rgb, stamp * SEC)
        fleet.wait(lambda got=got, before=before: len(got) > before)
        assert (got[-1].height, got[-1].width) == frame.rgb.shape[:2]
        assert got[-1].encoding == 'mono8'
        assert set(got[-1].data) <= {0, 1}
