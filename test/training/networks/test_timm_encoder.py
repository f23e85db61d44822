"""InvPT on encoders that timm knows by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch')

import training  # noqa: E402, F401, I001  before timm: torchvision without CUDA
import timm  # noqa: E402

from training.graphs.precision import halved_published  # noqa: E402
from training.graphs.simplify import simplified  # noqa: E402
from training.learn import learning_published  # noqa: E402
from training.learn.recompute import recompute_blocks  # noqa: E402
from training.networks.timm_encoder import encoder_shape, rescaling  # noqa: E402
from training.networks.zoo import (  # noqa: E402
    NETWORKS,
    NetworkConfig,
    build,
    resized_config,
    with_encoder,
)
from training.recipes import RECIPES  # noqa: E402
from training.weights.checkpoints import record_of, recorded  # noqa: E402

TINY = NETWORKS['tiny_invpt_nyud']
VIT, PYRAMID = 'test_vit', 'test_convnext'


def on(encoder: str, height_px: int = 64, width_px: int = 128) -> NetworkConfig:
    return resized_config(with_encoder(TINY, encoder), height_px, width_px)


def test_shapes() -> None:
    """DINOv2 has 12 blocks; ConvNeXt's maps are at strides 4 to 32."""
    vit, pyramid = encoder_shape('vit_small_patch14_dinov2'), encoder_shape('convnext_tiny')
    assert (vit.indices, vit.widths, vit.patch_px) == ((2, 5, 8, 11), (384,) * 4, 14)
    assert (pyramid.indices, pyramid.widths, pyramid.patch_px) == ((1, 2, 3), (192, 384, 768), 0)


@pytest.mark.parametrize('encoder', [VIT, PYRAMID])
def test_outputs_gradients_and_rewrites(encoder: str) -> None:
    torch.manual_seed(0)
    network: Any = build(on(encoder)).eval()
    image = torch.randn(1, 3, 64, 128)
    late, early = network(image)
    assert {n: tuple(v.shape) for n, v in late.items()} == {
        n: (1, channels, 64, 128) for n, channels in TINY.tasks
    }
    sum(v.mean() for v in (*late.values(), *early.values())).backward()
    assert all(p.grad is not None for p in network.backbone.parameters())
    with torch.no_grad():
        fast, _ = simplified(network)(image)
        half, _ = halved_published(simplified(network))(image)
    for name, value in late.items():
        torch.testing.assert_close(fast[name], value, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(half[name], value, atol=0.02, rtol=0.02)


def test_recomputed_activations_give_the_same_gradients() -> None:
    torch.manual_seed(0)
    network: Any = build(on(VIT)).eval()
    image, grads = torch.randn(1, 3, 64, 128), []
    for _ in range(2):
        network.zero_grad()
        network(image)[0]['depth'].mean().backward()
        grads.append(network.backbone.model.patch_embed.proj.weight.grad.clone())
        recompute_blocks(network, network.backbone)
    torch.testing.assert_close(*grads)


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    """The position embedding is resampled to the size; other weights are refused."""
    torch.manual_seed(0)
    state = timm.create_model(VIT).state_dict()
    torch.save(state, tmp_path / 'vit.pth')
    recipe = replace(RECIPES['tiny_invpt_nyud'], encoder=VIT, size_px=(64, 128))
    network: Any = learning_published.network_of(recipe)
    learning_published.load_encoder(network, tmp_path / 'vit.pth', recipe)
    got = network.backbone.model.state_dict()
    key = 'blocks.1.mlp.fc1.weight'
    assert torch.equal(got[key], state[key])
    assert got['pos_embed'].shape != state['pos_embed'].shape
    other = replace(recipe, encoder=PYRAMID)
    with pytest.raises(ValueError, match=f"does not hold timm's weights of {PYRAMID}"):
        learning_published.load_encoder(
            learning_published.network_of(other), tmp_path / 'vit.pth', other
        )


def test_an_encoder_with_another_normalisation() -> None:
    """White is (255 - 123.675) / 58.395 to us and (1 - 0.5) / 0.5 = 1 to it."""
    scale, shift = rescaling({'mean': (0.5, 0.5, 0.5), 'std': (0.5, 0.5, 0.5)})
    white = torch.tensor((255 - 123.675) / 58.395)
    assert scale is not None
    assert shift is not None
    torch.testing.assert_close((white * scale + shift)[0, 0, 0], torch.tensor(1.0))
    assert rescaling({'mean': (0.485, 0.456, 0.406), 'std': (0.229, 0.224, 0.225)})[0] is None


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r'has no vit_small_patch14_dinv2; did you mean vit_s'):
        on('vit_small_patch14_dinv2')
    with pytest.raises(ValueError, match=r'multiple of 56, not 576x448; --size-px 448 560 would'):
        on('vit_small_patch14_dinov2', 448, 576)
    with pytest.raises(ValueError, match="TaskPrompter's prompts run through"):
        with_encoder(NETWORKS['tiny_taskprompter_noctr_nyud'], VIT)


def test_a_checkpoint_records_its_encoder() -> None:
    own = replace(RECIPES['tiny_invpt_nyud'], encoder=PYRAMID)
    assert (
        recorded(RECIPES['tiny_invpt_nyud'], record_of(own)).network_config == own.network_config
    )
