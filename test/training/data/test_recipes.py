"""The papers' recipes on miniatures: two steps, resume, evaluate, export, run."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.estimator import open_estimator  # noqa: E402
from mtscene_ros.types import CameraFrame, Intrinsics  # noqa: E402
from training import evaluate, import_checkpoint, train  # noqa: E402
from training.learn.learning_published import load_encoder, network_of  # noqa: E402
from training.networks.zoo import PUBLISHED  # noqa: E402
from training.recipes import RECIPES, STEPS  # noqa: E402

LATER = re.compile(r'layers\.(\d)\.down')
TINY = [name for name in RECIPES if name.startswith('tiny') and not name.endswith('_small')]
# An export takes most of this test's time; tiny_invpt_nyud is exported by the test of imported
# checkpoints, and `make trust` exports all networks.
EXPORTED = {'tiny_taskprompter_noctr_nyud'}


# torch.onnx of torch 2.13 calls functions that Python and torch deprecate.
@pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')
@pytest.mark.parametrize('name', TINY)
def test_train_resume_evaluate_export(miniatures: Path, tmp_path: Path, name: str) -> None:
    recipe = RECIPES[name]
    data = ['--data', str(miniatures / recipe.data_set)]
    for steps in (2, 3):
        run = [name, *data, '--out', str(tmp_path), '--steps', str(steps), '--workers', '0']
        checkpoint = train.main(run)
    state = torch.load(checkpoint, weights_only=True)
    assert (state['step'], state['skipped']) == (3, 0)
    scores = evaluate.main([name, str(checkpoint), *data, '--frames', '1'])
    assert len(scores) == 1 + len(recipe.tasks)
    if name not in EXPORTED:
        return
    model = tmp_path / 'model.onnx'
    arguments = [str(checkpoint), '--model', recipe.network, '-o', str(model), '--no-check']
    assert import_checkpoint.main(arguments) == 0
    height, width = recipe.height_px, recipe.width_px
    camera = Intrinsics.centered(width, height, width)
    frame = CameraFrame(np.zeros((height, width, 3), np.uint8), camera, 0, 'c')
    assert len(open_estimator(str(model)).estimate([frame])[0].results) == len(recipe.tasks)


def test_one_recipe_and_a_small_one_per_checkpoint() -> None:
    for name in PUBLISHED:
        recipe, small = RECIPES[name], RECIPES[f'{name}_small']
        assert recipe.steps == STEPS
        assert small.batch * small.accumulate == recipe.batch * recipe.processes
    assert RECIPES['invpt_vitl_nyud'].clip == math.inf
    assert RECIPES['taskprompter_vitb_nyud'].learning_rate == 1e-5


def test_accumulated_passes_are_one_step(miniatures: Path, tmp_path: Path) -> None:
    """The small recipe accumulates four images per step, one after another."""
    name = 'tiny_taskprompter_noctr_nyud_small'
    run = [name, '--data', str(miniatures / 'nyud'), '--out', str(tmp_path), '--workers', '0']
    train.main([*run, '--steps', '2', '--log-every', '1'])
    lines = (tmp_path / 'log.jsonl').read_text().splitlines()
    assert len(lines) == 2
    assert RECIPES[name].accumulate == 2


@pytest.mark.parametrize('name', ['tiny_invpt_nyud', 'tiny_taskprompter_swin_cs3d'])
def test_encoder_weights_of_timm(tmp_path: Path, name: str) -> None:
    """Position embeddings of 24x24 patches are resampled; timm 1's mergings move by a stage."""
    recipe, torch_rng = RECIPES[name], torch.manual_seed(1)
    encoder = network_of(recipe).backbone.state_dict()
    there = {k: torch.randn(v.shape, generator=torch_rng) for k, v in encoder.items()}
    if 'pos_embed' in there:
        there['pos_embed'] = torch.randn(1, 24 * 24 + 1, 48, generator=torch_rng)
    moved = {LATER.sub(lambda m: f'layers.{int(m[1]) + 1}.down', k): v for k, v in there.items()}
    torch.save(moved, tmp_path / 'timm.pth')
    network = network_of(recipe)
    load_encoder(network, tmp_path / 'timm.pth', recipe)
    for key, value in network.backbone.state_dict().items():
        if key.endswith(('qkv.weight', 'reduction.weight')):
            assert torch.equal(value, there[key]), key
    torch.save({'blocks.0.attn.qkv.weight': torch.zeros(3, 3)}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='qkv'):
        load_encoder(network, tmp_path / 'other.pth', recipe)
