from dataclasses import replace

import numpy as np
import onnx
import pytest
from conftest import tiny_model, tiny_spec

from mtscene_ros.backends import BackendError
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.models.spec import METADATA_KEY, SpecError
from mtscene_ros.tasks.task_decoders import decoders_of
from mtscene_ros.types import CameraFrame, Intrinsics


def test_one_frame_through_the_whole_line(tiny_path: str, frame: CameraFrame) -> None:
    [scene] = open_estimator(tiny_path).estimate([frame])
    semantic, depth, boxes = (scene.results[name] for name in ('semantic', 'depth', 'boxes3d'))
    assert semantic.labels[0, 0] == 10
    assert semantic.labels[31, 63] == 1
    assert semantic.confidence[31, 0] == 51
    assert depth.depth_m[0, 0] == np.inf
    assert depth.depth_m[31, 0] == 20
    # Cell (3, 4): network pixel (17.5, 13.5), camera pixel (35.5, 27.5).
    assert boxes.scores.tolist() == pytest.approx([0.8])
    assert boxes.centers_m[0] == pytest.approx([20 * 4 / 64, 20 * 12 / 64, 20])
    assert set(scene.stage_s) == {'prepare', 'infer', 'decode'}


def test_only_what_is_wanted_is_computed(tiny_path: str, frame: CameraFrame) -> None:
    [scene] = open_estimator(tiny_path).estimate([frame], {'depth'})
    assert set(scene.results) == {'depth'}


def test_uncalibrated_camera_gets_what_needs_no_metres(tiny_path: str, frame: CameraFrame) -> None:
    [scene] = open_estimator(tiny_path).estimate([replace(frame, intrinsics=None)])
    assert set(scene.results) == {'semantic'}


def test_batch_equals_single_frames(tiny_path: str, frame: CameraFrame) -> None:
    estimator = open_estimator(tiny_path)
    other = replace(frame, rgb=np.ascontiguousarray(frame.rgb[:, ::-1]), camera='left')
    scenes = estimator.estimate([frame, other])
    assert [scene.frame.camera for scene in scenes] == ['', 'left']
    for scene, image in zip(scenes, (frame, other), strict=True):
        [alone] = estimator.estimate([image])
        np.testing.assert_array_equal(
            scene.results['semantic'].confidence, alone.results['semantic'].confidence
        )


def test_wrong_tensors_at_run_time_are_refused(frame: CameraFrame) -> None:
    class Liar:
        description, spec_json, tensors = 'liar', None, {}

        def infer(self, batch: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
            return {name: np.zeros((1, 2, 2), np.uint8) for name in names}

    spec = tiny_spec()
    estimator = SceneEstimator(Liar(), spec, decoders_of(spec, 'm.onnx'))
    with pytest.raises(BackendError, match=r'uint8 \(1, 2, 2\) instead of uint8 \(1, 16, 32\)'):
        estimator.estimate([frame])


@pytest.mark.parametrize(
    ('change', 'word'),
    [
        ({'tasks': {'smell': {}}}, 'unknown here'),
        ({'tasks': {'depth': {'convention': 'metric'}}}, 'unusable'),
        ({'outputs': tiny_spec().outputs[:2]}, 'needs the outputs'),
    ],
)
def test_models_that_promise_too_much_are_refused(change: dict, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        decoders_of(replace(tiny_spec(), **change), 'm.onnx')


def test_warm_up_looks_through_the_middle_of_the_image(tiny_path: str) -> None:
    estimator, cameras = open_estimator(tiny_path), []
    estimator.decoders['depth'] = lambda *given: cameras.append(given[2].intrinsics)
    estimator.warm_up(2)
    # Pixel centres lie at integers: 32 of them from 0 to 31, 16 from 0 to 15.
    assert cameras == [Intrinsics(32, 16, 32, 32, 15.5, 7.5)] * 3


def test_graph_that_breaks_its_spec_is_refused(tmp_path: str) -> None:
    model = tiny_model()
    spec = replace(tiny_spec(), outputs=(replace(tiny_spec().outputs[0], dtype='int64'),))
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, f'{tmp_path}/m.onnx')
    with pytest.raises(SpecError, match='does not keep its spec'):
        open_estimator(f'{tmp_path}/m.onnx')
