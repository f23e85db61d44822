"""Learning from recordings without labels: statistics, labels of several views, self-training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.datasets.label_files import DataError  # noqa: E402
from mtscene_ros.models.catalogue import NON_COMMERCIAL, model_of  # noqa: E402
from mtscene_ros.worlds import FRAMES  # noqa: E402
from training import adapt  # noqa: E402
from training.config import CONFIGS  # noqa: E402
from training.data import worlds  # noqa: E402
from training.networks.decoders import compact_network  # noqa: E402
from training.unlabelled import fold_statistics, learn_recordings  # noqa: E402
from training.unlabelled.hand_out import licence_of_adapted  # noqa: E402
from training.unlabelled.learn_recordings import (  # noqa: E402
    AdaptedNetwork,
    best_of,
    is_no_worse,
    mounting_from,
)
from training.unlabelled.merged_boxes import Guesses, merged  # noqa: E402
from training.unlabelled.mixed_batches import pool_of, shrunk  # noqa: E402
from training.unlabelled.mounting import (  # noqa: E402
    Mounting,
    corrected_depth_m,
    seen_mounting,
)
from training.unlabelled.norm_statistics import blend, measured_statistics  # noqa: E402
from training.unlabelled.pseudo_labels import read_labels  # noqa: E402
from training.unlabelled.self_agreement import compared_views  # noqa: E402
from training.unlabelled.teachers import check_rights, names_of  # noqa: E402
from training.unlabelled.views import Opinion, assumed_camera, views_of  # noqa: E402

WHOLE = (0.0, 0.0, 640.0, 320.0)
EXPORTS = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning')


@pytest.fixture(scope='module')
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recording/, world/ and weights.pt."""
    folder = tmp_path_factory.mktemp('frames')
    for name in ('recording', 'world'):
        (folder / name).mkdir()
    for k in range(3):
        cv2.imwrite(str(folder / 'recording' / f'{k}.png'), FRAMES['drive'](8, k, 128, 64).rgb)
        worlds.render(k, 5, folder / 'world', 128, 64)
    torch.manual_seed(1)
    state = compact_network(CONFIGS['test']).state_dict()
    state['heads.semantic.bias'][:2] += 9  # it is sure of road and of sidewalk
    torch.save({'config': 'test', 'average': state}, folder / 'weights.pt')
    return folder


def normed() -> Any:
    """One batch norm whose statistics are mean 1, variance 4."""
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(1)).eval()
    network[0].running_mean.fill_(1)
    network[0].running_var.fill_(4)
    return network


def test_statistics_are_means_over_the_batches() -> None:
    network = normed()
    batches = [torch.tensor([0.0, 2.0]).view(2, 1, 1, 1), torch.full((2, 1, 1, 1), 5.0)]
    mean, variance = measured_statistics(network, batches)['0']
    assert (float(mean), float(variance)) == (3, 1)  # of 1 and 5, of 2 and 0
    assert (float(network[0].running_mean), network[0].momentum) == (1, 0.1)  # as before


def test_blend_takes_the_share() -> None:
    network = normed()
    blend(network, {'0': (torch.tensor([3.0]), torch.tensor([8.0]))}, 0.25)
    assert float(network[0].running_mean) == 0.75 * 1 + 0.25 * 3
    assert float(network[0].running_var) == 0.75 * 4 + 0.25 * 8


@EXPORTS
def test_statistics_write_a_model_file_that_says_of_which_recording(
    frames: Path, tmp_path: Path
) -> None:
    arguments = ['--weights', str(frames / 'weights.pt'), '--out', str(tmp_path), '--share', '1']
    recording = str(frames / 'recording')
    path = Path(adapt.main(['--statistics', recording, *arguments])['model'])
    old = torch.load(frames / 'weights.pt')['average']
    new = torch.load(tmp_path / 'adapted.pt')['average']
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    assert all(name.endswith(('running_mean', 'running_var')) for name in changed)
    found = model_of(path)
    assert found.spec.name == 'test_adapted'
    assert found.about.licence == ''  # that of the user's own frames
    assert found.about.trained_on.endswith('(share 1.0) of 3 unlabelled frames from recording')


