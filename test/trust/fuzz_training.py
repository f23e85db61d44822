"""Manifests, annotations and checkpoints: what a user brings to training/."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from hypothesis import strategies as st
from pycocotools.mask import encode
from safetensors.torch import save

from mtscene_ros.datasets.annotations import read_boxes, read_depth
from mtscene_ros.datasets.class_tables import coloured
from mtscene_ros.datasets.kitti import KittiError, object_moment
from mtscene_ros.datasets.label_files import DataError, lines_of, read_image, read_json
from mtscene_ros.datasets.manifest import load
from training.data import manifest_samples
from training.data.coco_masks import coco_frames
from training.data.drawing import DrawOptions
from training.data.label_studio import label_studio_frames
from training.data.manifest_writer import Account
from training.weights.checkpoint_store import CheckpointError, read_file, read_safetensors
from training.weights.checkpoints import read_checkpoint

from .fuzz_models import changed
from .fuzz_target import Target, scratch, written

PNG = cv2.imencode('.png', np.zeros((4, 6, 3), np.uint8))[1].tobytes()
IDS = cv2.imencode('.png', np.zeros((4, 6), np.uint8))[1].tobytes()
BOX = {'class': 'car', 'center_m': [0, 1, 9], 'size_m': [4, 2, 1.5], 'yaw_rad': 0.1}
CAMERA = {'fx_px': 5, 'fy_px': 5, 'cx_px': 3, 'cy_px': 2}
FULL: dict[str, Any] = {
    'semantic': ['road', 'grass'],
    'boxes3d': ['car'],
    'maps': {'wet': {'classes': ['no', 'yes']}},
    'camera': CAMERA,
    'frames': [
        {'image': 'a.png', 'split': 'val', 'semantic': 'b.png', 'boxes3d': 'c.json'},
        {'image': 'a.png', 'camera': CAMERA, 'maps': {'wet': 'b.png'}},
    ],
}


def folder_with_images() -> Path:
    folder = scratch('').parent
    if not (folder / 'c.json').is_file():
        (folder / 'a.png').write_bytes(PNG)
        (folder / 'b.png').write_bytes(IDS)
        (folder / 'c.json').write_text(json.dumps([BOX]))
    return folder


def manifest_seeds() -> list[bytes]:
    return [yaml.safe_dump(FULL).encode(), b'frames:\n- &a {image: a.png}\n- *a\n']


def structured(seed: Callable[[], Any], dump: Callable[[Any], str]) -> Callable[[], Any]:
    """Strategy of the seed with values exchanged."""

    @st.composite
    def made(draw: st.DrawFn) -> bytes:
        return dump(changed(draw, seed())).encode('utf-8', 'replace')

    return made


def run_manifest(data: bytes) -> None:
    """Loads it and reads what it lists."""
    folder_with_images()
    path = written(data, '.yaml')
    load.cache_clear()
    for name in manifest_samples.names(path, 'all')[:3]:
        manifest_samples.read(path, name)


def run_csv(data: bytes) -> None:
    """As the table of a manifest's frames."""
    folder_with_images()
    written(data, '.csv')
    run_manifest(b'{semantic: [a, b], maps: {wet: }, boxes3d: [car], frames: input.csv}')


def csv_seeds() -> list[bytes]:
    return [
        b'image,split,fx_px,fy_px,cx_px,cy_px,maps.wet,semantic\na.png,val,5,5,3,2,,b.png\n',
        b'"image",boxes3d\r\n"a.png",c.json\r\n',
    ]


def run_boxes(data: bytes) -> None:
    found = read_boxes(written(data, '.json'), coloured(['car']))
    assert np.isfinite(found['quaternions_xyzw']).all()
    assert len(found['visible']) == len(found['class_ids'])


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def run_depth(data: bytes) -> None:
    read_depth(written(data, '.npy'))


def run_image(data: bytes) -> None:
    read_image(written(data, '.png'))


def run_json(data: bytes) -> None:
    """Cityscapes' and other JSON annotations begin here; lists of frames too."""
    path = written(data, '.txt')
    try:
        lines_of(path)
    finally:
        read_json(path)


def coco() -> dict[str, Any]:
    polygon = {'segmentation': [[0, 0, 4, 0, 4, 3]], 'iscrowd': 0}
    counts = {'segmentation': {'counts': [4, 8, 12], 'size': [4, 6]}, 'iscrowd': 1}
    text = encode(np.asfortranarray(np.eye(4, 6, dtype=np.uint8)))['counts'].decode()
    packed = {'segmentation': {'counts': text, 'size': [4, 6]}, 'iscrowd': 0}
    rows = [
        {'id': i, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 4, 3], 'area': 6, **shape}
        for i, shape in enumerate((polygon, counts, packed))
    ]
    image = {'id': 1, 'file_name': 'a.png', 'width': 6, 'height': 4}
    kinds = [{'id': 1, 'name': 'car'}]
    return {'images': [image], 'annotations': rows, 'categories': kinds}


