"""Names, ids and depth units of a manifest: nothing is read as something else."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mtscene_ros.datasets.annotations import read_depth
from mtscene_ros.datasets.label_files import DataError, read_binary
from mtscene_ros.datasets.manifest import Manifest, labels_of, load
from mtscene_ros.datasets.palette_png import palette_indices

IDS = np.array([[0, 7, 11, 255]], np.uint8)


def manifest(folder: Path, text: str) -> Manifest:
    """The text as people write it, not as PyYAML would dump it."""
    cv2.imwrite(str(folder / 'ids.png'), IDS)
    (folder / 'm.yaml').write_text(f'{text}\nframes: [{{image: a.png, semantic: ids.png}}]\n')
    load.cache_clear()
    return load(folder / 'm.yaml')


def labels(found: Manifest) -> Any:
    return labels_of(found, found.frames[0], found.folder)['semantic'][1].tolist()


def test_names_stay_text(tmp_path: Path) -> None:
    found = manifest(tmp_path, 'semantic: [no, on, 007, 1e3, 12:30, 2026-01-01, .5, y]')
    names = [c.name for c in found.semantic]
    assert names == ['no', 'on', '007', '1e3', '12:30', '2026-01-01', '.5', 'y']


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('semantic: [a, null]', 'where it is called null, quote it'),
        ('semantic: [a, a]', "lists the class 'a' twice"),
        ('semantic: [road]\nsemantic_ids: {7: raod}', 'did you mean road'),
        ('semantic: [road]\nsemantic_ids: {x: road}', "'x' in semantic_ids is not an id"),
        ('depth_scale: 0', 'millimetres are 1000, KITTI has 256'),
        ('background: [a]', 'is not a class name'),
    ],
)
def test_refused_tables(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        manifest(tmp_path, text)


def test_ids_of_another_table(tmp_path: Path) -> None:
    found = manifest(tmp_path, 'semantic_ids: {0: unknown, 7: road, 11: wall}')
    assert [c.name for c in found.semantic] == ['road', 'wall']
    assert labels(found) == [[255, 0, 1, 255]]
    other = manifest(tmp_path, 'semantic: [a, b]\nsemantic_ids: {7: b, 11: b}')
    with pytest.raises(DataError, match='has the id 0, which semantic_ids does not list'):
        labels(other)


def test_unknown_ids_and_background(tmp_path: Path) -> None:
    names = ', '.join(f'c{k}' for k in range(11))
    only_unknown = f'semantic: [{names}]\nsemantic_ids: {{11: unknown}}'
    assert labels(manifest(tmp_path, only_unknown)) == [[0, 7, 255, 255]]
    found = manifest(tmp_path, f'{only_unknown}\nbackground: rest')
    assert found.semantic[11].name == 'rest'
    assert labels(found) == [[0, 7, 11, 11]]


def test_ids_without_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='nothing names the classes'):
        labels(manifest(tmp_path, 'boxes3d: [car]'))


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_palette_images(tmp_path: Path, bits: int) -> None:
    ids = (np.arange(30) % 2**bits).astype(np.uint8).reshape(3, 10)
    image = Image.frombytes('P', (10, 3), ids.tobytes())
    image.putpalette([37 * k % 256 for k in range(768)])
    image.save(tmp_path / 'p.png', bits=bits)
    found = palette_indices(tmp_path / 'p.png')
    assert found is not None
    assert found.tolist() == ids.tolist()


def test_yes_in_any_colour(tmp_path: Path) -> None:
    image = Image.frombytes('P', (3, 1), bytes([0, 1, 2]))
    image.putpalette([0, 0, 0, 200, 0, 0, 0, 0, 90])  # black, red, blue
    image.save(tmp_path / 'p.png')
    assert read_binary(tmp_path / 'p.png').tolist() == [[0, 1, 1]]


def test_depth_units(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'd.png'), np.full((2, 3), 5120, np.uint16))
    assert read_depth(tmp_path / 'd.png')[0, 0] == np.float32(5.12)
    assert read_depth(tmp_path / 'd.png', 256)[0, 0] == 20
    np.save(tmp_path / 'd.npy', np.full((2, 3, 1), 4.0))
    assert read_depth(tmp_path / 'd.npy', 256).tolist() == [[4.0] * 3] * 2


def test_depth_scale_of_a_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'd.png'), np.full((2, 3), 5000, np.uint16))
    table = 'image;depth;depth_scale;fx_px\na.png;d.png;5000;500,5\n;;;\nb.png;d.png;;\n'
    (tmp_path / 'f.csv').write_bytes(b'\xef\xbb\xbf' + table.encode())
    (tmp_path / 'm.yaml').write_text('depth_scale: 250\nframes: f.csv')
    found = load(tmp_path / 'm.yaml')
    depths = [labels_of(found, f, tmp_path)['depth'][1][0, 0] for f in found.frames]
    assert depths == [1, 20]
    assert found.frames[0]['camera'] == {'fx_px': '500.5'}


def test_splits_by_their_usual_names(tmp_path: Path) -> None:
    rows = '\n'.join(f'  - {{image: a.png, split: {s}}}' for s in ('Valid', 'test', 'night'))
    (tmp_path / 'm.yaml').write_text(f'frames:\n{rows}\n  - {{image: a.png}}')
    splits = [frame['split'] for frame in load(tmp_path / 'm.yaml').frames]
    assert splits == ['val', 'test', 'night', 'train']
    (tmp_path / 'n.yaml').write_text('frames: [{image: a.png, split: trian}]')
    with pytest.raises(DataError, match="has the split 'trian'; did you mean train"):
        load(tmp_path / 'n.yaml')


def test_links_are_the_users_own_doing(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'ids.png'), IDS)
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set/link').symlink_to(tmp_path)
    text = f'semantic: [{", ".join(f"c{k}" for k in range(12))}]\nframes: [{{image: link/ids.png,'
    (tmp_path / 'set/m.yaml').write_text(f'{text} semantic: link/ids.png}}]')
    assert labels(load(tmp_path / 'set/m.yaml')) == IDS.tolist()