def test_the_share_with_the_lowest_entropy_is_taken(
    frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(frames / 'weights.pt')['average']
    images = [FRAMES['drive'](8, 0, 128, 64).rgb]
    entropies = {0.0: 0.5, 0.3: 0.2, 0.6: 0.4}
    coming = iter(entropies.values())
    monkeypatch.setattr(fold_statistics, 'self_agreement', lambda *_: {'entropy': next(coming)})
    _, used = fold_statistics.fold_statistics(CONFIGS['test'], state, images, None)
    assert used == 0.3


def test_a_share_is_between_nothing_and_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fold_statistics.main(['--statistics', 'x', '--out', 'y', '--share', '1.5'])
    assert '1.5 is no share; give a number from 0 to 1.' in capsys.readouterr().err


def guess(score: float, depth_m: float, yaw_rad: float) -> Guesses:
    one = np.ones(1)
    center = np.array([[0.0, 0.0, depth_m]])
    size = np.array([[4.0, 2.0, 1.5]])
    return Guesses(np.zeros(1, int), score * one, center, size, yaw_rad * one, one)


def test_views_that_agree_make_one_box() -> None:
    views = [guess(0.5, 20, 0.1), guess(0.5, 20, 0.3)]
    found = merged(views, [WHOLE] * 2, assumed_camera(640, 320))
    assert (found.scores.tolist(), found.centers_m[0, 2]) == ([0.5], pytest.approx(20))
    assert found.yaw_rad[0] == pytest.approx(0.2)
    assert found.agreement[0] == pytest.approx(np.cos(0.1))


def test_opposite_headings_do_not_agree_and_a_missing_view_lowers_the_score() -> None:
    views = [guess(0.6, 20, 0), guess(0.6, 20, np.pi), guess(0.6, 90, 0)]
    found = merged(views, [WHOLE] * 3, assumed_camera(640, 320))
    assert found.scores.tolist() == pytest.approx([0.4, 0.2])  # 1.2 / 3 and 0.6 / 3
    assert found.agreement.tolist() == pytest.approx([0, 1])


def test_crops_lie_inside_the_frame() -> None:
    crops = views_of(640, 360, 2.0)
    assert [(c.left, c.top, c.width, c.height) for c in crops[2:]] == [
        (0, 81, 397, 198), (121, 81, 397, 198), (243, 81, 397, 198)
    ]  # fmt: skip


def test_road_of_a_known_camera_gives_its_mounting() -> None:
    rows = (np.arange(160) - 79.5) / 320
    depth_m = 1.6 / np.maximum(rows + 0.05, 1e-3)[:, None] * np.ones(320)
    probabilities = np.zeros((2, 160, 320), np.float32)
    probabilities[0, rows > 0.0] = 1
    found = seen_mounting(Opinion(probabilities, np.log(depth_m)))
    assert found is not None
    assert found.height_m == pytest.approx(1.6)
    assert found.tilt == pytest.approx(0.05)


def test_depth_is_corrected_by_height_and_horizon() -> None:
    seen, true = Mounting(1.5, 0.02), Mounting(1.65, 0.0)
    found = corrected_depth_m(np.array([15.0, 100.0]), seen, true)
    assert found.tolist() == pytest.approx([1.65 / (0.1 - 0.02), 1000])  # the second: horizon


def test_mountings_are_parsed_or_refused() -> None:
    found = mounting_from([['a', '1.65', '0.5'], ['b', '1.2']])
    assert found == {'a': (1.65, 0.5), 'b': (1.2, None)}
    with pytest.raises(ValueError, match='--mounting a high is not RECORDING HEIGHT_M'):
        mounting_from([['a', 'high']])


def test_shrunk_frame_has_a_wider_lens(frames: Path) -> None:
    sample = worlds.read_sample(frames / 'world' / '5_000000.npz')
    found = shrunk(replace(sample, normals=None), 0.5, np.random.default_rng(0))
    assert found.intrinsics.fx_px == sample.intrinsics.fx_px / 2
    assert (found.labels != 255).sum() == 64 * 32
    assert np.isnan(found.depth_m).sum() == 128 * 64 - 64 * 32


def test_unknown_rights_and_equal_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'SOURCE.txt').write_text('origin not stated: rights UNKNOWN. Local only.')
    with pytest.raises(DataError, match='says that the rights are unknown'):
        check_rights(tmp_path)
    with pytest.raises(ValueError, match="Two recordings are called 'drive'"):
        names_of([Path('a/drive'), Path('b/drive')])


