"""The node's parameters: one table from which declaration, checks, config/perception.yaml and
README come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from mtscene_ros.backends import BACKENDS


@dataclass(frozen=True, slots=True)
class NodeParams:
    """Values of PARAMETERS, field by field."""

    model: str
    backend: str
    threads: int
    autostart: bool
    image_transport: str
    input_is_rectified: bool
    depth_encoding: str
    probability_encoding: str
    min_score: float


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row. unit '-' = none; values: allowed choices; limits: inclusive; dynamic: may change
    while running."""

    name: str
    default: str | int | float | bool
    unit: str
    doc: str
    values: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    dynamic: bool = False

    @property
    def type_name(self) -> str:
        """ROS's name of the type."""
        return {str: 'string', bool: 'bool', int: 'int', float: 'double'}[type(self.default)]

    @property
    def default_yaml(self) -> str:
        """The default as YAML writes it."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return f"'{self.default}'" if isinstance(self.default, str) else str(self.default)

    @property
    def allowed(self) -> str:
        """What values may be given, for people."""
        if self.values:
            return ', '.join(self.values)
        if isinstance(self.default, bool):
            return 'true, false'
        return f'{self.limits[0]:g} to {self.limits[1]:g}' if self.limits else 'any'


PARAMETERS: tuple[Parameter, ...] = (
    Parameter('model', '', '-', 'model file (.onnx); empty = the bundled drive_lite'),
    Parameter('backend', 'onnxruntime', '-', 'runtime of the model', values=tuple(BACKENDS)),
    Parameter('threads', 0, '-', 'CPU threads of the runtime; 0 = one per core', limits=(0, 256)),
    Parameter('autostart', True, '-', 'configure and activate at start, like a plain node'),
    Parameter(
        'image_transport',
        'raw',
        '-',
        'raw: sensor_msgs/Image on `image`; compressed: JPEG or PNG on `image/compressed`',
        values=('raw', 'compressed'),
    ),
    Parameter(
        'input_is_rectified',
        True,
        '-',
        'true: the image has no distortion and P of camera_info holds; false: K, D is ignored',
    ),
    Parameter(
        'depth_encoding',
        '32FC1',
        '-',
        '32FC1: metres, NaN unknown; 16UC1: millimetres, 0 unknown',
        values=('32FC1', '16UC1'),
        dynamic=True,
    ),
    Parameter(
        'probability_encoding',
        'mono8',
        '-',
        'boundary and saliency: mono8: 0 to 255; 32FC1: 0 to 1',
        values=('mono8', '32FC1'),
        dynamic=True,
    ),
    Parameter(
        'min_score',
        0.3,
        '-',
        '3D boxes below this score are not published',
        limits=(0.0, 1.0),
        dynamic=True,
    ),
)
_TABLE = {parameter.name: parameter for parameter in PARAMETERS}


class ParameterError(ValueError):
    """A parameter cannot be used; the message is one sentence that names value and fix."""


def declare(node: Node) -> NodeParams:
    """Declares all parameters, refuses bad values now and later. Raises ParameterError."""
    for row in PARAMETERS:
        descriptor = ParameterDescriptor(
            description=f'{row.doc} [{row.unit}]',
            additional_constraints=row.allowed,
            read_only=not row.dynamic,
            dynamic_typing=True,  # so that a wrong type reaches `complaint` and gets our sentence
        )
        value = node.declare_parameter(row.name, row.default, descriptor).value
        sentence = complaint(row.name, value)
        if sentence:
            raise ParameterError(sentence)
    node.add_on_set_parameters_callback(_on_set)
    return read(node)


def read(node: Node) -> NodeParams:
    """The current values."""
    values: dict[str, Any] = {}
    for row in PARAMETERS:
        value = node.get_parameter(row.name).value
        values[row.name] = float(value) if isinstance(row.default, float) else value
    return NodeParams(**values)


def complaint(name: str, value: object) -> str:
    """One sentence on what is wrong with a value, '' if nothing is."""
    row = _TABLE[name]
    want = (int, float) if isinstance(row.default, float) else (type(row.default),)
    if type(value) not in want:
        return f'Parameter {name} is {value!r}; it must be of type {row.type_name}.'
    if row.values and value not in row.values:
        return f'Parameter {name} is {value!r}; it must be one of {row.allowed}.'
    if row.limits and not row.limits[0] <= float(str(value)) <= row.limits[1]:
        return f'Parameter {name} is {value!r}; it must lie in {row.allowed}.'
    return ''


def _on_set(changes: Sequence[RosParameter]) -> SetParametersResult:
    sentences = [complaint(c.name, c.value) for c in changes if c.name in _TABLE]
    reason = ' '.join(s for s in sentences if s)
    return SetParametersResult(successful=not reason, reason=reason)


def yaml_text() -> str:
    """config/perception.yaml: every parameter with its default and meaning."""
    lines = ['# Made from mtscene_ros/ros/params.py by `python -m mtscene_ros.ros.params yaml`.']
    lines += ['/**:', '  ros__parameters:']
    for row in PARAMETERS:
        lines += [f'    # {row.doc}. Allowed: {row.allowed}.']
        lines += [f'    {row.name}: {row.default_yaml}']
    return '\n'.join(lines) + '\n'


def markdown_table() -> str:
    """README's table of parameters."""
    lines = [
        '| parameter | type | default | allowed | while running | meaning |',
        '|---|---|---|---|---|---|',
    ]
    for row in PARAMETERS:
        changes = 'yes' if row.dynamic else 'no'
        default = f'`{row.default_yaml}`'
        cells = (f'`{row.name}`', row.type_name, default, row.allowed, changes, row.doc)
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    import sys

    sys.stdout.write(yaml_text() if sys.argv[1:] == ['yaml'] else markdown_table())
