"""A task as examples in a model file: views, channels, and the file's answers against torch's."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch')

from mtscene_ros.datasets.class_tables import coloured  # noqa: E402
from mtscene_ros.estimator import open_estimator  # noqa: E402
from mtscene_ros.types import CameraFrame, Intrinsics, LabelMap, ValueMap  # noqa: E402
from mtscene_ros.worlds import FRAMES  # noqa: E402
from training import teach  # noqa: E402
from training.graphs.taught import TaughtGraph, Windows, scaled  # noqa: E402
from training.networks.vtm import VTMNetwork  # noqa: E402
from training.networks.zoo import MATCHING  # noqa: E402
from training.tasks.channels import ChannelTask, channel_task  # noqa: E402
from training.weights.checkpoint_store import save_weights  # noqa: E402
from training.weights.matching_checkpoints import TASK_BIAS, load_matching  # noqa: E402
from training.weights.parity_matching import made_up_state  # noqa: E402

CONFIG = MATCHING['tiny_vtm']
FIXTURE = Path(__file__).parents[1] / 'data/networks/tiny_vtm'
EXPORTS = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')


@pytest.fixture(scope='module')
def network() -> VTMNetwork:
    return load_matching(CONFIG, state())[0]


def state() -> dict[str, Any]:
    return made_up_state(json.loads((FIXTURE / 'keys.json').read_text()))


@pytest.fixture(scope='module')
def weights(network: VTMNetwork, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp('weights') / 'vtm.safetensors'
    save_weights(path, network.state_dict())
    return str(path)


def frames(folder: Path, **maps: Any) -> str:
    """Three frames with labels of two tasks, `height` and `ground`, one without any."""
    rows = []
    for k in range(4):
        frame = FRAMES['drive'](4, k, 96, 64)
        cv2.imwrite(str(folder / f'{k}.png'), frame.rgb[:, :, ::-1])
        ids = (frame.labels > 1).astype(np.uint8)
        cv2.imwrite(str(folder / f'{k}_ids.png'), ids)
        np.save(folder / f'{k}_height.npy', np.where(ids, 30, 10).astype(np.float32))
        named = {'height': f'{k}_height.npy', 'ground': f'{k}_ids.png'}
        rows.append({'image': f'{k}.png'} | ({'maps': {n: named[n] for n in maps}} if k else {}))
    (folder / 'm.yaml').write_text(yaml.safe_dump({'maps': maps, 'frames': rows}))
    return str(folder / 'm.yaml')


def episode(task: ChannelTask, size_px: tuple[int, int]) -> tuple[Any, Any]:
    """Three made-up support frames and their labels."""
    rng = np.random.default_rng(5)
    rgb = rng.integers(0, 256, (3, *size_px, 3), np.uint8)
    ids = rng.integers(0, task.channels, (3, *size_px)).astype(np.uint8)
    ids[:, :8] = 255
    return rgb, np.stack([task.labels(one) for one in ids])


THREE = ChannelTask('floor', coloured(['a', 'b', 'c']))


@pytest.mark.parametrize('rows', [(2,), (2, 0, 4)])
def test_a_taught_graph_is_the_network(network: VTMNetwork, rows: tuple[int, ...]) -> None:
    rgb, labels = episode(THREE, (64, 64))
    graph = TaughtGraph(network, THREE, (rgb, labels), rows, Windows((64, 64), (64, 64)))
    query = torch.from_numpy(np.random.default_rng(6).integers(0, 256, (2, 64, 64, 3), np.uint8))
    image, requested = (
        scaled(one)[None, None].expand(-1, 3, -1, -1, -1, -1)
        for one in (torch.from_numpy(rgb), query)
    )
    known = torch.from_numpy(labels).transpose(0, 1)[None, :, :, None]
    each = torch.tensor([rows if len(rows) == 3 else rows * 3])
    with torch.inference_mode():
        want = network(image, known, requested, each)
        maps = graph.encoded(scaled(query), grouped=False)
        got = graph.matching.answer(maps, graph.memory)
    assert (got - want[0, :, :, 0].transpose(0, 1)).abs().max() < 1e-5


@EXPORTS
def test_own_classes_on_the_robot(weights: str, tmp_path: Path) -> None:
    path = frames(tmp_path, ground={'classes': ['ground', 'rest']})
    out = tmp_path / 'ground.onnx'
    options = [path, '--weights', weights, '-o', str(out), '--row', '1']
    assert teach.main(options) == 0
    table = out.with_suffix('.agreement.md').read_text()
    for kind in ('random', 'generated'):
        assert float(table.split(f'{kind} | ground_labels | ')[1].split(' %')[0]) > 99.9
    estimator = open_estimator(str(out))
    assert estimator.spec.tasks['ground']['kind'] == 'labels'
    rgb = FRAMES['drive'](4, 7, 64, 64).rgb
    found = estimator.estimate([frame_of(rgb)])[0].results['ground']
    assert isinstance(found, LabelMap)
    with torch.inference_mode():
        want = teach.taught(teach.options_from(options))(torch.from_numpy(rgb)[None])
    assert (found.labels == want['ground_labels'][0].numpy()).mean() > 0.999
    assert (np.abs(found.confidence.astype(int) - want['ground_confidence'][0].numpy()) <= 1).all()


@EXPORTS
def test_a_number_per_pixel_in_a_larger_image(weights: str, tmp_path: Path) -> None:
    path = frames(tmp_path, height={})
    out = tmp_path / 'height.onnx'
    options = [path, '--weights', weights, '-o', str(out), '--row', '0']
    options += ['--size-px', '64', '96', '--frames', '2', '--no-check']
    assert teach.main(options) == 0
    rgb = FRAMES['drive'](4, 7, 96, 64).rgb
    found = open_estimator(str(out)).estimate([frame_of(rgb)] * 2)[1].results['height']
    assert isinstance(found, ValueMap)
    with torch.inference_mode():
        want = teach.taught(teach.options_from(options))(torch.from_numpy(rgb)[None])['height']
    np.testing.assert_allclose(found.values, want[0].numpy(), atol=1e-4)
    assert 10 <= found.values.min() < found.values.max() <= 30  # the range of the labels


def frame_of(rgb: np.ndarray) -> CameraFrame:
    height, width = rgb.shape[:2]
    return CameraFrame(rgb, Intrinsics(width, height, 64, 64, 31.5, 31.5), 0, 'camera')


def test_views_cover_an_image_and_are_averaged() -> None:
    windows = Windows((4, 7), (4, 3))
    assert windows.corners == [(0, 0), (0, 2), (0, 4)]
    image = torch.arange(28.0).reshape(1, 1, 4, 7)
    views = windows.cut(image)
    assert views.shape == (3, 1, 4, 3)
    assert torch.equal(windows.joined(views), image)
    views[1] += 3  # columns 2 to 4: the outer two are shared with a neighbour
    assert (windows.joined(views) - image)[0, 0, 0].tolist() == [0, 0, 1.5, 3, 1.5, 0, 0]
    with pytest.raises(ValueError, match='take 3x4 px or more'):
        Windows((4, 2), (4, 3))


def test_channels_of_classes_and_of_numbers() -> None:
    labels = THREE.labels(np.array([[0, 2, 255]], np.uint8))
    assert labels.tolist() == [[[1, 0, -1]], [[0, 0, -1]], [[0, 1, -1]]]
    line = torch.tensor([1.0, 0.0])
    reported = THREE.decode(torch.tensor([0.2, 0.6, 0.0]).reshape(1, 3, 1, 1), line)
    assert reported['floor_labels'].item() == 1
    assert reported['floor_confidence'].item() == 191  # 255 * 0.6 / 0.8
    height = channel_task('height', (), [np.array([[np.nan, 2.0, 6.0]], np.float32)])
    assert (height.low, height.high) == (2.0, 6.0)
    assert height.labels(np.array([[np.nan, 2, 5]])).tolist() == [[[-1, 0, 0.75]]]
    assert (
        height.decode(torch.full((1, 1, 1, 1), 0.75), torch.tensor(height.line))['height'].item()
        == 5.0
    )


def test_distances_are_matched_by_their_logarithm() -> None:
    task = channel_task('range', (), [np.array([[1.0, 100.0]], np.float32)])
    assert task.labels(np.array([[np.nan, 0.5, 10, 100]])).tolist() == [[[-1, 0, 0.5, 1]]]
    assert task.decode(torch.full((1, 1, 1, 1), 0.5), torch.tensor(task.line))[
        'range'
    ].item() == pytest.approx(10)
    assert not channel_task('level', (), [np.array([[-1.0, 100.0]])]).logarithmic


def test_which_biases_a_task_takes(network: VTMNetwork) -> None:
    assert teach.rows_of(network, 5, None) == (0, 1, 2, 3, 4)
    assert teach.rows_of(network, 2, 3) == (3,)
    with pytest.raises(ValueError, match='choose a set with --row'):
        teach.rows_of(network, 2, None)
    with pytest.raises(ValueError, match='rows 0 to 4'):
        teach.rows_of(network, 2, 5)
    changed = {k: v.clone() for k, v in state().items()}
    for key, value in changed.items():
        if TASK_BIAS.fullmatch(key):
            value[4] = value[2]  # two that meta-training left alone
    assert teach.rows_of(load_matching(CONFIG, changed)[0], 5, None) == (2,)


@pytest.mark.parametrize(
    ('change', 'further', 'complaint'),
    [
        ({}, [], 'choose one with --task'),
        ({}, ['--task', 'wet'], 'has no task wet; it has ground, height'),
        ({'maps': {}}, [], 'defines no such map; list it'),
        ({'frames': [{'image': '0.png'}]}, ['--task', 'ground'], 'no frame in `train` with a map'),
        ({}, ['--task', 'height', '--row', '9'], 'rows 0 to 4'),
        ({}, ['--task', 'ground', '--row', '0', '--size-px', '32', '64'], '64x64 px or more'),
        ({}, ['--task', 'ground', '--weights', 'none.ckpt'], 'none.ckpt does not exist'),
        ({'frames': [{'image': '../a.png'}]}, ['--task', 'ground'], 'outside the folder'),
    ],
)
def test_what_is_wrong_is_one_sentence(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any, further: Any,
    complaint: str,
) -> None:  # fmt: skip
    path = frames(tmp_path, ground={'classes': ['ground', 'rest']}, height={})
    content = yaml.safe_load(Path(path).read_text()) | change
    Path(path).write_text(yaml.safe_dump(content))
    out = ['--weights', weights, '-o', str(tmp_path / 'x.onnx')]
    assert teach.main([path, *out, *further]) == 2
    printed = capsys.readouterr().err
    assert complaint in printed
    assert printed.count('\n') == 1
    assert not (tmp_path / 'x.onnx').exists()


@pytest.mark.parametrize(
    ('file', 'complaint'),
    [
        ('pickled.npy', 'pickled.npy'),
        ('small.npy', 'small.npy'),
        ('text.npy', 'text.npy'),
        ('nan.npy', 'No pixel of height is labelled'),
        ('none.npy', 'none.npy'),
    ],
)
def test_a_hostile_map_is_refused(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, complaint: str
) -> None:
    path = frames(tmp_path, height={})
    np.save(tmp_path / 'pickled.npy', np.array([{}]), allow_pickle=True)
    np.save(tmp_path / 'small.npy', np.zeros((3, 4), np.float32))
    (tmp_path / 'text.npy').write_text('numbers')
    np.save(tmp_path / 'nan.npy', np.full((64, 96), np.nan, np.float32))
    rows = [{'image': '0.png', 'maps': {'height': file}}]
    Path(path).write_text(yaml.safe_dump({'maps': {'height': {}}, 'frames': rows}))
    assert teach.main([path, '--weights', weights, '-o', str(tmp_path / 'x.onnx')]) == 2
    printed = capsys.readouterr().err
    assert complaint in printed
    assert printed.count('\n') == 1


def test_semantic_labels_are_taught_under_a_name(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames(tmp_path, ground={})
    rows = [{'image': f'{k}.png', 'semantic': f'{k}_ids.png'} for k in range(2)]
    about = {'semantic': ['ground', 'rest'], 'frames': [*rows, {'image': '2.png'}]}
    (tmp_path / 'm.yaml').write_text(yaml.safe_dump(about))
    words = [str(tmp_path / 'm.yaml'), '--weights', weights, '-o', 'x.onnx', '--row', '0']
    graph = teach.taught(teach.options_from([*words, '--semantic', 'floor']))
    assert graph.task.options()['classes'][0]['name'] == 'ground'
    assert set(graph(torch.zeros(1, 64, 64, 3))) == {'floor_labels', 'floor_confidence'}
    assert '1 of 3 frames has no map of floor' in capsys.readouterr().out
    assert teach.main(words) == 2
    assert 'teach its `semantic` labels with --semantic NAME' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        teach.options_from([*words, '--semantic', 'depth'])


def test_what_teaches_nothing_is_said(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = frames(tmp_path, ground={'classes': ['ground', 'rest', 'ice']})
    options = [path, '--weights', weights, '-o', 'x.onnx', '--row', '0', '--frames', '9']
    teach.taught(teach.options_from(options))
    assert capsys.readouterr().out.splitlines() == [
        '1 of 4 frames has no map of ground and teaches nothing.',
        '--frames 9: the manifest has only 3 with a map of ground.',
        'No support frame shows ice; the model will not find it.',
    ]
