"""The prompt decoder: shapes, gradients, effect of the prompts, other input sizes."""

import pytest

torch = pytest.importorskip('torch')

from training.config import CONFIGS, resized  # noqa: E402
from training.networks.compact_prompts import CompactPromptNetwork, pooled  # noqa: E402
from training.networks.decoders import NETWORKS, compact_network, load_weights  # noqa: E402
from training.tasks import TASKS  # noqa: E402

CONFIG = CONFIGS['test_prompts']


@pytest.mark.parametrize('size_px', [(64, 128), (96, 32)])
def test_shapes(size_px: tuple[int, int]) -> None:
    height, width = size_px
    with torch.no_grad():
        network = compact_network(resized(CONFIG, height, width)).eval()
        late, early = network(torch.zeros(2, 3, height, width))
    for name in CONFIG.tasks:
        preliminary, final = TASKS[name].channels(CONFIG)
        assert early[name].shape == (2, preliminary, height // 16, width // 16)
        assert late[name].shape == (2, final, height // 4, width // 4)


def test_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    network = CompactPromptNetwork(CONFIG)
    late, early = network(torch.randn(2, 3, 64, 128))
    torch.stack([v.square().mean() for v in (*late.values(), *early.values())]).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_prompt_changes_its_own_task_and_the_others() -> None:
    torch.manual_seed(0)
    network = CompactPromptNetwork(CONFIG).eval()
    image = torch.rand(1, 3, 64, 128)
    with torch.no_grad():
        before, _ = network(image)
        network.prompts[:, 1] += torch.randn(CONFIG.widths[0])
        after, _ = network(image)
    assert not torch.allclose(before['depth'], after['depth'])
    assert not torch.allclose(before['semantic'], after['semantic'])  # reweighted by attention


def test_pooling_leaves_the_prompts_unchanged() -> None:
    tokens = torch.tensor([7.0, 9.0, 0.0, 2.0, 10.0, 10.0, 4.0, 6.0, 10.0, 14.0])[None, :, None]
    found = pooled(tokens, 2, (2, 4))  # patches 0 2 10 10 / 4 6 10 14
    assert found.flatten().tolist() == [7.0, 9.0, 3.0, 11.0]


@pytest.mark.parametrize('decoder', NETWORKS)
def test_weights_of_another_size_load(decoder: str) -> None:
    config = {'invpt': CONFIGS['test'], 'taskprompter': CONFIG}[decoder]
    trained = compact_network(config)
    torch.nn.init.constant_(trained.position, 0.25)
    larger = compact_network(resized(config, 96, 160))
    load_weights(larger, trained.state_dict())
    assert larger.position.shape == (1, 16, 6, 10)
    torch.testing.assert_close(larger.position.detach(), torch.full((1, 16, 6, 10), 0.25))
    assert torch.equal(larger.from_16[0].weight, trained.from_16[0].weight)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r'not 100x64; 96x64 would do'):
        resized(CONFIG, 64, 100)


def test_an_unknown_decoder_is_refused() -> None:
    with pytest.raises(ValueError, match="'fpn' does not exist"):
        type(CONFIG)('other', decoder='fpn')
