"""A released checkpoint, fine-tuned on a user's own classes, becomes a model that names them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from training import adapt, evaluate, train  # noqa: E402
from training.graphs.deploy_published import (  # noqa: E402
    PublishedGraph,
    default_camera,
    published_spec,
    task_options,
)
from training.networks.zoo import NETWORKS, build, with_classes  # noqa: E402
from training.recipes import RECIPES  # noqa: E402
from training.weights.checkpoint_store import CheckpointError  # noqa: E402
from training.weights.checkpoints import load_network, recorded  # noqa: E402
from training.weights.released_files import read_record, read_released  # noqa: E402

NAME = 'tiny_invpt_nyud'


@pytest.fixture(scope='module')
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the authors save it."""
    torch.manual_seed(0)
    state = {f'module.{k}': v for k, v in build(NETWORKS[NAME]).state_dict().items()}
    path = tmp_path_factory.mktemp('released') / 'r.pth'
    torch.save({'model': state, 'epoch': 3}, path)
    return path


def manifest(folder: Path, classes: int) -> Path:
    ids = (np.arange(192) % classes).astype(np.uint8)[None].repeat(128, 0)
    cv2.imwrite(str(folder / 'ids.png'), ids)
    cv2.imwrite(str(folder / 'a.png'), ids[..., None].repeat(3, 2) * 9)
    names = ', '.join(f'own{k}' for k in range(classes))
    row = '{image: a.png, semantic: ids.png'
    text = f'semantic: [{names}]\nframes:\n  - {row}}}\n  - {row}, split: val}}\n'
    (folder / 'm.yaml').write_text(text)
    return folder / 'm.yaml'


