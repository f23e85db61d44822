"""`mtscene check`: what it says of settings that a test can make good or bad."""

import json
from pathlib import Path

import pytest

from mtscene_ros.cli import checks
from mtscene_ros.cli.checks import Configuration
from mtscene_ros.cli.main import main
from mtscene_ros.cli.middleware import VARIABLES, Transport, fastdds_profile, transport_of
from mtscene_ros.ros.finding import FAIL, OK, WARN

SMALL = """<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
<segment_size>524288</segment_size><maxMessageSize>65536</maxMessageSize></profiles>"""


@pytest.fixture
def no_profile(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*VARIABLES, 'RMW_IMPLEMENTATION'):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_our_profile_is_read() -> None:
    profile = fastdds_profile()
    assert profile is not None
    assert transport_of(profile) == Transport(64 << 20, 16 << 20)


def test_without_a_profile_the_line_to_type_is_told(no_profile: pytest.MonkeyPatch) -> None:
    found = checks.profile(Configuration())
    assert found.level == WARN
    assert found.fix.startswith(f'export {VARIABLES[1]}={fastdds_profile()}')


@pytest.mark.parametrize(('text', 'level'), [(SMALL, WARN), ('no xml', FAIL)])
def test_another_profile_is_looked_into(
    no_profile: pytest.MonkeyPatch, tmp_path: Path, text: str, level: str
) -> None:
    (tmp_path / 'profile.xml').write_text(text)
    no_profile.setenv(VARIABLES[0], str(tmp_path / 'profile.xml'))
    assert checks.profile(Configuration()).level == level


def test_our_profile_and_other_middleware_are_fine(no_profile: pytest.MonkeyPatch) -> None:
    no_profile.setenv(VARIABLES[1], str(fastdds_profile()))
    assert checks.profile(Configuration()).level == OK
    no_profile.delenv(VARIABLES[1])
    no_profile.setenv('RMW_IMPLEMENTATION', 'rmw_cyclonedds_cpp')
    assert checks.profile(Configuration()).level == OK


def test_the_index_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    assert checks.index(Configuration()).level == WARN
    marker = tmp_path / 'share/ament_index/resource_index/packages/mtscene_ros'
    marker.parent.mkdir(parents=True)
    marker.touch()
    assert checks.index(Configuration()).found == f'mtscene_ros in {tmp_path}'


def test_the_model_is_run(tiny_path: str) -> None:
    found = checks.model(Configuration(tiny_path, 'onnxruntime'))
    assert found.level == OK
    assert found.found.startswith('tiny 1 (boxes3d, depth, semantic) on ONNX Runtime')


def test_a_bad_model_fails_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'bad.onnx').write_bytes(b'no model')
    assert main(['check', '--model', str(tmp_path / 'bad.onnx'), '--json']) == 1
    failed = [f for f in json.loads(capsys.readouterr().out) if f['level'] == FAIL]
    assert [f['name'] for f in failed] == ['model']
    assert failed[0]['fix']


def test_middleware_that_ends_its_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_nobody_cpp')
    found = list(checks.live(Configuration()))
    assert [f.name for f in found if f.level == FAIL] == ['ros starts']
    assert 'RMW_IMPLEMENTATION' in found[-1].fix


def test_live_findings_cross_the_process(tmp_path: Path) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    (tmp_path / 'p.yaml').write_text('/**: {ros__parameters: {min_score: 7.0}}')
    found = {
        f.name: f for f in checks.live(Configuration('', '', '/no', str(tmp_path / 'p.yaml')))
    }
    assert found['parameter file'].level == found['topic /no'].level == FAIL
    assert found['rmw in use'].level == OK