def run_coco(data: bytes) -> None:
    folder = folder_with_images()
    source, options = written(data, '.json'), DrawOptions(folder, fill_boxes=True)
    for frame in coco_frames(source, options, Account())[1]:
        assert frame.labels is not None
        assert frame.labels.shape == frame.rgb.shape[:2]


def label_studio() -> list[Any]:
    rectangle = {'x': 0, 'y': 0, 'width': 50, 'height': 50, 'rectanglelabels': ['car']}
    polygon = {'points': [[0, 0], [90, 0], [50, 90]], 'polygonlabels': ['road']}
    # 96 values of 8 bits, lengths of 7 bits; one block: repeated, width 0, 96 times, 255.
    bits = f'{96:032b}{7:05b}{"0110" * 4}100{95:07b}{255:08b}'.ljust(72, '0')
    rle = [int(bits[at : at + 8], 2) for at in range(0, 72, 8)]
    brush = {'rle': rle, 'brushlabels': ['car']}
    whole = {'original_width': 6, 'original_height': 4}
    results = [{'value': value, **whole} for value in (rectangle, polygon, brush)]
    return [{'data': {'image': '/data/upload/1/a.png'}, 'annotations': [{'result': results}]}]


def run_label_studio(data: bytes) -> None:
    folder = folder_with_images()
    source = written(data, '.json')
    for frame in label_studio_frames(source, DrawOptions(folder), Account())[1]:
        assert frame.labels is not None
        assert frame.labels.shape == frame.rgb.shape[:2]


CALIBRATION = (
    b'P2: 700 0 600 45 0 700 180 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\n'
    b'Tr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n'
)
LABELS = (
    b'Car 0 0 0.1 10 20 30 40 1.5 1.6 4 1 2 20 0.1\nDontCare -1 -1 -10 0 0 1 1 -1 -1 -1 0 0 0 0\n'
)


def run_kitti(data: bytes) -> None:
    """Calibration, labels and points of one frame, divided by lines of ---."""
    calibration, labels, points = [*data.split(b'\n---\n'), b'', b''][:3]
    folder = scratch('').parent / 'kitti'
    parts = {'calib': calibration, 'label_2': labels, 'velodyne': points, 'image_2': PNG}
    for part, content in parts.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        suffix = {'velodyne': 'bin', 'image_2': 'png'}.get(part, 'txt')
        (folder / part / f'0.{suffix}').write_bytes(content)
    object_moment(folder, '0')


def kitti_seeds() -> list[bytes]:
    points = np.arange(8, dtype=np.float32).tobytes()
    return [b'\n---\n'.join([CALIBRATION, LABELS, points]), CALIBRATION + b'\n---\n' + LABELS]


def checkpoint_seeds() -> list[bytes]:
    """New and old format, with an optimizer beside the weights."""
    state = {'module.a': torch.zeros(2, 3), 'module.b': torch.ones(2)}
    made = []
    for is_zip in (True, False):
        file = io.BytesIO()
        torch.save({'model': state, 'step': 3}, file, _use_new_zipfile_serialization=is_zip)
        made.append(file.getvalue())
    return made


def run_safetensors(data: bytes) -> None:
    read_safetensors(written(data, '.safetensors'))


def run_checkpoint(data: bytes) -> None:
    path = written(data, '.pt')
    try:
        read_file(path)
    finally:
        read_checkpoint(path)


TARGETS: dict[str, Target] = {
    'manifest': Target(
        manifest_seeds, run_manifest, (DataError,), structured(lambda: FULL, json.dumps),
        1500, 0.15, is_text=True,
    ),
    'manifest_csv': Target(csv_seeds, run_csv, (DataError,), None, 1000, 0.2),
    'boxes': Target(
        lambda: [json.dumps([BOX]).encode()], run_boxes, (DataError,),
        structured(lambda: [BOX, BOX], json.dumps), 800, 0.4, is_text=True,
    ),
    'npy': Target(
        lambda: [npy(np.ones((2, 3))), npy(np.ones((2, 3), '>i2'))], run_depth, (DataError,),
        None, 600, 0.3,
    ),
    'label_image': Target(lambda: [PNG, IDS], run_image, (DataError,), None, 1000, 0.2),
    'json_and_lists': Target(
        lambda: [b'{"objects": [{"label": "car"}]}', b'a\nb\n'], run_json, (DataError,),
        None, 400, 0.5, is_text=True,
    ),
    'coco': Target(
        lambda: [json.dumps(coco()).encode()], run_coco, (DataError,),
        structured(coco, json.dumps), 2000, 0.15, is_text=True,
    ),
    'label_studio': Target(
        lambda: [json.dumps(label_studio()).encode()], run_label_studio, (DataError,),
        structured(label_studio, json.dumps), 2000, 0.2, is_text=True,
    ),
    'kitti': Target(kitti_seeds, run_kitti, (KittiError,), None, 1500, 0.15),
    'safetensors': Target(
        lambda: [save({'a': torch.zeros(2, 3), 'b': torch.ones(2)})], run_safetensors,
        (CheckpointError,), None, 300, 0.1,
    ),
    'checkpoint': Target(checkpoint_seeds, run_checkpoint, (CheckpointError,), None, 3000, 0.1),
}  # fmt: skip
