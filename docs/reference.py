"""Pages of the reference, from the code: topics, parameters, messages, commands."""

from __future__ import annotations

import os
from pathlib import Path

from mtscene_ros.camera.outputs import FRAME_STATS, LABEL_INFO_TOPICS, OUTPUTS
from mtscene_ros.cli.main import VERBS, verb_parser
from mtscene_ros.ros.params import markdown_table

ROOT = Path(__file__).resolve().parents[1]

# What a topic holds; a topic without a row here stops the build.
CONTENT = {
    'semantic/image': '`mono8` label ids at camera size, 255 = unknown',
    'semantic/confidence': '`mono8`, round(255 · p_max)',
    'semantic/color': '`rgb8`, every label in its colour of the model file',
    'depth/image': '`32FC1` metres along optical z, NaN unknown, +Inf beyond range, −Inf too '
    'close (REP-117); or `16UC1` millimetres, 0 unknown (`depth_encoding`)',
    'depth/camera_info': 'intrinsics that fit the depth image and every other map',
    'points': 'organised cloud, pixel by pixel as `semantic/image`: x y z, rgb, label, '
    'confidence; NaN where depth is unknown',
    'normals/image': '`32FC3` unit vectors in the optical frame, towards the camera, NaN unknown',
    'boundary/image': '`mono8` 0 to 255, or `32FC1` 0 to 1 (`probability_encoding`)',
    'saliency/image': '`mono8` 0 to 255, or `32FC1` 0 to 1 (`probability_encoding`)',
    'parts/image': '`mono8` ids of human parts',
    'detections_3d': '3D boxes with class, score and, with tracking, an id; published for every '
    'frame, also empty',
    'detections_2d': 'rectangles around what the image shows of the 3D boxes, in pixels of the '
    'subscribed image',
    'scene': 'everything known about one image in one message',
    'debug/overlay': '`rgb8`: labels and boxes drawn into the image',
    'debug/markers': 'boxes for RViz; the first marker deletes those of before',
}
OTHER = (
    '| `~/own/NAME/image` | sensor_msgs/Image | tasks of your own: classes as `mono8`, numbers '
    'as `32FC1` | NAME |',
    '| `~/own/NAME/label_info` | vision_msgs/LabelInfo | classes of a task of your own | NAME |',
    f'| `~/{FRAME_STATS}` | mtscene_msgs/FrameStats | seconds per stage, age, received / '
    'published / dropped / failed | |',
)


def topics() -> str:
    """The table of mtscene_ros/camera/outputs.py; KeyError for a topic without a description."""
    rows = ['| output | type | content | tasks of the model |', '|---|---|---|---|']
    for output in OUTPUTS:
        kind = output.kind.replace('/msg/', '/')
        tasks = ', '.join(output.needs) or f'any of {", ".join(output.uses)}'
        rows.append(f'| `~/{output.topic}` | {kind} | {CONTENT[output.topic]} | {tasks} |')
    for task, topic in LABEL_INFO_TOPICS.items():
        what = 'id → name; latched, repeated at 1 Hz'
        rows.append(f'| `~/{topic}` | vision_msgs/LabelInfo | {what} | {task} |')
    return TOPICS.format(table='\n'.join((*rows, *OTHER)))


def parameters() -> str:
    """From mtscene_ros/ros/parameter_table.py."""
    return PARAMETERS.format(table=markdown_table())


def messages() -> str:
    """From msg/mtscene_msgs."""
    parts = ['# Messages and services']
    for path in sorted((ROOT / 'msg' / 'mtscene_msgs').glob('*/*')):
        if path.suffix in ('.msg', '.srv'):
            parts.append(f'## mtscene_msgs/{path.parent.name}/{path.stem}')
            parts.append(f'```text\n{path.read_text().strip()}\n```')
    return '\n\n'.join(parts) + '\n'


def commands() -> str:
    """From the parsers of mtscene_ros/cli/main.py."""
    os.environ['COLUMNS'] = '100'  # argparse breaks its lines there
    parts = [
        '# Commands',
        '\n'.join(f'- `mtscene {name}`: {what}' for name, what in VERBS.items()),
    ]
    for name in VERBS:
        parts += [f'## mtscene {name}', f'```text\n{verb_parser(name).format_help().strip()}\n```']
    return '\n\n'.join(parts) + '\n'


TOPICS = """# Topics

Node `perception`, executable `perception_node`. Input: `image` (remap it) and the `camera_info`
beside it; with `image_transport: compressed`, JPEG or PNG on `image/compressed`. With
`cameras: [front, left]` everything exists per camera: `front/image` in,
`~/front/semantic/image` out.

{table}

A topic exists if the model has its task. An output is computed only while somebody listens to it.
Every output carries the header of its image, bit for bit, so `ExactTime` synchronises any two of
them. `/diagnostics` tells rates, latency and trouble.
"""

PARAMETERS = """# Parameters

{table}

`config/perception.yaml` holds the same as a parameter file. What may change while the
node runs is set by `ros2 param set`.
"""
