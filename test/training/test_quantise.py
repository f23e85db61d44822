from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.backends.proof import stored_test  # noqa: E402
from mtscene_ros.estimator import open_estimator  # noqa: E402
from mtscene_ros.models.about import About, about_of  # noqa: E402
from mtscene_ros.models.onnx_file import metadata_of  # noqa: E402
from mtscene_ros.worlds.drive import drive_frame  # noqa: E402
from training.config import CONFIGS  # noqa: E402
from training.graphs.deploy import DeployGraph, spec_of  # noqa: E402
from training.graphs.onnx_export import write_onnx  # noqa: E402
from training.graphs.own_images import frames_of, spread  # noqa: E402
from training.networks.decoders import compact_network  # noqa: E402
from training.quantise import last_layers, main  # noqa: E402

# torch.onnx of torch 2.13 calls functions that Python and torch deprecate.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a small model and ten images."""
    made = tmp_path_factory.mktemp('int8')
    torch.manual_seed(0)
    graph = DeployGraph(compact_network(CONFIGS['test']), CONFIGS['test']).eval()
    about = About(licence='MIT', scores={'depth.abs_rel': 0.5})
    write_onnx(graph, spec_of(graph, '1', 'abc'), made / 'model.onnx', about=about)
    (made / 'images').mkdir()
    for index in range(10):
        bgr = drive_frame(3, index, 128, 64).rgb[:, :, ::-1]
        cv2.imwrite(str(made / 'images' / f'{index}.png'), bgr)
    return made


def test_int8_file_agrees_with_its_source(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / 'int8.onnx'
    images = ['--images', str(folder / 'images')]
    assert main([str(folder / 'model.onnx'), '-o', str(out), *images]) == 0
    kinds = [node.op_type for node in onnx.load(out).graph.node]
    assert kinds.count('QuantizeLinear') > 5
    assert open_estimator(str(out), 'onnxruntime').spec.name == 'test'
    assert about_of(out, metadata_of(out)) == About(licence='MIT')  # without the source's scores
    test = stored_test(out)
    assert test is not None
    assert {answer.task for answer in test.answers} == {'semantic', 'depth', 'boxes3d'}
    printed = capsys.readouterr().out
    assert (folder / 'int8.agreement.md').read_text() in printed
    assert 'on 2 images' in printed
    [line] = [text for text in printed.splitlines() if 'equal labels' in text]
    assert 0.8 < float(line.split('|')[3]) < 1


def test_last_layers_are_the_heads(folder: Path) -> None:
    model = onnx.load(folder / 'model.onnx')
    weights = {node.name: node.input[1] for node in model.graph.node if node.op_type == 'Conv'}
    found = {weights[name] for name in last_layers(model)}
    assert found == {f'network.heads.{t}.weight' for t in ('semantic', 'depth', 'boxes3d')}


def test_images_are_spread_over_the_whole_recording() -> None:
    assert spread(10, 3) == {0, 4, 9}
    assert spread(3, 10) == {0, 1, 2}


def test_too_few_images_and_a_broken_one_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='holds 0 usable images; give at least 5'):
        frames_of(tmp_path, 10, least=5)
    (tmp_path / 'bad.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'bad\.png is not an image that'):
        frames_of(tmp_path, 10)
    assert np.array_equal(frames_of(folder / 'images', 5)[0].rgb, drive_frame(3, 0, 128, 64).rgb)
