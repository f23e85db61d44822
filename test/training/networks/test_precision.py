"""Published networks in half precision, and the table that compares a file with its network."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

torch = pytest.importorskip('torch')

from benchmarks.half_precision import Rounding  # noqa: E402
from mtscene_ros.models.catalogue import BUNDLED_MODEL  # noqa: E402
from training.config import CONFIGS  # noqa: E402
from training.graphs.deploy_published import PublishedGraph  # noqa: E402
from training.graphs.precision import Rounded, fold_norms, halved, halved_published  # noqa: E402
from training.graphs.simplify import simplified  # noqa: E402
from training.import_checkpoint import main  # noqa: E402
from training.networks.decoders import compact_network  # noqa: E402
from training.networks.zoo import TINY  # noqa: E402
from training.parity import made_up_checkpoint  # noqa: E402
from training.weights.checkpoints import load_network  # noqa: E402
from training.weights.model_weights import graph_from_model  # noqa: E402


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    made_up = made_up_checkpoint(json.loads((folder / 'keys.json').read_text()))
    return {key.removeprefix('module.'): value for key, value in made_up.items()}


@pytest.mark.parametrize('name', sorted(TINY))
def test_half_precision_gives_the_same_results(name: str, data: Path) -> None:
    network, _ = load_network(TINY[name], state_of(data / name))
    half = halved_published(simplified(network))
    size = (1, TINY[name].height_px, TINY[name].width_px, 3)
    rgb = torch.from_numpy(np.random.default_rng(0).integers(0, 256, size, np.uint8))
    with torch.inference_mode():
        want, got = (PublishedGraph(n, TINY[name])(rgb) for n in (network, half))
    for output, value in want.items():
        if output.endswith('_labels'):
            assert (value == got[output]).float().mean() >= 0.995
        elif output.endswith('_confidence'):
            assert (value.float() - got[output].float()).abs().mean() <= 1
        else:
            assert got[output].dtype == torch.float32
            assert (value - got[output]).abs().mean() <= 2e-3 * value.abs().max()


def test_raw_products_beyond_float16_stay_harmless(data: Path) -> None:
    name = 'tiny_taskprompter_noctr_nyud'
    weights = state_of(data / name)
    weights['backbone.task_prompts'] *= 1e3
    for level in range(4):
        weights[f'backbone.blocks.{level}.attn.qkv.weight'] *= (
            80  # makes the products 6400 times as large
        )
    for key in weights:  # as training would have adapted to them
        if '.fea_fuse.' in key and key.endswith('running_var'):
            weights[key] *= 6400.0**2
    network, _ = load_network(TINY[name], weights)
    fast = simplified(network)
    image = torch.rand(1, 3, TINY[name].height_px, TINY[name].width_px)
    seen: list[float] = []
    block = fast.get_submodule('backbone.blocks.0')
    block.register_forward_hook(lambda _m, _i, out: seen.append(out[2].spatial.abs().max().item()))
    with torch.inference_mode():
        fast(image)
        found = halved_published(fast)(image.half())
    assert max(seen) > 65504  # float16's largest number
    assert all(torch.isfinite(value).all() for value in found.values())


def test_values_beyond_float16_saturate() -> None:
    body = torch.nn.Conv2d(1, 1, 1, bias=False)
    body.weight.data.fill_(1.0)
    found = Rounded(body.half())(torch.tensor([[[[1e6, -1e6, 3.0]]]]))
    assert found.flatten().tolist() == [65504.0, -65504.0, 3.0]


@pytest.mark.parametrize('name', ['test', 'test_prompts'])
def test_a_compact_encoder_is_float32_down_to_stride_8(name: str) -> None:
    torch.manual_seed(0)
    half = halved(compact_network(CONFIGS[name]).eval())
    kinds = {p.split('.inner')[0]: q.dtype for p, q in half.named_parameters()}
    fine = {f'encoder.{part}' for part in ('conv_stem', 'blocks.0', 'blocks.1')}
    assert all(kinds[part] == torch.float32 for part in (*fine, 'heads.depth', 'skip_4.depth'))
    assert all(kinds[part] == torch.float16 for part in ('encoder.blocks.2', 'refine_4.depth'))
    late, _ = half(torch.randn(1, 3, 64, 128))
    assert all(v.dtype == torch.float32 and v.isfinite().all() for v in late.values())


def test_the_bundled_model_is_restored() -> None:
    path = Path(BUNDLED_MODEL)
    graph = graph_from_model(path)  # raises if network and file disagree
    assert graph.config.name == 'drive_lite'
    with pytest.raises(ValueError, match=r'drive_lite.onnx has no network\.\S+ of shape'):
        graph_from_model(path, CONFIGS['drive_small'])


def test_rounding_computes_in_float32_and_rounds_once() -> None:
    a = torch.tensor([[1000.0, 1.0]]).half()
    b = torch.tensor([[60.0], [0.1]]).half()
    c = torch.randn(1, 2, dtype=torch.float16)
    with Rounding() as rounding:
        assert (a @ b).item() == 60000  # of 60000.1
        assert (c + torch.ones(1, 2)).dtype == torch.float32
        assert torch.equal(c.clone().relu_(), c.clamp(min=0))
        torch.ones(2, 3) @ torch.ones(3, 1)
    assert rounding.macs == {'fp16': 2, 'fp32': 6}


def test_norms_are_folded_into_the_convolution_before() -> None:
    torch.manual_seed(0)
    pair = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
    pair[1].running_var.uniform_(1e-6, 2)  # type: ignore[operator, union-attr]
    x = torch.randn(1, 3, 8, 8)
    want = pair(x)
    fold_norms(pair)
    assert isinstance(pair[1], torch.nn.Identity)
    torch.testing.assert_close(pair(x), want, atol=1e-3, rtol=1e-4)


@pytest.mark.trust
@pytest.mark.filterwarnings('ignore::FutureWarning', 'ignore::DeprecationWarning')
def test_imported_file_in_half_precision_has_a_table_beside_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, path = 'tiny_taskprompter_ctr_pascal', tmp_path / 'm.onnx'
    weights = state_of(data / name)
    torch.save(weights, tmp_path / 'a.pth')
    cv2.imwrite(str(tmp_path / 'mine.png'), np.full((90, 120, 3), 200, np.uint8))
    how = ['--model', name, '-o', str(path), '--precision', 'fp16', '--images', str(tmp_path)]
    assert main([str(tmp_path / 'a.pth'), *how]) == 0
    text = (tmp_path / 'm.agreement.md').read_text()
    assert text in capsys.readouterr().out
    [labels] = [line for line in text.splitlines() if '| random | semantic_labels' in line]
    assert float(labels.split('|')[3].split()[0]) >= 99.5
    assert '| own | saliency |' in text
    kinds = {tensor.data_type for tensor in onnx.load(path).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds
