"""The real programs on tiny data: render, train, resume, export, decode."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.estimator import open_estimator  # noqa: E402
from mtscene_ros.models.about import About, about_of  # noqa: E402
from mtscene_ros.models.onnx_file import metadata_of  # noqa: E402
from mtscene_ros.types import (  # noqa: E402
    Boxes3D,
    CameraFrame,
    DepthMap,
    Intrinsics,
    LabelMap,
    NormalMap,
    ProbabilityMap,
)
from training import export, train  # noqa: E402
from training.config import CONFIGS, EVERY_TASK  # noqa: E402
from training.data import worlds  # noqa: E402
from training.graphs.deploy import DeployGraph, differences, spec_of  # noqa: E402
from training.graphs.onnx_export import write_onnx  # noqa: E402
from training.graphs.precision import halved  # noqa: E402
from training.networks.decoders import compact_network  # noqa: E402
from training.weights.weight_files import graph_from_checkpoint  # noqa: E402


@pytest.fixture(scope='module')
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('frames')
    for index in range(4):
        worlds.render(index, 5, folder, 128, 64)
    return folder


def run(frames: Path, out: Path, steps: int) -> dict[str, object]:
    options = ['--data', str(frames), '--out', str(out), '--workers', '0', '--steps', str(steps)]
    checkpoint = train.main(['test', *options])
    state: dict[str, object] = torch.load(checkpoint, weights_only=True)
    return state


def test_train_and_resume(frames: Path, tmp_path: Path) -> None:
    assert run(frames, tmp_path, 2)['step'] == 2
    assert run(frames, tmp_path, 3)['step'] == 3
    lines = (tmp_path / 'log.jsonl').read_text().splitlines()
    assert [json.loads(line)['step'] for line in lines] == [2, 3]  # the second run resumed


# torch.onnx of torch 2.13 calls functions that Python and torch deprecate.
@pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')
def test_export_equals_torch_and_decodes(frames: Path, tmp_path: Path) -> None:
    run(frames, tmp_path, 2)
    checkpoint, model = tmp_path / 'last.pt', tmp_path / 'tiny.onnx'
    export.main([str(checkpoint), str(model), '--commit', 'abc', '--licence', 'MIT'])
    assert about_of(model, metadata_of(model)) == About(licence='MIT')
    rgb = np.random.default_rng(0).integers(0, 256, (3, 64, 128, 3), np.uint8)
    assert '| generated | semantic_labels | 100' in (tmp_path / 'tiny.agreement.md').read_text()
    apart = differences(graph_from_checkpoint(checkpoint), model, rgb)
    assert apart['depth'] < 1e-3
    assert apart['boxes3d_code'] < 1e-3
    estimator = open_estimator(str(model))
    assert estimator.spec.commit == 'abc'
    camera = Intrinsics(320, 120, 300.0, 300.0, 160.0, 60.0)
    frame = CameraFrame(np.zeros((120, 320, 3), np.uint8), camera, 0, 'camera')
    results = estimator.estimate([frame])[0].results
    assert {type(r) for r in results.values()} == {LabelMap, DepthMap, Boxes3D}


def test_half_precision_keeps_its_islands() -> None:
    torch.manual_seed(0)
    config = CONFIGS['test_prompts']
    plain = DeployGraph(compact_network(config), config).eval()
    half = DeployGraph(halved(plain.network), config).eval()
    kinds = {p.dtype for name, p in half.named_parameters() if '.inner.' not in name}
    assert kinds == {torch.float16}
    rgb = torch.randint(0, 256, (1, 64, 128, 3), dtype=torch.uint8)
    with torch.no_grad():
        want, got = plain(rgb)['depth'], half(rgb)['depth']
    assert got.dtype == torch.float32
    assert float(((got - want) / want).abs().max()) < 0.01
    assert plain.network.position.dtype == torch.float32  # the original is untouched


@pytest.mark.trust  # half a minute; test_trt_check.py exports the prompt decoder as well
@pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')
def test_every_task_of_the_prompt_decoder_reaches_the_robot(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = replace(CONFIGS['test_prompts'], tasks=EVERY_TASK)
    graph, model = DeployGraph(compact_network(config), config).eval(), tmp_path / 'every.onnx'
    write_onnx(graph, spec_of(graph, '1', 'abc'), model)
    rgb = np.random.default_rng(0).integers(0, 256, (3, 64, 128, 3), np.uint8)
    apart = differences(graph, model, rgb)
    assert max(apart[name] for name in ('depth', 'boxes3d_code', 'normals', 'boundary')) < 1e-4
    camera = Intrinsics(128, 64, 128.0, 128.0, 64.0, 32.0)
    frame = CameraFrame(rgb[0], camera, 0, 'camera')
    results = open_estimator(str(model)).estimate([frame])[0].results
    kinds = {'normals': NormalMap, 'boundary': ProbabilityMap, 'semantic': LabelMap}
    assert set(results) == set(EVERY_TASK)
    assert all(isinstance(results[name], kind) for name, kind in kinds.items())


def test_missing_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'training\.data\.worlds'):
        worlds.sample_files(tmp_path)
