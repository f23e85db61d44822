"""Classes travel by name from a manifest into a network, whatever their order."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mtscene_ros.datasets.class_tables import coloured  # noqa: E402
from mtscene_ros.datasets.label_files import DataError  # noqa: E402
from mtscene_ros.types import Intrinsics  # noqa: E402
from training import adapt, evaluate, train  # noqa: E402
from training.config import CONFIGS  # noqa: E402
from training.data.by_name import (  # noqa: E402
    Tables,
    ids_by_name,
    merged_ids,
    scored_ids,
)
from training.data.sample import blank  # noqa: E402
from training.learn.loader import list_frames  # noqa: E402
from training.learn.own_tables import balanced  # noqa: E402
from training.learn.transfer import transferred_weights  # noqa: E402
from training.networks.decoders import compact_network  # noqa: E402
from training.weights.weight_files import read_weights  # noqa: E402

CONFIG = CONFIGS['test']
HERE = Path('m.yaml')


def frames(folder: Path, head: str, boxes: list[dict[str, Any]] | None = None) -> Path:
    """Two training frames and one for scoring; ids 0 above, 2 below."""
    ids = np.repeat([[0], [2]], 32, 0).astype(np.uint8).repeat(128, 1)
    rows = ''
    for k, split in enumerate(('train', 'train', 'val')):
        cv2.imwrite(str(folder / f'{k}.png'), np.full((64, 128, 3), 60 * k, np.uint8))
        cv2.imwrite(str(folder / f'{k}_l.png'), ids)
        rows += f'\n  - {{image: {k}.png, split: {split}, semantic: {k}_l.png'
        if boxes is not None:
            (folder / f'{k}.json').write_text(json.dumps(boxes))
            rows += f', boxes3d: {k}.json'
        rows += '}'
    (folder / 'm.yaml').write_text(f'{head}\nframes:{rows}\n')
    return folder / 'm.yaml'


def box(name: str) -> dict[str, Any]:
    return {'class': name, 'center_m': [0, 1, 10], 'size_m': [2, 1, 2], 'yaw_rad': 0.0}


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp('weights') / 'last.pt'
    torch.save({'config': 'test', 'average': compact_network(CONFIG).state_dict()}, path)
    return path


def adapted(manifest: Path, checkpoint: Path) -> Any:
    out = manifest.parent / 'out'
    common = ['--weights', str(checkpoint), '--out', str(out), '--steps', '2', '--threads', '1']
    adapt.main([str(manifest), *common])
    return read_weights(out / 'last.pt')


def names(classes: Any) -> list[str]:
    return [c.name for c in classes]


def test_ids_follow_names() -> None:
    sample = blank(np.zeros((1, 3, 3), np.uint8), Intrinsics.centered(3, 1, 3))
    sample = replace(
        sample, labels=np.array([[0, 1, 255]], np.uint8), maps={'walk': np.uint8([[0, 1, 255]])}
    )
    no_yes, yes_no = coloured(['no', 'yes']), coloured(['yes', 'no'])
    ids = ids_by_name(
        Tables(coloured(['car', 'road']), maps={'walk': no_yes}),
        Tables(coloured(['road', 'sky', 'car']), maps={'walk': yes_no}),
        HERE,
    )
    found = ids.applied(sample)
    assert found.labels.tolist() == [[2, 0, 255]]
    assert found.maps['walk'].tolist() == [[1, 0, 255]]


def test_class_map_renames_and_leaves_out() -> None:
    source = Tables(
        coloured(['lane', 'lamp']), coloured(['van', 'cone']),
        class_map={'lane': ('road',), 'lamp': ('unknown',), 'van': ('car',), 'cone': ('unknown',)},
    )  # fmt: skip
    ids = ids_by_name(source, Tables(coloured(['sky', 'road']), coloured(['bus', 'car'])), HERE)
    assert ids.semantic is not None
    assert ids.boxes is not None
    assert (ids.semantic[:2].tolist(), ids.boxes.tolist()) == ([1, 255], [1, -1])


@pytest.mark.parametrize(
    ('class_map', 'sentence'),
    [
        ({}, "labels 'tree' in semantic, which the network does not have"),
        ({'tree': ('vegetation', 'terrain')}, "gives 'tree' several classes of the network"),
    ],
)
def test_what_cannot_match_is_refused(class_map: Any, sentence: str) -> None:
    source = Tables(coloured(['tree']), class_map=class_map)
    with pytest.raises(DataError, match=sentence):
        ids_by_name(source, Tables(coloured(['vegetation', 'terrain'])), HERE)


def test_scores_take_several_classes_for_one() -> None:
    """A tree is vegetation or terrain; the right half of the prediction is sky."""
    source = Tables(coloured(['tree', 'sky']), class_map={'tree': ('vegetation', 'terrain')})
    network = Tables(coloured(['terrain', 'sky', 'vegetation']))
    labels = ids_by_name(source, network, HERE, merges=True).semantic
    assert labels is not None
    assert labels[:2].tolist() == [2, 1]
    config = replace(CONFIG, classes=network.semantic)
    scored, merged = scored_ids(source, network), merged_ids(source, network)
    meters = evaluate.Meters(config, 'manifest', 1, scored, merged)
    meters.update({'semantic': (torch.tensor([[0, 2, 1, 1]]), torch.tensor([[2, 2, 2, 1]]))})
    found = meters.result()['semantic']
    assert found['iou vegetation'] == pytest.approx(200 / 3)
    assert found['miou'] == pytest.approx((200 / 3 + 50) / 2)  # terrain is no class of the truth


def test_boxes_in_another_order_are_the_networks_own(checkpoint: Path, tmp_path: Path) -> None:
    manifest = frames(tmp_path, 'semantic: cityscapes_19\nboxes3d: [person, car]', [box('person')])
    config, _ = adapted(manifest, checkpoint)
    assert config.box_classes == CONFIG.box_classes
    assert config.classes == CONFIG.classes


def test_new_boxes_get_channels_of_their_own(checkpoint: Path, tmp_path: Path) -> None:
    head = 'semantic: [wall, floor, lamp]\nboxes3d: [forklift, car, pallet]'
    config, weights = adapted(frames(tmp_path, head, [box('forklift')]), checkpoint)
    assert names(config.box_classes) == [*names(CONFIG.box_classes), 'forklift', 'pallet']
    assert names(config.classes) == ['wall', 'floor', 'lamp']
    assert weights['heads.boxes3d.bias'].shape == (9 + 8,)


def test_grown_boxes_keep_what_was_learned() -> None:
    torch.manual_seed(1)
    old = compact_network(CONFIG)
    config = replace(CONFIG, box_classes=(*CONFIG.box_classes, *coloured(['forklift'])))
    new = compact_network(config)
    state = transferred_weights(new.state_dict(), old.state_dict(), config, CONFIG)
    new.load_state_dict(state)
    image = torch.randn(1, 3, 64, 128)
    with torch.inference_mode():
        before, after = old.eval()(image)[0]['boxes3d'], new.eval()(image)[0]['boxes3d']
    torch.testing.assert_close(after[:, :7], before[:, :7])
    torch.testing.assert_close(after[:, 8:], before[:, 7:])
    mean = old.heads['boxes3d'].weight[:7].mean(0)
    torch.testing.assert_close(state['heads.boxes3d.weight'][7], mean)


def test_a_table_in_another_order_keeps_its_rows() -> None:
    old = compact_network(CONFIG).state_dict()
    turned = coloured(names(CONFIG.classes)[::-1])
    config = replace(CONFIG, classes=turned)
    state = transferred_weights(compact_network(config).state_dict(), old, config, CONFIG)
    assert torch.equal(state['heads.semantic.bias'], old['heads.semantic.bias'].flip(0))


def test_training_takes_the_manifests_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = frames(tmp_path, 'semantic: [wall, floor, lamp]')
    options = ['--data-set', 'manifest', '--data', str(manifest), '--workers', '0']
    last = train.main(['test', *options, '--out', str(tmp_path / 'r'), '--steps', '1'])
    config, _ = read_weights(last)
    assert names(config.classes) == ['wall', 'floor', 'lamp']
    assert 'no labels for boxes3d and depth' in capsys.readouterr().err
    scores = evaluate.main(['test', str(last), '--data', str(manifest), *options[:2]])
    assert {k for k in scores['semantic'] if k[:4] == 'iou '} == {
        'iou wall', 'iou floor', 'iou lamp'
    }  # fmt: skip
    only = ['--tasks', 'semantic', '--out', str(tmp_path / 'only'), '--steps', '1']
    assert read_weights(train.main(['test', *options, *only]))[0].tasks == ('semantic',)


def test_scores_need_the_networks_classes(checkpoint: Path, tmp_path: Path) -> None:
    manifest = frames(tmp_path, 'semantic: [road, lamp, car]')
    with pytest.raises(DataError, match="labels 'lamp' in semantic"):
        evaluate.main(['test', str(checkpoint), '--data-set', 'manifest', '--data', str(manifest)])


def test_one_class_is_warned_of(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = frames(tmp_path, 'semantic_ids: {0: crack, 2: crack}')
    manifest.write_text(manifest.read_text().replace('split: val', 'split: train'))
    adapted(manifest, checkpoint)
    said = capsys.readouterr().err
    assert 'semantic has one class, crack, and no background' in said
    assert 'Nothing measures this training; give frames "split: val"' in said


def test_rare_classes_weigh_more(tmp_path: Path) -> None:
    """Half of the pixels each for two classes, none for the third."""
    manifest = frames(tmp_path, 'semantic: [wall, floor, lamp]')
    config = replace(CONFIG, classes=coloured(['wall', 'floor', 'lamp']))
    found = balanced(config, list_frames('manifest', [manifest], 'train', config)).class_weights
    assert found == pytest.approx([0.5**-0.35, 0.001**-0.35, 0.5**-0.35])
