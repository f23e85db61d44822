import copy

import pytest

torch = pytest.importorskip('torch')

from torch.autograd.graph import saved_tensors_hooks  # noqa: E402

from training.config import CONFIGS  # noqa: E402
from training.learn.recompute import recompute_blocks  # noqa: E402
from training.networks.decoders import compact_network  # noqa: E402


def run(network: torch.nn.Module) -> tuple[torch.Tensor, int]:
    """Returns the loss of one step and the bytes that its graph keeps."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    image = torch.randn(2, 3, 64, 128, generator=torch.Generator().manual_seed(1))
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        late, early = network(image)
        loss = sum(p.square().mean() for p in [*late.values(), *early.values()])
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    return loss.detach(), sum(kept.values())


@pytest.mark.parametrize('name', ['test', 'test_prompts'])
def test_same_gradients_and_statistics_from_less_memory(name: str) -> None:
    torch.manual_seed(0)
    network = compact_network(CONFIGS[name])
    other = copy.deepcopy(network)
    assert recompute_blocks(other, other.encoder) > 20
    loss, kept = run(network)
    same, less = run(other)
    assert loss == same
    for p, q in zip(network.parameters(), other.parameters(), strict=True):
        assert (p.grad is None and q.grad is None) or torch.equal(p.grad, q.grad)
    assert all(map(torch.equal, network.buffers(), other.buffers()))
    assert less < kept / 2
