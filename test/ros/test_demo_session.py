"""The demo as a user runs it, with the tiny model: node, player and recorder over real DDS. It
plays stepwise, as it does with short recordings, so that a busy machine drops no frame."""

import subprocess
import sys
from pathlib import Path

import pytest

from mtscene_ros.recordings.node_results import read_recording

DEMO = """
import sys
from functools import partial
from pathlib import Path
from mtscene_ros.recordings.bags import BagError
from mtscene_ros.cli.demo_run import run_demo
from mtscene_ros.ros import demo_session
demo_session.PlayOptions = partial(demo_session.PlayOptions, step_timeout_s=120)
bag, out, model = sys.argv[1:]
try:
    sys.exit(run_demo(Path(bag) if bag else None, Path(out), 6, model))
except BagError as error:
    sys.exit(str(error))
"""


def demo(bag: str, out: Path, model: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-c', DEMO, bag, str(out), model]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope='module')
def done(tmp_path_factory: pytest.TempPathFactory, tiny_path: str) -> Path:
    """The folder after a demo on six generated frames."""
    out = tmp_path_factory.mktemp('demo')
    process = demo('', out, tiny_path)
    assert process.returncode == 0, process.stderr
    assert '6 frames' in process.stdout
    assert 'dropped 0  failed 0' in process.stdout
    assert process.stdout.count('\n  mtscene ') == 3  # what to do next
    return out


def test_every_frame_is_recorded_with_its_results(done: Path) -> None:
    recording = read_recording(done / 'out.mcap', shown=10)
    assert recording.image_topic == '/camera/image_raw'
    assert len(recording.input_ns) == len(recording.done_ns) == len(recording.shown) == 6
    assert recording.counts == {'received': 6, 'published': 6, 'dropped': 0, 'failed': 0}
    for frame in recording.shown:
        assert set(frame.scene.results) == set(frame.truth) == {'semantic', 'depth', 'boxes3d'}
    assert any(line.startswith('Model tiny 1') for line in recording.log)
    assert '6 of 6' in (done / 'report.html').read_text()


def test_compressed_images(done: Path, tmp_path: Path, tiny_path: str) -> None:
    bag = tmp_path / 'jpeg.mcap'
    convert = ['convert', 'worlds', '--frames', '3', '--size', '64x32', '--compressed']
    command = [sys.executable, '-m', 'mtscene_ros.cli', *convert, '-o', str(bag)]
    subprocess.run(command, check=True, timeout=600)
    process = demo(str(bag), tmp_path, tiny_path)
    assert process.returncode == 0, process.stderr
    recording = read_recording(tmp_path / 'out.mcap')
    assert recording.image_topic == '/camera/image_raw/compressed'
    assert recording.counts['published'] == 3


def test_a_node_that_cannot_start_is_quoted(done: Path, tmp_path: Path) -> None:
    process = demo(str(done / 'drive.mcap'), tmp_path, '/no/model.onnx')
    assert process.returncode == 1
    assert "Model file '/no/model.onnx' does not exist" in process.stderr
    assert not (tmp_path / 'out.mcap').exists()
