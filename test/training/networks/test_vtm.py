"""Visual Token Matching against the authors' numbers, and what its equations promise."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch')

from training import parity  # noqa: E402
from training.networks.vtm import Matching, VTMNetwork  # noqa: E402
from training.networks.vtm_beit import position_index  # noqa: E402
from training.networks.zoo import MATCHING  # noqa: E402
from training.weights import parity_matching  # noqa: E402
from training.weights.matching_checkpoints import load_matching, shape_config  # noqa: E402

NAME = 'tiny_vtm'


def made_up(data: Path) -> tuple[VTMNetwork, tuple[Any, ...]]:
    """The network, and support images, labels, queries and rows of biases."""
    keys = json.loads((data / NAME / 'keys.json').read_text())
    network, _ = load_matching(MATCHING[NAME], parity_matching.made_up_state(keys))
    meta = json.loads((data / NAME / 'meta.json').read_text())
    return network, (*parity_matching.made_up_episode(meta), torch.tensor([meta['t_idx']]))


def test_outputs_are_the_authors(data: Path) -> None:
    worst = parity_matching.matching_errors(data / NAME)
    assert set(worst) == {'logits', 'sigmoid'}
    assert max(worst.values()) < 3e-5  # float32 noise is 5e-6, the limit of the program 1e-4


def test_the_standard_network_is_the_authors_too(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared / 'networks/fixtures/vtm_beitb_vitb'
    if not folder.is_dir():
        pytest.skip('../shared has no reference numbers of vtm_beitb_vitb')
    assert parity.main([str(folder)]) == 0
    assert 'vtm_beitb_vitb                   logits' in capsys.readouterr().out


@pytest.mark.parametrize(('row', 'shows'), [(0, False), (1, True), (2, False), (3, True)])
def test_only_the_biases_of_the_channels_asked_for_matter(
    data: Path, row: int, shows: bool
) -> None:
    network, episode = made_up(data)
    assert episode[3].tolist() == [[1, 3]]
    with torch.inference_mode():
        before = network(*episode)
        network.get_parameter('image_backbone.backbone.beit.blocks.2.mlp.fc1.bias')[row] += 0.3
        changed = (network(*episode) - before).abs().amax((2, 3, 4, 5))[0]
    assert (changed.max() > 1e-3) == shows
    if shows:
        assert changed[1 - [1, 3].index(row)] == 0


def test_another_weight_is_too_large_an_error(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = parity_matching.made_up_state

    def changed(keys: list[list[Any]]) -> dict[str, torch.Tensor]:
        state = right(keys)
        state['matching_module.matching.3.fc_k.weight'] *= 1.01
        return state

    monkeypatch.setattr(parity_matching, 'made_up_state', changed)
    assert parity.main([str(data / NAME)]) == 1
    assert 'TOO LARGE' in capsys.readouterr().out


def test_the_order_of_the_support_does_not_matter(data: Path) -> None:
    network, (support, labels, query, rows) = made_up(data)
    order = [2, 0, 1]
    with torch.inference_mode():
        want = network(support, labels, query, rows)
        got = network(support[:, :, order], labels[:, :, order], query, rows)
        torn = network(support[:, :, order], labels, query, rows)  # labels of other images
    assert (got - want).abs().max() < 1e-5 * want.std()
    assert (torn - want).abs().max() > 0.01 * want.std()


def test_channels_and_queries_do_not_see_one_another(data: Path) -> None:
    network, (support, labels, query, rows) = made_up(data)
    with torch.inference_mode():
        together = network(support, labels, query, rows)
        alone = network(support[:, 1:], labels[:, 1:], query[:, 1:, 1:], rows[:, 1:])
    assert (together[:, 1:, 1:] - alone).abs().max() < 1e-5 * together.std()


def test_a_patch_that_was_shown_gets_its_own_label() -> None:
    torch.manual_seed(0)
    level = Matching(16).eval()
    signs = [[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1], [-1, 1, 1, -1], [-1, 1, -1, 1]]
    shown = torch.tensor(signs).float().repeat(1, 4)[None]  # each head sees five that differ
    labels = torch.randn(1, 5, 16)
    with torch.no_grad():
        for layer in (level.fc_q, level.fc_k):
            layer.weight.copy_(40 * torch.eye(16))  # sharp: a patch finds itself
        found = level(shown, level.keys(shown), level.values(labels))
        own = level.ln(level.fc_v(labels))
        want = own + torch.nn.functional.gelu(level.fc_o(own))
        shuffled = level(shown, level.keys(shown), level.values(labels.roll(1, 1)))
    torch.testing.assert_close(found, want, atol=1e-4, rtol=0)
    assert (shuffled - want).abs().mean() > 0.5


def test_rows_of_the_bias_table() -> None:
    # A grid of 2: nine offsets, then CLS to a patch (9), a patch to CLS (10), CLS to itself (11).
    assert position_index(2).tolist() == [
        [11, 9, 9, 9, 9],
        [10, 4, 3, 1, 0],
        [10, 5, 4, 2, 1],
        [10, 7, 6, 4, 3],
        [10, 8, 7, 5, 4],
    ]


def test_shapes_tell_the_network() -> None:
    for config in MATCHING.values():
        with torch.device('meta'):
            network = VTMNetwork(config)
        assert shape_config(network.state_dict()) == config


def test_parameters_of_the_standard_network() -> None:
    with torch.device('meta'):
        network = VTMNetwork(replace(MATCHING['vtm_beitb_vitb'], bias_rows=5))
    ours = sum(parameter.numel() for parameter in network.parameters())
    # Theirs has 201,745,193; without the label encoder's norm and its head of 1000 classes, and
    # without the unit of the coarsest fusion: two 3x3 convolutions of 256 channels.
    unit = 2 * (256 * 256 * 9 + 256)
    assert 201_745_193 - ours == 2 * 768 + 1000 * 769 + unit


def test_a_label_of_another_size_has_its_positions_resampled(data: Path) -> None:
    network, _ = made_up(data)
    encoder = network.label_side.pretrained['model']
    with torch.no_grad():
        encoder.pos_embed[:, 1:] = 2.5  # constant: resampling leaves it
        assert encoder.positions((3, 6)).shape == (1, 19, 48)
        assert torch.allclose(encoder.positions((3, 6))[:, 1:], torch.tensor(2.5))
        maps = network.label_side.encode(torch.zeros(1, 1, 48, 96))
    assert [tuple(m.shape) for m in maps] == [(1, 48, 3, 6)] * 4
