"""Released checkpoints → model files: what is refused, and that a model file gives our numbers."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_answers import check_opset_17_and_batches

torch = pytest.importorskip('torch')

from mtscene_ros.estimator import open_estimator  # noqa: E402
from mtscene_ros.types import CameraFrame, DepthMap, Intrinsics  # noqa: E402
from training.graphs.deploy_published import PublishedGraph  # noqa: E402
from training.import_checkpoint import main  # noqa: E402
from training.networks.detection3d import DeformableConv  # noqa: E402
from training.networks.zoo import TINY  # noqa: E402
from training.parity import made_up_checkpoint  # noqa: E402
from training.weights.checkpoints import CheckpointError, load_network, read_checkpoint  # noqa: E402

NAME = 'tiny_invpt_nyud'


@pytest.fixture
def state(data: Path) -> dict[str, Any]:
    return made_up_checkpoint(json.loads((data / NAME / 'keys.json').read_text()))


def test_every_wrong_entry_is_named(
    state: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del state['module.backbone.norm.bias']
    state['module.extra.weight'] = torch.zeros(2, 3)
    state['module.heads.edge.linear_pred.bias'] = torch.zeros(7)
    torch.save({'model': state, 'epoch': 3}, tmp_path / 'a.pth')
    out = tmp_path / 'm.onnx'
    assert main([str(tmp_path / 'a.pth'), '--model', NAME, '-o', str(out)]) == 2
    printed = capsys.readouterr().err
    assert '1 missing: backbone.norm.bias 48.' in printed
    assert '1 unexpected: extra.weight 2x3.' in printed
    assert '1 misshapen: heads.edge.linear_pred.bias is 7, not 1.' in printed
    assert not out.exists()


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (eval, ('open("/tmp/mtscene_was_here", "w")',))


def test_a_file_with_code_is_not_run(tmp_path: Path) -> None:
    torch.save({'model': {'a': Hostile()}}, tmp_path / 'zip.pth')
    (tmp_path / 'plain.pth').write_bytes(pickle.dumps({'model': Hostile()}, protocol=2))
    for name in ('zip.pth', 'plain.pth'):
        with pytest.raises(CheckpointError, match=r'code or objects \S+ tensors') as caught:
            read_checkpoint(tmp_path / name)
        assert '\n' not in str(caught.value)
    assert not Path('/tmp/mtscene_was_here').exists()


@pytest.mark.parametrize('content', [b'', b'hello, this is text', b'PK\x03\x04broken'])
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'x.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match='not a checkpoint') as caught:
        read_checkpoint(tmp_path / 'x.pth')
    assert '\n' not in str(caught.value)


def test_numbers_of_a_scheduler_are_harmless(tmp_path: Path) -> None:
    scheduler = {'best': np.float64(3.5)}
    torch.save({'model': {'module.a': torch.ones(1)}, 'scheduler': scheduler}, tmp_path / 'x.pth')
    assert read_checkpoint(tmp_path / 'x.pth') == {'a': torch.ones(1)}


def test_a_file_without_weights_and_a_missing_one(tmp_path: Path) -> None:
    torch.save({'epoch': 3}, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='no state dictionary'):
        read_checkpoint(tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='does not exist'):
        read_checkpoint(tmp_path / 'y.pth')


@pytest.mark.filterwarnings('ignore::FutureWarning', 'ignore::DeprecationWarning')
def test_model_file(
    state: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({'model': state, 'optimizer': {}, 'iter_count': 40000}, tmp_path / 'a.pth')
    path = tmp_path / 'm.onnx'
    how = ['--model', NAME, '-o', str(path), '--opset', '17']
    assert main([str(tmp_path / 'a.pth'), *how]) == 0
    check_opset_17_and_batches(path)
    assert 'multi_task_decoder.scale_embed.2.weight' in capsys.readouterr().out
    rgb = np.random.default_rng(0).integers(0, 256, (128, 192, 3), np.uint8)
    frame = CameraFrame(rgb, Intrinsics(192, 128, 518.8579, 518.8579, 96, 64), 0, 'camera')
    results = open_estimator(str(path)).estimate([frame])[0].results
    assert set(results) == {'semantic', 'depth', 'normals', 'boundary'}
    depth = results['depth']
    network, _ = load_network(TINY[NAME], read_checkpoint(tmp_path / 'a.pth'))
    with torch.inference_mode():
        want = PublishedGraph(network, TINY[NAME])(torch.from_numpy(rgb[None]))['depth'][0]
    assert isinstance(depth, DepthMap)
    near = want.numpy() > 0.11
    np.testing.assert_allclose(depth.depth_m[near], want.numpy()[near], atol=1e-4)


@pytest.mark.filterwarnings('ignore::FutureWarning', 'ignore::DeprecationWarning')
def test_deformable_convolution_in_onnx(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(0)
    layer = DeformableConv(8).eval()
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, std=0.3)  # offsets of several pixels, also off the map
    x = torch.randn(2, 8, 6, 9)
    torch.onnx.export(layer, (x,), tmp_path / 'd.onnx', dynamo=True, opset_version=18)
    session = onnxruntime.InferenceSession(tmp_path / 'd.onnx')
    got = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    np.testing.assert_allclose(got, layer(x).detach().numpy(), atol=1e-4)
