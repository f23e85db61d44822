"""Files, requests and surroundings that went round the package's checks, each by its kind."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')
from backports import zstd
from conftest import tiny_spec
from evaluate.drives import write_drive
from evaluate.reports import write_report
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from recordings.test_unpack import ros1_bag
from ros.fleet import Fleet
from trust.conftest import times
from trust.test_findings import hidden_jpeg

from mtscene_ros.backends import BackendError, BackendOptions, constant, open_backend
from mtscene_ros.camera.draw import shown_shape
from mtscene_ros.camera.images import ImageError, rgb_from_compressed
from mtscene_ros.cli.main import main
from mtscene_ros.evaluate.truth.truth_messages import TruthError, plane
from mtscene_ros.models.child_process import code_command, module_command
from mtscene_ros.models.onnx_file import metadata_of
from mtscene_ros.models.spec import classes_from_options
from mtscene_ros.recordings.bags import BagError, open_bag
from mtscene_ros.recordings.salvage_ros1 import rescue_ros1
from mtscene_ros.ros.troubles import BURST, Troubles

from .fuzz_child import mutated
from .test_findings import png

Tried = Callable[[int], None]
pytestmark = pytest.mark.trust
NODE = module_command('mtscene_ros.ros.node', '--ros-args', '-p', 'backend:=constant')
MB = 1_000_000


def peak_mb(code: str, *arguments: str) -> float:
    """Of a process that runs this; what it raises does not matter."""
    report = 'print(*(x for x in open("/proc/self/status") if x.startswith("VmHWM")))'
    whole = f'import sys\ntry:\n    {code}\nexcept Exception as error:\n    pass\n{report}'
    done = subprocess.run(code_command(whole, *arguments), capture_output=True, text=True)
    return float(done.stdout.split()[-2]) / 1024


def sentence_of(command: list[str], before: Callable[[], None] | None = None, **more: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **more}, capture_output=True, text=True, preexec_fn=before
    )
    assert done.returncode in (0, 1, 2)
    assert 'Traceback' not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_a_jpeg_that_hides_its_size(tried: Tried) -> None:
    """Refused by its header, before anything is decoded."""
    for side in range(9000, 9000 + 10 * times(100, 10), 10):
        with pytest.raises(ImageError, match=f'Image size {side}x{side} is not between'):
            rgb_from_compressed('jpeg', np.frombuffer(hidden_jpeg(side, side), np.uint8))
    tried(times(100, 10))


def test_a_module_in_the_current_folder(tmp_path: Path) -> None:
    """No process that we start imports it."""
    for name in ('numpy', 'rclpy', 'yaml', 'struct', 'pickle'):
        (tmp_path / f'{name}.py').write_text(f'open({str(tmp_path / "RAN")!r}, "w")')
    program = str(Path(sys.executable).with_name('mtscene'))
    subprocess.run([program, 'check'], cwd=tmp_path, capture_output=True)
    assert not (tmp_path / 'RAN').exists()


def test_weights_behind_an_odd_encoding(tmp_path: Path, tiny_path: str, tried: Tried) -> None:
    """What versions of protobuf read differently is refused."""
    odd = [b'\xf2\x80\x80\x80\x10\0', b'\x72\x80\x80\x80\x80\x80\0', b'\x02\0', b'\x0b\x0c']
    for tail in odd:
        (tmp_path / 'm.onnx').write_bytes(Path(tiny_path).read_bytes() + tail)
        with pytest.raises(ValueError, match='not a protobuf message'):
            metadata_of(tmp_path / 'm.onnx')
    tried(len(odd))


def test_requests_of_unknown_types(
    start_node: Callable[..., object], fleet: Fleet, tried: Tried
) -> None:
    """Answered with the reason; the node goes on."""
    start_node()
    for number in range(10, 256, times(1, 60)):
        odd = Parameter(name='min_score', value=ParameterValue(type=number))
        request = SetParameters.Request(parameters=[odd])
        [result] = fleet.call(SetParameters, 'set_parameters', request).results
        assert (result.successful, 'ValueError' in result.reason) == (False, True)
    tried(len(range(10, 256, times(1, 60))))


def test_a_chunk_of_gigabytes(tmp_path: Path) -> None:
    """3 GB in 300 KB of zstd are refused at the limit, within three times its memory."""
    packed = zstd.compress(bytes(1 << 26)) * 48
    code = 'from mtscene_ros.recordings.unpack import unpack_zstd; '
    code += 'unpack_zstd(open(sys.argv[1], "rb").read())'
    (tmp_path / 'packed').write_bytes(packed)
    assert peak_mb(code, str(tmp_path / 'packed')) < 3 * 256


def test_a_truth_of_256_megapixels() -> None:
    """Refused by its header, like the images of a camera."""
    message = SimpleNamespace(format='png', data=np.frombuffer(png(16000, 16000, b''), np.uint8))
    with pytest.raises(TruthError, match='16000x16000 is not between'):
        plane(message)


def test_pictures_of_narrow_images() -> None:
    """At most twice as high as wide, instead of a million pixels high."""
    assert shown_shape((4000, 2), 960) == (1920, 1)
    assert shown_shape((64_000_000, 1), 640) == (1280, 1)


def test_arrays_that_nobody_names(tmp_path: Path) -> None:
    """They are not read: 4 GB of zeros cost nothing."""
    spec = tiny_spec()
    outputs = {t.name: np.zeros((1, *t.shape[1:]), t.dtype) for t in spec.outputs}
    constant.write(tmp_path / 'a.npz', spec, outputs)
    with (
        zipfile.ZipFile(tmp_path / 'a.npz', 'a', zipfile.ZIP_DEFLATED) as archive,
        archive.open('big.npy', 'w', force_zip64=True) as member,
    ):
        for _ in range(times(400, 40)):
            member.write(bytes(10 * MB))
    code = 'from mtscene_ros.backends import *; open_backend("constant", sys.argv[1], '
    code += 'BackendOptions())'
    assert peak_mb(code, str(tmp_path / 'a.npz')) < 300


def test_delays_that_are_none(tmp_path: Path, tried: Tried) -> None:
    """Refused when the model is loaded."""
    spec, odd = tiny_spec(), (float('nan'), float('inf'), -1.0)
    outputs = {t.name: np.zeros((1, *t.shape[1:]), t.dtype) for t in spec.outputs}
    for value in odd:
        constant.write(tmp_path / 'a.npz', spec, outputs, delay_s=value)
        with pytest.raises(BackendError, match='must lie between 0 and'):
            open_backend('constant', str(tmp_path / 'a.npz'), BackendOptions())
    tried(len(odd))


def test_sentences_that_all_differ(tried: Tried) -> None:
    """20 lines, then one in five seconds, each of at most a kilobyte."""
    lines: list[str] = []
    troubles = Troubles(SimpleNamespace(warning=lines.append))  # type: ignore[arg-type]
    for number in range(times(5000, 500)):
        name = ''.join(chr(97 + number // 26**k % 26) for k in range(4))
        troubles.warn(f'No transform from {name}{"x" * 64_000}.')
    assert len(lines) <= BURST + 1
    assert max(map(len, lines)) < 1100
    tried(times(5000, 500))


def test_control_characters_in_names(capsys: pytest.CaptureFixture[str]) -> None:
    """Shown as text, in class names and in errors."""
    entry = {'id': 0, 'name': 'a\x1b[2J', 'color_rgb': [0, 0, 0]}
    assert classes_from_options({'classes': [entry]})[0].name == r'a\x1b[2J'
    assert main(['report', 'a\x1b]0;x\x07.mcap']) == 2
    assert '\x1b' not in capsys.readouterr().err


def test_damaged_ros1_bags(tmp_path: Path, tried: Tried) -> None:
    """Read as far as they are whole, or refused in one sentence."""
    good, made = ros1_bag(tmp_path / 'a.bag').read_bytes(), random.Random(3)
    short = good[: good.index(b'op=\x02') + 200]  # one that mutations of a few bytes hit
    for _ in range(times(1000, 50)):
        (tmp_path / 'a.bag').write_bytes(mutated(made, [short, good[:3000]]))
        rescue_ros1(tmp_path / 'a.bag', tmp_path / 'b.bag')
        (tmp_path / 'b.bag').unlink()
        with contextlib.suppress(BagError), open_bag(tmp_path / 'a.bag') as bag:
            list(bag.messages())
    tried(times(1000, 50))


def test_results_that_do_not_belong_together(tmp_path: Path, tried: Tried) -> None:
    """compare refuses them, whichever file is of another evaluation."""
    for name in ('metrics.json', 'frames.parquet', 'done.json'):
        a = write_report(tmp_path / f'a-{name}', {'s': [11.0]})
        b = write_report(tmp_path / f'b-{name}', {'s': [12.0]})
        (b / name).replace(a / name)
        assert main(['compare', str(a), str(a)]) == 2
    tried(3)


def test_a_result_without_its_end(tmp_path: Path) -> None:
    """compare refuses a result whose evaluation was cut off."""
    a = write_report(tmp_path / 'a', {'s': [11.0]})
    (a / 'done.json').unlink()
    assert main(['compare', str(a), str(a)]) == 2


def test_a_report_of_a_recording_without_results(tmp_path: Path) -> None:
    """A page that says what is missing."""
    drive = write_drive(tmp_path / 'a.mcap', 1, 2)
    assert main(['report', str(drive), '-o', str(tmp_path / 'r.html')]) == 0
    assert 'Not in the recording: semantic (' in (tmp_path / 'r.html').read_text()


def test_deep_files(tmp_path: Path, tried: Tried) -> None:
    """One sentence and exit code 2."""
    (tmp_path / 's.yaml').write_text('[' * 9000)
    (tmp_path / 'metrics.json').write_text('[' * 90000)
    assert main(['evaluate', '--scenario', str(tmp_path / 's.yaml'), '-o', str(tmp_path)]) == 2
    assert main(['compare', str(tmp_path), str(tmp_path)]) == 2
    tried(2)


def test_a_log_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """One sentence that names ROS_LOG_DIR, exit code 1."""
    (tmp_path / 'file').touch()
    assert 'set ROS_LOG_DIR' in sentence_of(NODE, ROS_LOG_DIR=str(tmp_path / 'file' / 'log'))


def test_few_open_files() -> None:
    """One sentence that names the limit, exit code 1."""
    few = (resource.RLIMIT_NOFILE, (20, 20))
    assert 'run `ulimit -n 1024`' in sentence_of(NODE, lambda: resource.setrlimit(*few))


def test_a_closed_stdout() -> None:
    """One sentence; what is to be done is done."""
    command = module_command('mtscene_ros.cli', 'models')
    assert 'standard output is closed' in sentence_of(command, lambda: os.close(1))
