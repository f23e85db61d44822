"""rviz/ and foxglove/ show what the node publishes, under names and QoS that it has."""

import json
import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip('rclpy', reason='ROS 2 is not installed')
from diagnostic_msgs.msg import DiagnosticArray
from mtscene_msgs.msg import FrameStats, StageTime
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from mtscene_ros.camera.outputs import FRAME_STATS, OUTPUTS
from mtscene_ros.ros import qos

ROOT = Path(__file__).parents[2]
TYPES = {output.topic: output.kind.rpartition('/')[2] for output in OUTPUTS}
# RViz 14 (Jazzy): rviz_default_plugins/plugins_description.xml, vision_msgs_rviz_plugins.
DISPLAYS = {
    'Image': 'rviz_default_plugins/Image',
    'PointCloud2': 'rviz_default_plugins/PointCloud2',
    'MarkerArray': 'rviz_default_plugins/MarkerArray',
    'Detection3DArray': 'vision_msgs_rviz_plugins/Detection3DArray',
}
# RViz has no display of 32FC3, of Detection2DArray, and of our own message.
NOT_IN_RVIZ = {'normals/image', 'detections_2d', 'scene'}
NOT_IN_RVIZ |= {'debug/overlay/compressed', 'semantic/color/compressed'}  # a display's transport
OF_DEPTH_CLOUD = {'depth/camera_info'}  # found by the display beside depth/image


def displays() -> list[dict]:
    manager = yaml.safe_load((ROOT / 'rviz' / 'perception.rviz').read_text())
    return [d for d in manager['Visualization Manager']['Displays'] if 'Topic' in d]


def test_rviz_shows_every_output_once() -> None:
    shown = [display['Topic']['Value'].removeprefix('perception/') for display in displays()]
    assert sorted(shown) == sorted(set(TYPES) - NOT_IN_RVIZ - OF_DEPTH_CLOUD)


@pytest.mark.parametrize('display', displays(), ids=lambda display: display['Name'])
def test_rviz_display_fits_type_and_qos(display: dict) -> None:
    topic = display['Topic']
    assert display['Class'] == DISPLAYS[TYPES[topic['Value'].removeprefix('perception/')]]
    assert (qos.outputs().reliability, topic['Reliability Policy']) == (
        ReliabilityPolicy.RELIABLE,
        'Reliable',
    )
    assert (qos.outputs().durability, topic['Durability Policy']) == (
        DurabilityPolicy.VOLATILE,
        'Volatile',
    )
    assert display['Enabled'] is display['Value']


def layout() -> dict:
    return json.loads((ROOT / 'foxglove' / 'perception.json').read_text())


def panels_in(node: object) -> list[str]:
    """Names of the panels in a layout's tree, tabs opened."""
    if isinstance(node, str):
        tabs = layout()['configById'][node].get('tabs', ())
        return [node, *(name for tab in tabs for name in panels_in(tab['layout']))]
    assert isinstance(node, dict)
    return [*panels_in(node['first']), *panels_in(node['second'])]


def test_foxglove_places_every_panel_once() -> None:
    kinds = sorted(name.split('!')[0] for name in panels_in(layout()['layout']))
    assert sorted(panels_in(layout()['layout'])) == sorted(layout()['configById'])
    assert kinds == ['3D', 'DiagnosticSummary', *3 * ['Image'], *2 * ['Plot'], 'Tab', 'Table']


# Settings as the open source of Foxglove Studio, and of Lichtblick after it, declares them.
SETTINGS = {
    '3D': 'cameraState followMode followTf scene transforms topics layers publish imageMode',
    'Image': 'cameraState followMode followTf scene transforms topics layers publish imageMode',
    'imageMode': 'imageTopic calibrationTopic annotations synchronize rotation flipHorizontal '
    'flipVertical minValue maxValue colorMode colorMap colorField gradient flatColor '
    'explicitAlpha',
    'cameraState': 'distance perspective phi target targetOffset targetOrientation thetaOffset '
    'fovy near far',
    'Plot': 'title paths showXAxisLabels showYAxisLabels showLegend legendDisplay isSynced '
    'xAxisVal followingViewWidth minXValue maxXValue minYValue maxYValue sidebarDimension '
    'showPlotValuesInLegend xAxisPath',
    'DiagnosticSummary': 'topicToRender minLevel pinnedIds hardwareIdFilter sortByLevel',
    'Table': 'topicPath',
    'Tab': 'activeTabIdx tabs',
}


def test_foxglove_knows_every_setting() -> None:
    for name, config in layout()['configById'].items():
        assert config.keys() <= {*SETTINGS[name.split('!')[0]].split()}, name
        for part in ('imageMode', 'cameraState'):
            assert config.get(part, {}).keys() <= {*SETTINGS[part].split()}, name
        assert config.get('followMode', 'follow-pose') in (
            'follow-pose', 'follow-position', 'follow-none'
        )  # fmt: skip


def test_foxglove_divides_the_window() -> None:
    """Every branch is a row or a column of two parts, whose share is a percentage."""
    roots: list = [layout()['layout']]
    roots += [tab['layout'] for c in layout()['configById'].values() for tab in c.get('tabs', ())]
    branches = [root for root in roots if isinstance(root, dict)]
    for branch in branches:  # grows
        assert branch.keys() == {'direction', 'splitPercentage', 'first', 'second'}
        assert branch['direction'] in ('row', 'column')
        assert 0 < branch['splitPercentage'] < 100
        branches += [branch[k] for k in ('first', 'second') if isinstance(branch[k], dict)]
    assert len(branches) == 5


def test_foxglove_topics_are_published_with_a_type_that_the_panel_takes() -> None:
    configs = layout()['configById']
    images = [config['imageMode'] for name, config in configs.items() if name.startswith('Image')]
    assert {TYPES[i['imageTopic'].removeprefix('/perception/')] for i in images} == {'Image'}
    cameras = {TYPES[i['calibrationTopic'].removeprefix('/perception/')] for i in images}
    scene = [TYPES[t.removeprefix('/perception/')] for t in configs['3D!scene']['topics']]
    assert (cameras, scene) == ({'CameraInfo'}, ['PointCloud2', 'MarkerArray', 'CameraInfo'])
    assert configs['DiagnosticSummary!all']['topicToRender'] == '/diagnostics'
    assert DiagnosticArray.get_fields_and_field_types()['status']


def test_foxglove_plots_fields_that_frame_stats_has() -> None:
    fields, stage = FrameStats.get_fields_and_field_types(), StageTime.get_fields_and_field_types()
    configs = layout()['configById']
    paths = [p for name in configs for p in configs[name].get('paths', ())]
    assert len(paths) == 12
    for path in paths:
        assert path['enabled'] is True
        topic, field, filtered, inner = re.fullmatch(
            r'/perception/(debug/\w+)\.(\w+)(\[:\]\{name=="\w+"\}\.(\w+))?', path['value']
        ).groups()
        assert (topic, field in fields, filtered is None or inner in stage) == (
            FRAME_STATS,
            True,
            True,
        )


def test_foxglove_plots_the_stages_that_the_worker_measures() -> None:
    text = (ROOT / 'foxglove' / 'perception.json').read_text()
    named = re.findall(r'name==\\"(\w+)\\"', text)
    worker = (ROOT / 'mtscene_ros' / 'ros' / 'worker.py').read_text()
    estimator = (ROOT / 'mtscene_ros' / 'estimator.py').read_text()
    assert len(named) == 7
    assert all(f"'{name}'" in worker + estimator for name in named)
