"""The compact network's shapes, and what its tasks learn from one another."""

from collections.abc import Iterator

import pytest

torch = pytest.importorskip('torch')

from training.config import CONFIGS  # noqa: E402
from training.networks.compact import CompactNetwork  # noqa: E402
from training.tasks import TASKS  # noqa: E402

CONFIG = CONFIGS['test']


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_shapes() -> None:
    late, early = CompactNetwork(CONFIG).eval()(torch.zeros(2, 3, 64, 128))
    for name in CONFIG.tasks:
        preliminary, final = TASKS[name].channels(CONFIG)
        assert early[name].shape == (2, preliminary, 4, 8)
        assert late[name].shape == (2, final, 16, 32)


def test_each_task_depends_on_the_others() -> None:
    network = CompactNetwork(CONFIG).eval()
    image = torch.rand(1, 3, 64, 128)
    before, early_before = network(image)
    network.mix['depth'].bias += torch.randn(CONFIG.widths[0])  # changes only the tokens of depth
    after, early_after = network(image)
    assert torch.equal(early_before['semantic'], early_after['semantic'])
    assert not torch.allclose(before['semantic'], after['semantic'])


def test_message_grows_along_the_queries_only() -> None:
    stage = CompactNetwork(CONFIG).stage_8
    # (B, heads, T h w, K): key k has the value k
    message = torch.arange(6.0).repeat(1, 2, 3 * 2 * 4, 1)
    grown = stage.enlarged(message, 2, 4)
    assert grown.shape == (1, 2, 3 * 4 * 8, 6)
    assert torch.equal(grown[0, 1, 5], torch.arange(6.0))


def test_tokens_and_maps_are_inverse() -> None:
    stage = CompactNetwork(CONFIG).stage_8
    maps = torch.rand(2, 3 * 8, 4, 6)
    tokens = stage.tokens(maps)
    assert torch.equal(tokens[0, 24 + 7, 5], maps[0, 8 + 5, 1, 1])  # task 1, row 1, column 1
    assert torch.equal(stage.maps(tokens, 4, 6), maps)