def test_rare_classes_are_asked_for_more(frames: Path) -> None:
    pool = pool_of(worlds.sample_files(frames / 'world'), 19)
    assert pool.chances.sum() == pytest.approx(1)
    road, seen = 0, np.flatnonzero(pool.shows.any(0))
    assert pool.chances[road] < pool.chances[seen].mean()


def test_an_interrupted_adaptation_goes_on_like_an_unbroken_one(
    frames: Path, tmp_path: Path
) -> None:
    common = ['--unlabelled', str(frames / 'recording'), '--weights', str(frames / 'weights.pt')]
    common += ['--source', str(frames / 'world'), '--batch', '1', '1', '--workers', '0']
    common += ['--steps', '3', '--save-every', '1', '--threads', '1']
    ends = {}
    for name, stops in (('whole', ['2']), ('broken', ['1', '2'])):
        for stop in stops:
            path = learn_recordings.main([*common, '--out', str(tmp_path / name), '--stop', stop])
        ends[name] = torch.load(path)
    for part in ('network', 'average'):
        for key, value in ends['whole'][part].items():
            assert torch.equal(value, ends['broken'][part][key]), key
    labels = read_labels(tmp_path / 'whole' / 'labels' / 'recording_00000.npz')
    assert np.isnan(labels.depth_m).all()  # no --mounting: no depth
    assert set(np.unique(labels.labels)) <= {*range(19), 255}


def test_the_first_candidate_that_is_no_worse_is_handed_out(
    frames: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, images = CONFIGS['test'], [FRAMES['drive'](8, 0, 128, 64).rgb]
    old = learn_recordings.with_weights(config, torch.load(frames / 'weights.pt')['average'])
    torch.manual_seed(7)
    untrained = compact_network(config).eval()  # sure of nothing
    candidates = [AdaptedNetwork(untrained, 'untrained'), AdaptedNetwork(old, 'unchanged')]
    assert best_of(candidates, config, images).described == 'unchanged'
    assert best_of([candidates[1]] * 2, config, images) is candidates[1]
    assert 'untrained: label_agreement 0.' in capsys.readouterr().out


def test_terms_of_teachers_and_of_the_start_are_carried_over() -> None:
    assert licence_of_adapted('drive_lite', True) == ''
    assert licence_of_adapted('drive_lite', False) == 'LicenseRef-noncommercial'
    assert licence_of_adapted('street_lite', True) == 'LicenseRef-noncommercial'
    assert NON_COMMERCIAL.search('LicenseRef-noncommercial')


def test_a_network_that_agrees_less_with_itself_is_worse() -> None:
    before = {'label_agreement': 0.8, 'depth_disagreement': 0.1}
    assert is_no_worse({'label_agreement': 0.8, 'depth_disagreement': 0.11}, before)
    assert not is_no_worse({'label_agreement': 0.77, 'depth_disagreement': 0.1}, before)
    assert not is_no_worse({'label_agreement': 0.9, 'depth_disagreement': 0.12}, before)


def test_agreement_of_an_image_with_its_mirror_image() -> None:
    one = torch.tensor([[[9.0, -9.0]], [[-9.0, 9.0]]])  # class 0 left, class 1 right
    depth = torch.tensor([[[1.0, 2.0]]])
    same = compared_views(torch.stack([one, one.flip(2)]), torch.stack([depth, depth.flip(2)]))
    assert (same['label_agreement'], same['depth_disagreement']) == (1, 0)
    assert same['entropy'] == pytest.approx(0, abs=1e-5)
    other = compared_views(torch.stack([one, one]), torch.stack([depth, depth]))
    assert (other['label_agreement'], other['depth_disagreement']) == (0, 1)
    assert other['entropy'] == pytest.approx(np.log(2), abs=1e-5)
