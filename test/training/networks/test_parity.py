"""The tiny published networks give the authors' numbers; training/parity.py checks the others."""

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from training import parity  # noqa: E402
from training.networks.detection3d import DeformableConv  # noqa: E402
from training.networks.zoo import (  # noqa: E402
    NETWORKS,
    PUBLISHED,
    TINY,
    build_on_meta,
    resized_config,
)
from training.weights.checkpoints import load_network  # noqa: E402


@pytest.mark.parametrize('name', TINY)
def test_outputs_equal_the_authors_numbers(name: str, data: Path) -> None:
    worst = parity.errors(data / name, TINY[name])
    assert worst
    for output, error in worst.items():
        assert error < parity.limit_of(TINY[name], output), output


def test_a_changed_weight_is_detected(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up = parity.made_up_checkpoint

    def changed(keys: list) -> dict:
        state = made_up(keys)
        state['module.backbone.blocks.0.attn.qkv.bias'] += 0.01
        return state

    monkeypatch.setattr(parity, 'made_up_checkpoint', changed)
    assert parity.main([str(data / 'tiny_invpt_nyud')]) == 1
    assert 'TOO LARGE' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('name', 'millions'),
    [
        ('invpt_vitb_pascal', 176.347794),
        ('taskprompter_vitb_pascal', 418.332214),
        ('taskprompter_swinb_cityscapes3d', 303.665146),
    ],
)
def test_number_of_parameters_without_unused_ones(name: str, millions: float) -> None:
    ours = sum(p.numel() for p in build_on_meta(PUBLISHED[name]).parameters()) / 1e6
    assert 0 <= millions - ours < 6


def test_deformable_convolution_without_offsets_is_half_a_convolution() -> None:
    torch.manual_seed(0)
    layer = DeformableConv(4)
    torch.nn.init.zeros_(layer.conv_offset.weight)
    torch.nn.init.zeros_(layer.conv_offset.bias)  # modulation sigmoid(0) = 1/2
    torch.nn.init.normal_(layer.weight)
    x = torch.randn(2, 4, 5, 7)
    plain = torch.nn.functional.conv2d(x, layer.weight, padding=1) / 2
    torch.testing.assert_close(layer(x), plain, atol=1e-5, rtol=0)


def test_invpt_runs_at_another_size_and_taskprompter_refuses(data: Path) -> None:
    import json

    keys = json.loads((data / 'tiny_invpt_nyud/keys.json').read_text())
    state = {k.removeprefix('module.'): v for k, v in parity.made_up_checkpoint(keys).items()}
    state['backbone.pos_embed'] = torch.ones(1, 24 * 24 + 1, 48)  # ImageNet's grid
    network, _ = load_network(resized_config(NETWORKS['tiny_invpt_nyud'], 64, 128), state)
    assert torch.allclose(network.get_parameter('backbone.pos_embed'), torch.ones(1, 33, 48))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 128))[0]['depth'].shape == (1, 1, 64, 128)
    with pytest.raises(ValueError, match='cannot run at 640x480'):
        resized_config(NETWORKS['taskprompter_vitb_nyud'], 480, 640)
    with pytest.raises(ValueError, match='multiple of 64'):
        resized_config(NETWORKS['invpt_vitb_nyud'], 480, 640)
