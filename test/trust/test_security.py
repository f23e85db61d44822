"""What a file or a neighbour on the network could try, and that it comes to nothing."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')
from conftest import tiny_model
from sensor_msgs.msg import Image

from mtscene_ros.backends import BackendError, BackendOptions, open_backend
from mtscene_ros.backends.engine_build import BuildSettings
from mtscene_ros.backends.engine_cache import Device, EngineKey, engine_for
from mtscene_ros.camera.images import ImageError
from mtscene_ros.datasets.label_files import DataError, lines_of
from mtscene_ros.recordings.bags import BagError, open_bag
from mtscene_ros.ros.camera_input import InputLimits
from mtscene_ros.ros.message_types import message_class
from training.data import manifest_samples
from training.data.image_search import ImageSearch
from training.weights.checkpoint_store import CheckpointError, read_file

from .fuzz_bags import mcap
from .fuzz_messages import frame_of, image
from .fuzz_training import PNG

KEY = EngineKey('ab', 'tensorrt', '10.3', Device('Orin', '8.7', '540'), BuildSettings())
OPTIONS = BackendOptions(threads=1)


def with_weights_in(folder: Path, location: str) -> str:
    """The tiny model, one weight of which lies in another file."""
    model = tiny_model()
    weight = next(w for w in model.graph.initializer if w.name == 'code')
    weight.raw_data = onnx.numpy_helper.to_array(weight).tobytes()
    weight.ClearField('float_data')
    onnx.external_data_helper.set_external_data(weight, location, offset=0, length=32)
    (folder / 'weights.bin').write_bytes(weight.raw_data)
    weight.ClearField('raw_data')
    (folder / 'model.onnx').write_bytes(model.SerializeToString())
    return str(folder / 'model.onnx')


@pytest.mark.parametrize('location', ['../secret.bin', '/etc/hostname', 'link.bin', 'a\0b'])
@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_weights_outside_the_models_folder(tmp_path: Path, location: str, backend: str) -> None:
    folder = tmp_path / 'model'
    folder.mkdir()
    (tmp_path / 'secret.bin').write_bytes(bytes(32))
    (folder / 'link.bin').symlink_to(tmp_path / 'secret.bin')
    with pytest.raises(BackendError, match=r'outside the folder of the model|null'):
        open_backend(backend, with_weights_in(folder, location), OPTIONS)


def test_the_name_of_a_model_hides_no_weights(tmp_path: Path) -> None:
    """Runtimes read ONNX under any name, also that of stored outputs; tags have 32 bits."""
    model = Path(with_weights_in(tmp_path, '../secret.bin'))
    renamed = model.rename(tmp_path / 'model.npz')
    with pytest.raises(BackendError, match='outside the folder of the model'):
        open_backend('onnxruntime', str(renamed), OPTIONS)
    tag = b'\x6a'  # external_data, field 13 of a tensor
    hidden = renamed.read_bytes().replace(tag + b'\x19', b'\xea\x80\x80\x80\x10\x19')
    renamed.write_bytes(hidden)
    with pytest.raises(BackendError, match=r'not a protobuf message|cut off'):
        open_backend('onnxruntime', str(renamed), OPTIONS)


def test_weights_behind_a_link_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b'\x80')).symlink_to('/etc/hostname')
    model = Path(with_weights_in(tmp_path, 'Q'))
    model.write_bytes(model.read_bytes().replace(b'\x12\x01Q', b'\x12\x01\x80'))
    with pytest.raises(BackendError, match=r"lie in '.udc80', outside the folder"):
        open_backend('onnxruntime', str(model), OPTIONS)


def test_weights_beside_the_model(tmp_path: Path) -> None:
    backend = open_backend('onnxruntime', with_weights_in(tmp_path, 'weights.bin'), OPTIONS)
    assert 'depth' in backend.tensors
    backend.close()


def test_limits_are_the_parameters(tmp_path: Path) -> None:
    data = image('mono8', 40, 30, 40, 1200)
    assert frame_of(data, Image, '', InputLimits(len(data), 1200)).rgb.shape == (30, 40, 3)
    with pytest.raises(ImageError, match=r'more than max_message_mb allows \(1000\)'):
        frame_of(data, Image, '', InputLimits(1000))
    with pytest.raises(ImageError, match='Image size 40x30 is not between 1 and 1199 pixels'):
        frame_of(data, Image, '', InputLimits(max_pixels=1199))


def test_the_engine_cache_is_private(tmp_path: Path) -> None:
    folder = tmp_path / 'cache'
    found = engine_for(Path('m.onnx'), KEY, folder, lambda: b'plan')
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    assert engine_for(Path('m.onnx'), KEY, folder, lambda: b'other').plan == b'plan'
    folder.chmod(0o777)
    open_to_all = engine_for(Path('m.onnx'), KEY, folder, lambda: b'new')
    assert open_to_all.plan == b'new'
    assert 'others may write there; run `chmod go-w' in open_to_all.warning
    assert found.path.read_bytes() == b'plan'


def test_links_in_the_engine_cache_are_not_followed(tmp_path: Path) -> None:
    folder, victim = tmp_path / 'cache', tmp_path / 'victim'
    path = engine_for(Path('m.onnx'), KEY, folder, lambda: b'plan').path
    path.rename(victim)
    path.symlink_to(victim)
    assert engine_for(Path('m.onnx'), KEY, folder, lambda: b'new').plan == b'new'
    assert victim.read_bytes() == b'plan'
    lock = path.with_suffix('.lock')
    lock.unlink()
    lock.symlink_to(victim)
    assert 'cannot be used' in engine_for(Path('m.onnx'), KEY, folder, lambda: b'x').warning
    assert victim.read_bytes() == b'plan'


def test_only_interfaces_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type names come from recordings and from the network."""
    (tmp_path / 'evil').mkdir()
    (tmp_path / 'evil' / 'msg.py').write_text('raise SystemExit("ran")')
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ('evil/msg/Image', '', '/', '../evil/msg/Image', 'a\0b/msg/C', 'os/msg/path'):
        assert message_class(name) is None, name
    assert 'evil' not in sys.modules
    assert message_class('sensor_msgs/msg/Image') is Image


