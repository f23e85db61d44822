"""Pages of the reference, from the code: topics, parameters, messages, commands."""

from __future__ import annotations

import os
import re
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
    'semantic/color/compressed': 'the same as PNG, for viewing over a radio link',
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
    'debug/overlay/compressed': 'the same as JPEG, for viewing over a radio link',
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


FIELD = re.compile(r'(?P<type>\S+) (?P<name>\w+) *# (?P<unit>\[[^]]+\] )?(?P<meaning>.+)')


def messages() -> str:
    """From msg/mtscene_msgs: every field with its unit; ValueError for a field without comment."""
    parts = ['# Messages and services', 'From the comments of the definitions, units in brackets.']
    for path in sorted((ROOT / 'msg' / 'mtscene_msgs').glob('*/*')):
        if path.suffix in ('.msg', '.srv'):
            parts.append(f'## mtscene_msgs/{path.parent.name}/{path.stem}')
            parts += _definition(path.read_text())
    return '\n\n'.join(parts) + '\n'


def _definition(text: str) -> list[str]:
    """Comments as paragraphs, fields as tables."""
    parts = []
    for block in re.split(r'\n\n+|(?=^---$)', text.strip(), flags=re.M):
        lines = block.splitlines()
        if lines[0] == '---':
            parts.append('Response:')
            lines = lines[1:]
        comments = [line.lstrip('# ') for line in lines if line.startswith('#')]
        fields = [line for line in lines if not line.startswith('#')]
        parts += [' '.join(comments)] if comments else []
        parts += [_fields_table(fields)] if fields else []
    return parts


def _fields_table(lines: list[str]) -> str:
    rows = ['| field | type | unit | meaning |', '|---|---|---|---|']
    for line in lines:
        found = FIELD.fullmatch(line)
        if found is None:
            raise ValueError(f'{line!r} has no comment that says what it holds.')
        unit = (found['unit'] or '').strip('[] ')
        rows.append(f'| `{found["name"]}` | {found["type"]} | {unit} | {found["meaning"]} |')
    return '\n'.join(rows)


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
