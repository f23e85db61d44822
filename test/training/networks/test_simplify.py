"""Rewrites that need fewer operations for the same numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from training.graphs.simplify import (  # noqa: E402
    chained,
    concatenated_conv,
    normalised_conv,
    simplified,
    split_conv,
)
from training.networks.upsampled_conv import (  # noqa: E402
    UpsampledConv,
    bands,
    interpolation_matrix,
    tap_matrices,
)
from training.networks.zoo import PUBLISHED, TINY, build_on_meta  # noqa: E402
from training.parity import input_image, limit_of, made_up_checkpoint, named_outputs  # noqa: E402
from training.weights.checkpoints import load_network, without_prefix  # noqa: E402

# Issue 6: exported GMAC at most.
MOST_GMAC = {
    'invpt_vitb_nyud': 195,
    'invpt_vitb_pascal': 220,
    'invpt_vitl_nyud': 460,
    'invpt_vitl_pascal': 490,
    'taskprompter_vitb_nyud': 290,
    'taskprompter_vitb_pascal': 460,
    'taskprompter_vitl_nyud': 545,
    'taskprompter_vitl_pascal': 425,
    'taskprompter_swinb_cityscapes3d': 1900,
}


def test_interpolation_of_two_pixels_to_four() -> None:
    expected = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    np.testing.assert_allclose(interpolation_matrix(2, 4), expected)


def test_taps_shift_and_pad_with_zeros() -> None:
    before, at, after = tap_matrices(2, 4, 1)
    assert before.tolist() == [[0, 0], [1, 0], [0.75, 0.25], [0.25, 0.75]]
    assert after.tolist() == [[0.75, 0.25], [0.25, 0.75], [0, 1], [0, 0]]
    np.testing.assert_array_equal(at, interpolation_matrix(2, 4))


def test_bands_cover_everything() -> None:
    whole = np.concatenate(list(tap_matrices(50, 100, 2)), 1).reshape(100, 3, 50)
    outputs = 0
    for low, high, matrix in bands(50, 100, 2):
        part = whole[outputs : outputs + len(matrix)]
        outputs += len(matrix)
        np.testing.assert_array_equal(part[..., low:high].reshape(matrix.shape), matrix)
        assert part.sum() == pytest.approx(matrix.sum())
    assert outputs == 100


@pytest.mark.parametrize(
    ('size', 'enlarged', 'dilation'),
    [
        ((5, 7), (20, 28), 1),
        ((16, 18), (32, 36), 2),
        ((40, 33), (80, 66), 1),
        ((6, 6), (48, 9), 2),
    ],
)
def test_convolution_of_an_enlarged_map(
    size: tuple[int, int], enlarged: tuple[int, int], dilation: int
) -> None:
    torch.manual_seed(0)
    before, conv = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 4, 3, padding=dilation, dilation=dilation)
    x = torch.randn(2, 3, *size)
    fast = UpsampledConv(conv.weight, conv.bias, size, enlarged, dilation, before)
    with torch.no_grad():
        want = conv(F.interpolate(before(x), enlarged, mode='bilinear'))
        assert float((fast(x) - want).abs().max()) < 1e-5 * float(want.std())


def test_linear_layers_merge_into_one() -> None:
    torch.manual_seed(0)
    a, b, mix = nn.Conv2d(2, 3, 1), nn.Conv2d(4, 5, 1), nn.Conv2d(8, 6, 1)
    x, y = torch.randn(1, 2, 3, 3), torch.randn(1, 4, 3, 3)
    want = mix(torch.cat([a(x), b(y)], 1))
    left, right = split_conv(mix, 3)
    found = concatenated_conv([chained(a, left), chained(b, right)])(torch.cat([x, y], 1))
    torch.testing.assert_close(found, want, atol=1e-5, rtol=0)


def test_batch_norm_is_folded_into_the_convolution() -> None:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3).eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    x = torch.randn(1, 2, 5, 5)
    found = F.conv2d(x, *normalised_conv(conv, norm))
    torch.testing.assert_close(found, norm(conv(x)), atol=1e-5, rtol=0)


@pytest.mark.parametrize('name', TINY)
def test_whole_networks(data: Path, name: str) -> None:
    keys = json.loads((data / name / 'keys.json').read_text())
    size = json.loads((data / name / 'meta.json').read_text())['input']
    network, _ = load_network(TINY[name], without_prefix(made_up_checkpoint(keys)))
    image = input_image(size['h'], size['w'], size['batch'])
    with torch.inference_mode():
        want, found = named_outputs(network(image)), named_outputs(simplified(network)(image))
    for key, value in want.items():
        error = float((found[key] - value).abs().max() / value.std())
        assert error < limit_of(TINY[name], key) / 2, key


@pytest.mark.parametrize('name', PUBLISHED)
def test_operations_of_the_published_networks(name: str) -> None:
    network = build_on_meta(PUBLISHED[name]).eval().requires_grad_(False).to('meta')
    fast = simplified(network)
    size = PUBLISHED[name].height_px, PUBLISHED[name].width_px
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        fast(torch.zeros(1, 3, *size, device='meta'))
    assert counter.get_total_flops() / 2e9 <= MOST_GMAC[name]
