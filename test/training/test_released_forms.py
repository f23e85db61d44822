"""Checkpoints as others save them, and networks with other classes, tasks or input sizes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch')

from training.networks.zoo import NETWORKS, build, resized_config, with_tasks  # noqa: E402
from training.recipes import RECIPES  # noqa: E402
from training.weights.checkpoints import (  # noqa: E402
    read_checkpoint,
    record_of,
    recorded,
    resample_position,
)
from training.weights.released_files import ReleasedFile, read_released  # noqa: E402
from training.weights.released_transfer import started  # noqa: E402

NAME = 'tiny_invpt_nyud'
State = dict[str, Any]


@pytest.fixture(scope='module')
def states() -> dict[str, State]:
    """Weights of two networks whose entries are all different."""
    torch.manual_seed(0)
    found = {}
    for name in (NAME, 'tiny_taskprompter_ctr_pascal'):
        state = build(NETWORKS[name]).state_dict()
        found[name] = {k: torch.randn_like(v) if v.ndim else v for k, v in state.items()}
    return found


def prefixed(state: State, prefix: str) -> State:
    return {prefix + key: value for key, value in state.items()}


STATE = {'backbone.a': torch.tensor([1.0]), 'heads.b': torch.tensor([2.0])}
MEAN = {'backbone.a': torch.tensor([3.0]), 'heads.b': torch.tensor([4.0])}
EMA, STRAY = 'its moving average is taken', '1 entry beside the network left out, such as loss.w'
LIGHTNING = {'state_dict': prefixed(STATE, 'student.') | {'loss.w': torch.ones(1)}, 'epoch': 3}
BOTH = prefixed(STATE, 'model.') | prefixed(MEAN, 'ema_model.module.')


@pytest.mark.parametrize(
    ('saved', 'value', 'said'),
    [
        ({'model': prefixed(STATE, 'module.')}, 1, ''),
        (prefixed(STATE, 'module._orig_mod.'), 1, ''),
        ({'model': STATE, 'ema': MEAN}, 3, EMA),
        ({'state_dict': STATE, 'state_dict_ema': prefixed(MEAN, 'module.')}, 3, EMA),
        ({'model': STATE, 'ema': {'module': MEAN, 'decay': 0.999, 'updates': 7}}, 3, EMA),
        ({'n_averaged': torch.tensor(9), **prefixed(MEAN, 'module.')}, 3, ''),
        (LIGHTNING, 1, STRAY),
        ({'state_dict': BOTH, 'pytorch-lightning_version': '2.4.0'}, 3, EMA),
    ],
)
def test_forms(saved: State, value: float, said: str, tmp_path: Path) -> None:
    torch.save(saved, tmp_path / 'a.pth')
    file = read_released(tmp_path / 'a.pth')
    assert {k: float(v) for k, v in file.state.items()} == {
        'backbone.a': value,
        'heads.b': value + 1,
    }
    assert len(file.said) == bool(said)
    assert said in ''.join(file.said)


def test_an_average_without_buffers_keeps_those_of_the_network(tmp_path: Path) -> None:
    saved = {'model': STATE, 'model_ema': {'backbone.a': torch.tensor([3.0])}}
    torch.save(saved, tmp_path / 'a.pth')
    assert [float(v) for v in read_checkpoint(tmp_path / 'a.pth').values()] == [3, 2]


def test_fewer_and_further_tasks_of_invpt(states: dict[str, State]) -> None:
    recipe = replace(RECIPES[NAME], own_tasks=('normals', 'saliency', 'depth'))
    assert recipe.tasks == ('depth', 'normals', 'sal')
    fresh, old = build(recipe.network_config).state_dict(), states[NAME]
    start = started(fresh, recipe, ReleasedFile(old, {}), Path('a.pth'))
    stage = 'multi_task_decoder.invpt.invpt_stages.1.patch_embed'
    for new, was in ((0, 1), (1, 2)):  # depth and normals come after the semantic task
        key = 'proj.1.weight'
        assert torch.equal(start.weights[f'{stage}.{new}.{key}'], old[f'{stage}.{was}.{key}'])
    norm = 'multi_task_decoder.invpt.norm_mts.0.weight'  # 32 channels of each task
    assert torch.equal(start.weights[norm][:64], old[norm][32:96])
    assert torch.equal(start.weights[norm][64:], fresh[norm][64:])
    assert start.said == (
        'Tasks that start afresh: sal.',
        'Tasks that the checkpoint has and the network has not: semseg and edge.',
    )


def test_fewer_tasks_of_taskprompter(states: dict[str, State]) -> None:
    name, key = 'tiny_taskprompter_ctr_pascal', 'backbone.task_prompts'
    recipe = replace(RECIPES[name], own_tasks=('sal', 'edge'))  # the third and the fifth of five
    fresh = build(recipe.network_config).state_dict()
    start = started(fresh, recipe, ReleasedFile(states[name], {}), Path('a.pth'))
    assert torch.equal(start.weights[key], states[name][key][[2, 4]])


def test_classes_keep_their_rows_by_name(states: dict[str, State]) -> None:
    other = tuple(replace(c, id=k) for k, c in enumerate(nyud_classes()[7:3:-1]))
    recipe = replace(RECIPES[NAME], classes=(*other, replace(other[0], id=4, name='drone')))
    fresh, old = build(recipe.network_config).state_dict(), states[NAME]
    start = started(fresh, recipe, ReleasedFile(old, {}), Path('a.pth'))
    head, mix = 'heads.semseg.linear_pred.weight', 'multi_task_decoder.invpt.mix_proj.semseg.0'
    assert torch.equal(start.weights[head][:4], old[head][[7, 6, 5, 4]])
    assert torch.equal(start.weights[head][4], fresh[head][4])
    read = start.weights[f'{mix}.weight']  # 24 features, then the classes
    assert torch.equal(read[:, :28], old[f'{mix}.weight'][:, [*range(24), 31, 30, 29, 28]])
    assert start.said[0].startswith('semantic: 4 of 5 classes keep what the checkpoint knows')


def nyud_classes() -> Any:
    from mtscene_ros.datasets.classes import NYUD_40

    return NYUD_40


def test_position_embeddings_of_another_size() -> None:
    """Three times as wide: every third column lies on an old one."""
    columns = torch.arange(12.0).repeat(8)  # grid of 8 x 12
    state = {'backbone.pos_embed': torch.cat([torch.zeros(1), columns])[None, :, None]}
    config = resized_config(NETWORKS[NAME], 128, 576)
    resample_position(state, config, (8, 12))  # type: ignore[arg-type]
    found = state['backbone.pos_embed'][0, 1:, 0].reshape(8, 36)
    torch.testing.assert_close(found[:, 1::3], torch.arange(12.0).repeat(8, 1))
    assert 5 < found[3, 17] < 6 < found[3, 20] < 7


def test_as_many_patches_in_another_shape_are_resampled() -> None:
    torch.manual_seed(0)
    before = torch.randn(1, 97, 4)
    state = {'backbone.pos_embed': before.clone()}
    resample_position(state, resized_config(NETWORKS[NAME], 192, 128), (8, 12))  # type: ignore[arg-type]
    assert state['backbone.pos_embed'].shape == before.shape
    assert not torch.equal(state['backbone.pos_embed'], before)


def test_what_a_network_cannot_have() -> None:
    with pytest.raises(ValueError, match=r'salience is not a task .*; did you mean saliency'):
        with_tasks(NETWORKS[NAME], ['salience'])
    with pytest.raises(ValueError, match='Cityscapes-3D has the tasks of its paper'):
        with_tasks(NETWORKS['tiny_taskprompter_swin_cs3d'], ['semantic'])
    with pytest.raises(ValueError, match='TaskPrompter has weights for every pixel of its 96x96'):
        _ = replace(RECIPES['tiny_taskprompter_ctr_pascal'], size_px=(128, 128)).network_config


def test_a_checkpoint_records_what_it_is() -> None:
    own = replace(
        RECIPES[NAME],
        classes=nyud_classes()[:3],
        own_tasks=('semantic', 'depth'),
        size_px=(64, 64),
    )
    again = recorded(RECIPES[NAME], record_of(own))
    assert (again.network_config, again.classes) == (own.network_config, own.classes)
    assert record_of(RECIPES[NAME]) == {}
