"""The street teacher: shapes, layers by hand, and the published logits where the weights are."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch')

from training.networks.espnetv2 import (  # noqa: E402
    Eesp,
    EspNetV2,
    at_scale,
    pooled,
    shuffled,
)
from training.unlabelled.teachers import street_teacher  # noqa: E402
from training.weights.checkpoint_store import CheckpointError  # noqa: E402

WEIGHTS = Path(__file__).parents[4] / 'shared/data/teachers/espnetv2_s_2.0_city_1024x512.pth'


def test_twenty_logits_at_the_size_of_the_image() -> None:
    network = EspNetV2().eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 20, 64, 96)
    assert sum(p.numel() for p in network.parameters()) == 789_242


def test_pooling_counts_the_padding() -> None:
    found = pooled(torch.full((1, 1, 4, 4), 9.0))[0, 0]
    assert found.tolist() == [[4.0, 6.0], [6.0, 9.0]]  # 4, 6 and 9 pixels of nine


def test_shuffle_deals_the_branches_out() -> None:
    x = torch.arange(6.0)[None, :, None, None]  # two branches of three channels
    assert shuffled(x, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]


def test_pyramid_sums_its_branches_one_after_the_other() -> None:
    block: Any = Eesp(4, 16, (1, 2, 3, 4), 2)
    block.proj_1x1 = torch.nn.Identity()
    for branch in block.spp_dw:
        torch.nn.init.zeros_(branch.conv.weight)
        branch.conv.weight.data[:, :, 1, 1] = 1  # each copies its input
    seen: list[Any] = []
    block.br_after_cat.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    with torch.inference_mode():
        block.eval()(torch.ones(1, 4, 5, 5))
    assert seen[0][0, :, 0, 0].tolist() == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4


def test_a_pooled_branch_keeps_a_flat_map() -> None:
    x = torch.full((1, 2, 20, 30), 3.0)
    for scale in (2.0, 1.0, 0.1):
        assert at_scale(x, scale, torch.nn.Identity()).allclose(x)


def test_other_weights_are_refused_in_a_sentence(tmp_path: Path) -> None:
    torch.save({'a': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match='does not hold the weights of EspNetV2'):
        street_teacher(tmp_path / 'other.pth')


@pytest.mark.skipif(not WEIGHTS.exists(), reason='shared/data/teachers is not here')
def test_published_weights_give_the_published_logits() -> None:
    channel, row, column = torch.meshgrid(
        torch.arange(3), torch.arange(256), torch.arange(512), indexing='ij'
    )
    image = torch.sin(0.01 * (channel + 1) * (column + 2 * row))[None]
    with torch.inference_mode():
        logits = street_teacher(WEIGHTS)(image)
    assert float(logits.mean()) == pytest.approx(0.021685, abs=1e-5)
    assert float(logits.max()) == pytest.approx(14.60443, abs=1e-3)
    assert logits[0, :3, 128, 256].tolist() == pytest.approx([8.1104, 3.1003, -2.1145], abs=1e-3)
