"""A compact network that matches: it learns to learn, and it learns from the right labels only."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.datasets.class_tables import coloured  # noqa: E402
from mtscene_ros.types import Intrinsics  # noqa: E402
from training import meta_train, teach  # noqa: E402
from training.data.episodes import (  # noqa: E402
    Channel,
    bent,
    class_channel,
    depth_channel,
    mixed,
    normals_channel,
)
from training.data.sample import Sample, blank  # noqa: E402
from training.data.worlds import write_sample  # noqa: E402
from training.graphs.taught import TaughtGraph, Windows  # noqa: E402
from training.networks.zoo import COMPACT_MATCHING  # noqa: E402
from training.tasks.channels import ChannelTask  # noqa: E402
from training.weights.checkpoint_store import save_weights  # noqa: E402

COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [210, 210, 60]], np.uint8)
CAMERA = Intrinsics(128, 64, 100, 100, 63.5, 31.5)
TASK = ChannelTask('colour', coloured(['red', 'green', 'blue', 'yellow']))


def boards(count: int, seed: int = 0) -> list[Sample]:
    """Boards of 2 x 4 coloured squares, whose class is their colour."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        ids = np.kron(rng.integers(0, 4, (2, 4)), np.ones((32, 32), int)).astype(np.uint8)
        found.append(replace(blank(COLOURS[ids], CAMERA), labels=ids))
    return found


def options(config: str, out: Path, steps: int) -> Namespace:
    common = [config, '--data', str(out / 'data'), '--out', str(out), '--steps', str(steps)]
    return meta_train.options_from([*common, '--sources', 'classes', '--copies', '1'])


def right(network: torch.nn.Module, labels: list[Sample], requested: list[Sample]) -> float:
    """Share of right pixels with four boards shown; labels: whose labels they are shown with."""
    rgb = np.stack([sample.rgb for sample in boards(4)])
    reported = np.stack([TASK.labels(sample.labels) for sample in labels])
    graph = TaughtGraph(network, TASK, (rgb, reported), (0,), Windows((64, 128), (64, 128)))
    with torch.inference_mode():
        found = graph(torch.from_numpy(np.stack([sample.rgb for sample in requested])))
    truth = np.stack([sample.labels for sample in requested])
    return float((found['colour_labels'].numpy() == truth).mean())


@pytest.mark.trust  # trains; test_match_lite.py asks the same of the weights that ship
def test_a_frame_that_was_shown_is_answered_unless_its_labels_are_anothers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = replace(COMPACT_MATCHING['match_lite'], height_px=64, width_px=128)
    network = meta_train.fresh_network(small)
    meta_train.learn(network, [boards(40)], options('match_lite', tmp_path, 150))
    network.eval()
    shown, new = boards(4), boards(10, seed=1)
    assert right(network, shown, shown) > 0.9
    assert right(network, shown, new) > 0.9
    shuffled = [shown[k] for k in (1, 2, 3, 0)]
    assert right(network, shuffled, shown) < 0.6
    assert right(network, shuffled, new) < 0.6


def test_an_interrupted_run_ends_where_a_whole_one_does(tmp_path: Path) -> None:
    ends = []
    for name, stops in (('whole', (4,)), ('broken', (2, 4))):
        folder = tmp_path / name
        (folder / 'data').mkdir(parents=True)
        for number, sample in enumerate(boards(9)):
            write_sample(sample, folder / f'data/1_{number:06d}.npz')
        for stop in stops:
            chosen = options('test_match', folder, 4)
            chosen.stop_at = stop
            ends.append(meta_train.meta_train(chosen).state_dict())
    for key, value in ends[0].items():
        assert torch.equal(ends[-1][key], value), key


def test_the_weights_teach(tmp_path: Path) -> None:
    network = meta_train.fresh_network(COMPACT_MATCHING['test_match'])
    path = tmp_path / 'test_match.safetensors'
    save_weights(path, network.state_dict())
    chosen = teach.options_from(['m.yaml', '--weights', str(path), '-o', 'x.onnx'])
    found, rows, windows = teach.matching_network(chosen, 3)
    assert (rows, windows.view_px) == ((0,), (64, 128))
    assert torch.equal(found.get_parameter('head.weight'), network.head.weight)
    chosen.size_px = [70, 128]
    with pytest.raises(ValueError, match='128x64 would do'):
        teach.matching_network(chosen, 3)
    chosen.row = 1
    with pytest.raises(ValueError, match='has one set of biases'):
        teach.matching_network(chosen, 3)


def test_the_order_of_the_support_does_not_matter() -> None:
    torch.manual_seed(1)
    network = meta_train.fresh_network(COMPACT_MATCHING['test_match']).eval()
    shown = boards(4)
    found = []
    for order in ((0, 1, 2, 3), (2, 0, 3, 1)):
        rgb = np.stack([shown[k].rgb for k in order])
        reported = np.stack([TASK.labels(shown[k].labels) for k in order])
        graph = TaughtGraph(network, TASK, (rgb, reported), (0,), Windows((64, 128), (64, 128)))
        with torch.inference_mode():
            maps = graph.encoded(torch.rand(1, 3, 64, 128, generator=torch.manual_seed(2)), False)
            found.append(graph.matching.answer(maps, graph.memory))
    assert (found[0] - found[1]).abs().max() < 1e-5


def test_channels_of_frames() -> None:
    rng = np.random.default_rng(0)
    sample = boards(1)[0]
    depth_m = np.full((64, 128), 2.0, np.float32)
    depth_m[:32], depth_m[0, 0] = 8.0, np.inf
    normals = np.zeros((64, 128, 3), np.float32)
    normals[32:] = (0, 0, -1)
    full = replace(sample, depth_m=depth_m, normals=normals)
    depth = depth_channel([full], rng, frozenset()).values
    assert sorted(np.unique(depth).tolist()) == [0, 1]
    assert depth[0, 0, 0] == depth[0, 1, 1] != depth[0, 40, 0]  # sky is the far end
    shade = normals_channel([full], rng, frozenset()).values
    assert np.isnan(shade[0, :32]).all()
    assert len(np.unique(shade[0, 32:])) == 1
    assert normals_channel([sample], rng, frozenset()) is None


def test_classes_that_are_left_out_stay_unseen() -> None:
    shown = boards(1)
    ids = shown[0].labels
    left_out = frozenset({int(ids[0, 0])})
    for seed in range(20):
        found = class_channel(shown, np.random.default_rng(seed), left_out)
        assert np.isnan(found.values[0][ids == ids[0, 0]]).all()
        assert not np.isnan(found.values[0][ids != ids[0, 0]]).any()
    assert class_channel(shown, np.random.default_rng(0), frozenset(range(4))) is None


def test_curves_and_mixtures_stay_between_0_and_1() -> None:
    values = np.linspace(0, 1, 11, dtype=np.float32).reshape(1, 1, 11)
    for seed in range(10):
        found = bent(values, np.random.default_rng(seed))[0, 0]
        assert (found[0], found[-1]) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-6))
        assert (np.diff(found) > 0).all()
    half = np.where(values > 0.5, np.nan, values).astype(np.float32)
    both = mixed(Channel(values, True), Channel(half, False), 0.25)
    assert np.isnan(both.values[0, 0, 6:]).all()
    assert both.values[0, 0, 4] == pytest.approx(0.4)
    assert not both.binary