@pytest.mark.parametrize('classes', [13, 21])
def test_own_classes(
    released: Path, tmp_path: Path, classes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """21 is also the number of PASCAL's classes: names decide, not numbers."""
    path = manifest(tmp_path, classes)
    data = ['--data-set', 'manifest', '--data', str(path)]
    options = ['--weights', str(released), '--out', str(tmp_path / 'r'), '--workers', '0']
    last = train.main([NAME, *data, *options, '--steps', '1'])
    said = f'0 of {classes} classes keep what the checkpoint knows, none of the same name'
    assert said in capsys.readouterr().err
    scores = evaluate.main([NAME, str(last), *data])
    assert sum(name[:4] == 'iou ' for name in scores['semantic']) == classes
    own = recorded(RECIPES[NAME], read_released(last).adapted)
    config = with_classes(NETWORKS[NAME], classes)
    options_of = task_options(config, default_camera(config), own.classes)
    assert [c['name'] for c in options_of['semantic']['classes']][12] == 'own12'


def test_the_papers_classes_keep_their_weights(released: Path, tmp_path: Path) -> None:
    (tmp_path / 'x').mkdir()
    path = manifest(tmp_path / 'x', 1)
    path.write_text(path.read_text().replace('own0', 'lamp'))
    data = ['--data-set', 'manifest', '--data', str(path), '--workers', '0']
    rate = ['--learning-rate', '1e-12', '--weights', str(released), '--steps', '1']
    last = train.main([NAME, *data, *rate, '--out', str(tmp_path / 'r')])
    got = torch.load(last, weights_only=True)['network']
    want = torch.load(released, weights_only=True)['model']
    key = next(k for k in got if 'semseg' in k and k.endswith('linear_pred.weight'))
    torch.testing.assert_close(got[key], want[f'module.{key}'], atol=1e-6, rtol=0)


def test_weights_of_another_network(released: Path, tmp_path: Path) -> None:
    data = ['--data-set', 'manifest', '--data', str(manifest(tmp_path, 13))]
    options = ['--weights', str(released), '--out', str(tmp_path / 'r'), '--steps', '1']
    with pytest.raises(CheckpointError, match=r'does not fit the network: .* missing: '):
        train.main(['tiny_taskprompter_noctr_nyud', *data, *options])


@pytest.fixture(scope='module')
def thirteen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames with a patch of each of 13 classes, whose shade says the class; no depth."""
    folder = tmp_path_factory.mktemp('thirteen')
    rows = ''
    for k in range(6):
        ids = np.random.default_rng(k).permutation(13).astype(np.uint8)
        ids = np.append(ids, ids[:5]).reshape(3, 6).repeat(32, 1).repeat(42, 0)
        cv2.imwrite(str(folder / f'{k}.png'), ids)
        cv2.imwrite(str(folder / f'{k}.jpg'), np.stack([ids * 19, 250 - ids * 19, ids * 7], 2))
        split = 'val' if k > 3 else 'train'
        rows += f'\n  - {{image: {k}.jpg, semantic: {k}.png, split: {split}}}'
    names = ['wall', 'lamp', *(f'own{k}' for k in range(2, 13))]
    (folder / 'm.yaml').write_text(f'semantic: [{", ".join(names)}]\nframes:{rows}\n')
    return folder / 'm.yaml'


def test_adapting_a_released_checkpoint(
    released: Path, thirteen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One task, another size, 13 classes of which two are known; the model file names them."""
    out = ['--out', str(tmp_path / 'r'), '--weights', str(released), '--model', NAME]
    how = ['--learning-rate', '1e-3', '--steps', '48', '--log-every', '1', '--threads', '1']
    size = ['--tasks', 'semantic', '--size-px', '64', '128', '--metric', 'semantic.miou']
    found = adapt.main([str(thirteen), *out, *how, *size])
    assert found['before']['semantic']['miou'] < 2 < found['after']['semantic']['miou']  # percent
    entries = [json.loads(line) for line in (tmp_path / 'r/log.jsonl').read_text().splitlines()]
    losses = [entry['semseg'] for entry in entries]
    assert np.mean(losses[-16:]) < np.mean(losses[:16]) - 0.05
    said = capsys.readouterr().err
    assert '2 of 13 classes keep what the checkpoint knows, wall and lamp by the same name' in said
    assert 'the network has not: depth, normals and edge' in said
    file = read_released(tmp_path / 'r/best.pt')
    recipe = recorded(RECIPES[NAME], file.adapted)
    network, _ = load_network(recipe.network_config, file.state)
    graph = PublishedGraph(network, recipe.network_config).eval()
    camera = default_camera(recipe.network_config)
    spec = published_spec(graph, NAME, '1', '', camera, recipe.classes)
    assert [c['name'] for c in spec.tasks['semantic']['classes']][:3] == ['wall', 'lamp', 'own2']
    assert (spec.input.shape, list(spec.tasks)) == ((-1, 64, 128, 3), ['semantic'])


def test_adapt_needs_the_name_of_a_foreign_network(released: Path, thirteen: Path) -> None:
    with pytest.raises(CheckpointError, match='does not say which network it is of; add --model'):
        adapt.main([str(thirteen), '--out', 'x', '--weights', str(released)])


def test_another_encoder(thirteen: Path, tmp_path: Path) -> None:
    """The checkpoint says what it is: it is scored and trained further without options."""
    data = ['--data-set', 'manifest', '--data', str(thirteen), '--workers', '0']
    size = ['--size-px', '64', '128', '--tasks', 'semantic', '--steps', '1']
    run = [*data, *size, '--encoder', 'test_convnext', '--out', str(tmp_path / 'r')]
    last = train.main([NAME, *run])
    scores = evaluate.main([NAME, str(last), *data[:4]])
    assert len([name for name in scores['semantic'] if name[:4] == 'iou ']) == 13
    further = [str(thirteen), '--weights', str(last), '--out', str(tmp_path / 's')]
    adapt.main([*further, '--steps', '1', '--threads', '1'])
    _, record = read_record(tmp_path / 's/last.pt')
    assert (record['encoder'], record['tasks'], record['size_px']) == (
        'test_convnext', ['semseg'], [64, 128]
    )  # fmt: skip
    start = ['--weights', str(last), '--out', str(tmp_path / 't'), '--steps', '1']
    with pytest.raises(CheckpointError, match='its encoder is test_convnext, not that of the pap'):
        train.main([NAME, *data, *start])
