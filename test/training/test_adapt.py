"""New classes and new tasks from a few frames, while the other tasks stay as they were."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch')

from mtscene_ros.datasets.classes import CITYSCAPES_19  # noqa: E402
from mtscene_ros.estimator import open_estimator  # noqa: E402
from mtscene_ros.types import CameraFrame, Intrinsics, LabelMap, ValueMap  # noqa: E402
from mtscene_ros.worlds import FRAMES  # noqa: E402
from training import adapt, export  # noqa: E402
from training.config import CONFIGS  # noqa: E402
from training.graphs.deploy import DeployGraph  # noqa: E402
from training.learn.adapting import class_mixture  # noqa: E402
from training.learn.transfer import CLASS_LAYERS, Change, exchanged_rows, transferred_weights  # noqa: E402
from training.networks.decoders import compact_network  # noqa: E402
from training.weights.weight_files import config_of  # noqa: E402

CONFIG = CONFIGS['test']
COARSE = ('ground', 'rest')  # road and pavement; everything else


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp('weights') / 'last.pt'
    network = compact_network(CONFIG)
    torch.save({'config': 'test', 'average': network.state_dict()}, path)
    return path


def frames(folder: Path, **further: Any) -> Path:
    """Writes four training frames and two for scoring, with two coarse classes and a number
    each."""
    rows = []
    for k in range(6):
        frame = FRAMES['drive'](4, k, 128, 64)
        cv2.imwrite(str(folder / f'{k}.png'), frame.rgb[:, :, ::-1])
        cv2.imwrite(str(folder / f'{k}_ids.png'), (frame.labels > 1).astype(np.uint8))
        np.save(folder / f'{k}_height.npy', np.where(frame.labels > 1, 30, 10).astype(np.float32))
        row = {'image': f'{k}.png', 'split': 'train' if k < 4 else 'val'}
        rows.append(row | {key: value.format(k) for key, value in further['labels'].items()})
        if 'maps' in further:
            named = {'height': f'{k}_height.npy', 'ground': f'{k}_ids.png'}
            rows[-1]['maps'] = {name: named[name] for name in further['maps']}
    content = {'frames': rows, **{k: v for k, v in further.items() if k != 'labels'}}
    (folder / 'm.yaml').write_text(yaml.safe_dump(content))
    return folder / 'm.yaml'


def run(path: Path, checkpoint: Path, out: Path, steps: int) -> dict[str, Any]:
    common = ['--weights', str(checkpoint), '--out', str(out), '--steps', str(steps)]
    return adapt.main([str(path), *common, '--threads', '1'])


def test_own_classes_are_learned_and_depth_stays(checkpoint: Path, tmp_path: Path) -> None:
    path = frames(tmp_path, labels={'semantic': '{}_ids.png'}, semantic=list(COARSE))
    found = run(path, checkpoint, tmp_path / 'out', 40)
    assert (found['taught'], found['held']) == (('semantic',), ('depth', 'boxes3d'))
    assert found['after']['semantic']['miou'] > found['before']['semantic']['miou'] + 10
    assert json.loads((tmp_path / 'out/adapted.json').read_text())['frames'] == 4
    before = DeployGraph(loaded(checkpoint), CONFIG).eval()
    state = torch.load(tmp_path / 'out/last.pt', weights_only=True)
    config = config_of(state, tmp_path)
    assert [c.name for c in config.classes] == list(COARSE)
    after = compact_network(config)
    after.load_state_dict(state['average'])
    rgb = torch.from_numpy(FRAMES['drive'](4, 9, 128, 64).rgb)[None]
    with torch.inference_mode():
        want, got = (g(rgb)['depth'] for g in (before, DeployGraph(after, config).eval()))
    assert ((got - want).abs() / want).mean() < 0.1


def loaded(checkpoint: Path) -> Any:
    network = compact_network(CONFIG)
    network.load_state_dict(torch.load(checkpoint, weights_only=True)['average'])
    return network


# torch.onnx of torch 2.13 calls functions that Python and torch deprecate.
@pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')
def test_new_tasks_run_on_the_robot(checkpoint: Path, tmp_path: Path) -> None:
    maps = {'height': {}, 'ground': {'classes': list(COARSE)}}
    path = frames(tmp_path, labels={}, maps=maps)
    found = run(path, checkpoint, tmp_path / 'out', 100)
    assert set(found['taught']) == {'height', 'ground'}
    assert found['held'] == ('semantic', 'depth', 'boxes3d')
    assert found['after']['height']['mae'] < 0.8 * found['before']['height']['mae']
    model = tmp_path / 'mine.onnx'
    export.main([str(tmp_path / 'out/last.pt'), str(model), '--commit', 'x'])
    frame = FRAMES['drive'](4, 5, 128, 64)
    camera = Intrinsics(128, 64, 128, 128, 63.5, 31.5)
    scene = open_estimator(str(model)).estimate([CameraFrame(frame.rgb, camera, 0, 'c')])[0]
    height, ground = scene.results['height'], scene.results['ground']
    assert isinstance(height, ValueMap)
    assert isinstance(ground, LabelMap)
    assert height.values[:10].mean() > height.values[54:].mean() + 5  # 30 above, 10 on the road
    assert 0 < height.values.mean() < 40
    assert ground.classes[0].name == 'ground'


def test_an_unchanged_network_keeps_all_weights(checkpoint: Path) -> None:
    old = torch.load(checkpoint, weights_only=True)['average']
    fresh = compact_network(CONFIG).state_dict()
    for name, value in transferred_weights(fresh, old, CONFIG, CONFIG).items():
        assert torch.equal(value, old[name])


def test_new_classes_start_as_mixtures() -> None:
    mixture = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    change, old = Change(mixture), torch.tensor([1.0, 2.0, 4.0])
    assert rows_of('heads.semantic.bias', old, change).tolist() == [1.0, 3.0]
    taken = rows_of('mix.semantic.weight', torch.arange(5.0).reshape(1, 5, 1, 1), change)
    assert taken.flatten().tolist() == [0.0, 1.0, 2.0, 3.5]  # two of width, then the classes


def rows_of(name: str, old: Any, change: Change) -> Any:
    layer = CLASS_LAYERS.fullmatch(name)
    assert layer is not None
    return exchanged_rows(layer, torch.full_like(old, -9), old, change)


def test_mixture_counts_the_old_network_predictions(checkpoint: Path) -> None:
    from dataclasses import replace

    from training.data.worlds import sample_from_world

    sample = sample_from_world(FRAMES['drive'](4, 0, 128, 64))
    sample = replace(sample, labels=np.zeros_like(sample.labels))
    graph = DeployGraph(loaded(checkpoint), CONFIG).eval()
    found = class_mixture(graph, [sample], CITYSCAPES_19[:2])
    with torch.inference_mode():
        seen = graph(torch.from_numpy(sample.rgb)[None])['semantic_labels']
    shares = np.bincount(seen.flatten().numpy(), minlength=19) / seen.numel()
    np.testing.assert_allclose(found[0], shares, atol=1e-6)
    assert found[1].argmax() == 1  # without a pixel, the class of its name
