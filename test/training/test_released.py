"""A released checkpoint, fine-tuned on a user's own classes, becomes a model that names them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from training import evaluate, train  # noqa: E402
from training.graphs.deploy_published import default_camera, task_options  # noqa: E402
from training.networks.zoo import NETWORKS, build, with_classes  # noqa: E402
from training.weights.checkpoint_store import CheckpointError  # noqa: E402
from training.weights.checkpoints import own_classes  # noqa: E402

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
    assert (
        f'of the semantic classes start afresh, for {classes} classes' in capsys.readouterr().err
    )
    scores = evaluate.main([NAME, str(last), *data])
    assert sum(name[:4] == 'iou ' for name in scores['semantic']) == classes
    recorded = own_classes(last)
    config = with_classes(NETWORKS[NAME], classes)
    options_of = task_options(config, default_camera(config), recorded)
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