def read_all(path: Path) -> None:
    with open_bag(path) as bag:
        for connection, _, raw in bag.messages():
            bag.deserialize(raw, connection.msgtype)


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        (b'string encoding', b'string x;print('),
        (b'string encoding', b'string __del__ '),
        (b'sensor_msgs/msg/Image', b'x:\n  open("%s")#'),
    ],
)
def test_definitions_in_a_recording_run_nothing(tmp_path: Path, old: bytes, new: bytes) -> None:
    """rosbags makes Python of them: only what its grammar takes for names gets there."""
    canary = tmp_path / 'c'
    new = (new % os.fsencode(canary) if b'%s' in new else new)[: len(old)].ljust(len(old), b'_')
    path = tmp_path / 'a.mcap'
    path.write_bytes(mcap().replace(old, new))
    with contextlib.suppress(BagError):  # topics without a type that can be read are left out
        read_all(path)
    assert not canary.exists()


@pytest.mark.parametrize('name', ['../b.png', '{folder}/../b.png', 'x/../../b', '/etc/hostname'])
def test_paths_of_a_manifest_stay_in_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / 'set'
    folder.mkdir()
    (tmp_path / 'b.png').write_bytes(PNG)
    path = folder / 'm.yaml'
    path.write_text(f'frames: [{{image: "{name.format(folder=folder)}"}}]')
    with pytest.raises(DataError, match=r'lies outside the folder of the manifest'):
        manifest_samples.read(path, '0')


def test_names_in_annotations_and_lists_stay_in_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / 'photos'
    folder.mkdir()
    (tmp_path / 'b.png').write_bytes(PNG)
    search = ImageSearch(folder, tmp_path / 'coco.json')
    for name in ('../b.png', '..%2Fb.png', 'x?d=../b.png', str(tmp_path / 'b.png')):
        assert search.find(name) is None
    (folder / 'b.png').write_bytes(PNG)
    assert search.find('../b.png') == folder / 'b.png'
    for line in ('../b', '/etc/hostname', 'a/../../b', 'a\\..\\..\\b'):
        (folder / 'val.txt').write_text(f'a\n{line}\n')
        with pytest.raises(DataError, match='leaves the'):
            lines_of(folder / 'val.txt')


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    canary = tmp_path / 'ran'
    code = f'cposix\nsystem\n(Vtouch {canary}\ntR.'
    (tmp_path / 'last.pt').write_bytes(code.encode())
    with pytest.raises(CheckpointError):
        read_file(tmp_path / 'last.pt')
    assert not canary.exists()


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / 'a.npz', mtscene_spec=np.array([{}], object))
    with pytest.raises(BackendError, match=r'allow_pickle|Object arrays'):
        open_backend('constant', str(tmp_path / 'a.npz'), OPTIONS)
