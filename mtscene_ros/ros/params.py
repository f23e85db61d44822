"""The node's parameters: one table gives the declaration, the checks, config/perception.yaml and
the reference page. The last functions turn parameters into the options of other parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from mtscene_ros.camera.box_filter import BoxFilter, BoxFilterError, box_filter
from mtscene_ros.camera.mailbox import Policy
from mtscene_ros.camera.outputs import OutputParams
from mtscene_ros.ros.parameter_row import Parameter
from mtscene_ros.ros.parameter_table import PARAMETERS
from mtscene_ros.ros.parameter_values import NodeParams
from mtscene_ros.temporal.image_health import HealthOptions
from mtscene_ros.temporal.watch import WatchOptions
from mtscene_ros.terminal import did_you_mean

# Parameters that rclpy declares itself, and the name under which launch/perception.launch.py
# passes an argument that was left empty.
FOREIGN_NAMES = ('qos_overrides.', 'use_sim_time', 'start_type_description_service', 'not_given')
EVENTS = './parameter_events.'  # a topic of rclpy's own
# A part of a topic name, which allows no other characters and is at most 255 long.
CAMERA_NAME = re.compile('[A-Za-z_][A-Za-z0-9_]{0,99}')
MAX_CAMERAS = 64
_TABLE = {parameter.name: parameter for parameter in PARAMETERS}


class ParameterError(ValueError):
    """A parameter cannot be used; the message is one sentence that names the value and the fix."""


def declare(node: Node) -> NodeParams:
    """Declares all parameters and returns their values; bad values are refused now and later.

    An integer for a double is taken as that double, and the declared type stays (see
    `declared_value`). Raises ParameterError.
    """
    for row in PARAMETERS:
        given = node._parameter_overrides.get(row.name)
        value = declared_value(row, row.default if given is None else given.value)
        sentence = complaint(row.name, value)
        if sentence:
            raise ParameterError(sentence)
        node.declare_parameter(row.name, value, descriptor_of(row), ignore_override=True)
    refuse_and_convert(node)
    return read(node)


def descriptor_of(row: Parameter) -> ParameterDescriptor:
    """Returns how tools see the parameter; its range makes sliders in rqt_reconfigure."""
    found = ParameterDescriptor(
        description=f'{row.doc} [{row.unit}]',
        additional_constraints=row.allowed,
        read_only=not row.dynamic,
    )
    if row.limits and isinstance(row.default, float):
        low, high = map(float, row.limits)
        found.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif row.limits:
        first, last = map(int, row.limits)
        found.integer_range = [IntegerRange(from_value=first, to_value=last, step=1)]
    return found


def declared_value(row: Parameter, value: Any) -> Any:
    """Returns an integer for a double as that double, true and false of YAML for a parameter with
    these words as the word, any other value as it is."""
    if isinstance(row.default, float) and type(value) is int:
        return float(value)
    return row.plain(value)


def refuse_and_convert(node: Node) -> None:
    """Puts our sentences and the conversion before rclpy's own checks.

    All setting goes through these two methods, that of the services as well. Callbacks before
    setting would do the same, but Humble has none.
    """
    set_all = node.set_parameters_atomically

    def set_atomically(changes: Sequence[RosParameter]) -> SetParametersResult:
        ours = [change for change in changes if change.name in _TABLE]
        reason = ' '.join(filter(None, (complaint(c.name, c.value) for c in ours)))
        if reason:
            return SetParametersResult(successful=False, reason=reason)
        return set_all([converted(change) for change in changes])

    def set_each(changes: Sequence[RosParameter]) -> list[SetParametersResult]:
        return [set_atomically([change]) for change in changes]

    for name, method in (
        ('set_parameters_atomically', set_atomically),
        ('set_parameters', set_each),
    ):
        setattr(node, name, method)


def converted(change: RosParameter) -> RosParameter:
    """Returns a change with the value as it is declared."""
    row = _TABLE.get(change.name)
    return RosParameter(change.name, value=declared_value(row, change.value)) if row else change


def unknown(given: Iterable[str]) -> list[str]:
    """Returns a sentence for each parameter of a YAML file or command line that has no effect."""
    sentences = []
    for name in sorted(given):
        if name not in _TABLE and not name.startswith(FOREIGN_NAMES):
            meant = did_you_mean(name, _TABLE, 'see config/perception.yaml.')
            sentences.append(f'Parameter {name} is unknown and has no effect; {meant}')
    return sentences


def unknown_overrides(given: Iterable[str], declared: Iterable[str]) -> list[str]:
    """Does the same for qos_overrides, once all topics exist."""
    known = [name for name in declared if name.startswith('qos_overrides.')]
    sentences = []
    for name in sorted(given):
        if name.startswith('qos_overrides.') and name not in known and EVENTS not in name:
            meant = did_you_mean(name, known, 'the topic is not one of this node.')
            sentences.append(f'Parameter {name} is unknown and has no effect; {meant}')
    return sentences


def read(node: Node) -> NodeParams:
    """Returns the current values."""
    values: dict[str, Any] = {}
    for row in PARAMETERS:
        values[row.name.replace('.', '_')] = node.get_parameter(row.name).value
    return NodeParams(**values)


def complaint(name: str, value: object) -> str:
    """Returns one sentence on what is wrong with a value, '' where it is allowed."""
    row = _TABLE[name]
    value = row.plain(value)
    want = (int, float) if isinstance(row.default, float) else (type(row.default),)
    if type(value) not in want:
        return f'Parameter {name} is {shortened(value)}; it must be of type {row.type_name}.'
    if isinstance(value, list):
        return LISTS[name](name, value)
    if row.values and value not in row.values:
        return f'Parameter {name} is {shortened(value)}; it must be one of {row.allowed}.'
    if row.limits and not row.limits[0] <= float(str(value)) <= row.limits[1]:
        return f'Parameter {name} is {value!r}; it must lie in {row.allowed}.'
    return ''


def shortened(value: object) -> str:
    """Returns a value as it fits into a sentence."""
    text = repr(value)
    return text if len(text) <= 200 else f'{text[:200]}...'


def _complaint_about_names(name: str, values: list[object]) -> str:
    fine = all(isinstance(v, str) and (not v or CAMERA_NAME.fullmatch(v)) for v in values)
    if not fine or len(set(map(str, values))) != len(values) or not values:
        return (
            f'Parameter {name} is {shortened(values)}; it must be a list of distinct names made '
            'of letters, digits and _.'
        )
    if len(values) > MAX_CAMERAS:
        return f'Parameter {name} has {len(values)} names; at most {MAX_CAMERAS} are allowed.'
    if '' in values and len(values) > 1:
        return f'Parameter {name} is {values!r}; with several cameras, each one needs a name.'
    return ''


def _complaint_about_classes(name: str, values: list[object]) -> str:
    """Nobody knows the classes before a model is loaded: those that it lacks are a WARN then."""
    if all(isinstance(value, str) for value in values):
        return ''
    return f'Parameter {name} is {shortened(values)}; it must be a list of names.'


def _complaint_about_scores(name: str, values: list[object]) -> str:
    try:
        box_filter(0.0, (), tuple(map(str, values)))
    except BoxFilterError as error:
        return f'Parameter {name}: {error}'
    return ''


LISTS: dict[str, Callable[[str, list[object]], str]] = {
    'cameras': _complaint_about_names,
    'classes': _complaint_about_classes,
    'min_score_by_class': _complaint_about_scores,
}


def yaml_text() -> str:
    """Returns config/perception.yaml: every parameter with its default and meaning."""
    lines = ['# Made from mtscene_ros/ros/params.py by `python -m mtscene_ros.ros.params yaml`.']
    lines += ['/**:', '  ros__parameters:']
    for row in PARAMETERS:
        unit = '' if row.unit == '-' else f' Unit: {row.unit}.'
        changes = ' May change while running.' if row.dynamic else ''
        lines += [f'    # {row.doc}.{unit} Allowed: {row.allowed}.{changes}']
        lines += [f'    {row.name}: {row.default_yaml}']
    return '\n'.join(lines) + '\n'


def markdown_table() -> str:
    """Returns the parameter table of the reference."""
    lines = [
        '| parameter | type | default | unit | allowed | while running | meaning |',
        '|---|---|---|---|---|---|---|',
    ]
    for row in PARAMETERS:
        changes = 'yes' if row.dynamic else 'no'
        default = f'`{row.default_yaml}`'
        named = f'`{row.name}`'
        cells = (named, row.type_name, default, row.unit, row.allowed, changes, row.doc)
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    import sys

    sys.stdout.write(yaml_text() if sys.argv[1:] == ['yaml'] else markdown_table())


def policy_of(params: NodeParams) -> Policy:
    """Returns how the mailbox hands out images."""
    skew_ms = params.sync_max_skew_ms if params.sync_policy == 'synchronised' else 0.0
    # Stamps jitter, hence 2 % less; the lower bound keeps a tiny rate from overflowing.
    period_ns = 0.98e9 / max(params.max_rate_hz, 1e-8) if params.max_rate_hz else 0.0
    return Policy(max_skew_ns=round(1e6 * skew_ms), min_period_ns=round(period_ns))


def watch_options(params: NodeParams) -> WatchOptions:
    """Returns what is looked at beside the model."""
    health = HealthOptions(params.camera_health_frozen_s, params.camera_health_max_edge_width_px)
    return WatchOptions(
        health=health if params.camera_health_enabled else None,
        novelty_limit=params.novelty_limit if params.novelty_enabled else None,
        is_steady=params.temporal_enabled,
    )


def output_params(params: NodeParams) -> OutputParams:
    """Returns the parameters that shape the messages."""
    return OutputParams(
        params.depth_encoding,
        params.probability_encoding,
        params.class_id_format,
        params.target_frame,
    )


def box_filter_of(params: NodeParams) -> BoxFilter:
    """Returns which boxes are published."""
    by_class, classes = tuple(params.min_score_by_class), tuple(params.classes)
    return box_filter(params.min_score, classes, by_class)
