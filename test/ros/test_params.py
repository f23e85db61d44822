from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from docs.reference import parameters
from mtscene_ros.ros.parameter_table import PARAMETERS
from mtscene_ros.ros.parameter_values import NodeParams
from mtscene_ros.ros.params import (
    complaint,
    declare,
    declared_value,
    unknown,
    unknown_overrides,
    yaml_text,
)

ROOT = Path(__file__).parents[2]


def test_the_table_names_every_field() -> None:
    assert [p.name.replace('.', '_') for p in PARAMETERS] == [f.name for f in fields(NodeParams)]


def test_every_default_is_allowed() -> None:
    assert [complaint(p.name, p.default) for p in PARAMETERS] == [''] * len(PARAMETERS)


def test_yaml_file_is_the_table() -> None:
    """`python -m mtscene_ros.ros.params yaml > config/perception.yaml` mends it."""
    text = (ROOT / 'config' / 'perception.yaml').read_text()
    assert text == yaml_text()
    values = yaml.safe_load(text)['/**']['ros__parameters']
    assert values == {p.name: p.default for p in PARAMETERS}


def test_the_reference_has_a_row_of_every_parameter() -> None:
    """`make docs` makes the page, from the table."""
    rows = [line.split(' | ') for line in parameters().splitlines() if line.startswith('| `')]
    assert [row[0] for row in rows] == [f'| `{p.name}`' for p in PARAMETERS]
    assert [row[2] for row in rows] == [f'`{p.default_yaml}`' for p in PARAMETERS]


@pytest.mark.parametrize(
    ('name', 'value', 'sentence'),
    [
        ('min_score', 1, ''),  # an integer is a fine score
        ('min_score', 1.5, 'Parameter min_score is 1.5; it must lie in 0 to 1.'),
        ('threads', True, 'Parameter threads is True; it must be of type int.'),
        (
            'backend',
            'x',
            "Parameter backend is 'x'; it must be one of auto, tensorrt, onnxruntime_tensorrt, "
            'onnxruntime_cuda, onnxruntime, openvino, constant.',
        ),
        ('cameras', ['front', 'left'], ''),
        ('cameras', [''], ''),
        (
            'cameras',
            ['front', 'front'],
            "Parameter cameras is ['front', 'front']; it must be a list of distinct names made of "
            'letters, digits and _.',
        ),
        (
            'cameras',
            ['front', ''],
            "Parameter cameras is ['front', '']; with several cameras, each one needs a name.",
        ),
    ],
)
def test_complaints(name: str, value: object, sentence: str) -> None:
    assert complaint(name, value) == sentence


def test_a_parameter_that_nobody_reads_is_told_with_the_nearest() -> None:
    given = ['min_scor', 'use_sim_time', 'qos_overrides./image.subscription.depth', 'model']
    [sentence] = unknown(given)
    assert sentence == ('Parameter min_scor is unknown and has no effect; did you mean min_score?')


def test_an_override_of_a_topic_that_is_not_there_is_told() -> None:
    declared = ['model', 'qos_overrides./camera/image_raw.subscription.reliability']
    given = [declared[1], 'qos_overrides./camera/image.subscription.reliability']
    [sentence] = unknown_overrides(given, declared)
    assert sentence.endswith(f'did you mean {declared[1]}?')


def test_every_quantity_has_a_unit_and_its_name_tells_it() -> None:
    suffixes = {'_ms': 'ms', '_s': 's', '_hz': 'Hz'}
    for row in PARAMETERS:
        for suffix, unit in suffixes.items():
            assert row.unit == unit or not row.name.endswith(suffix), row.name


def test_thresholds_and_rates_change_while_running_and_structure_does_not() -> None:
    changing = {p.name for p in PARAMETERS if p.dynamic}
    assert {'min_score', 'max_rate_hz', 'max_age_ms', 'sync.max_skew_ms'} <= changing
    assert not changing & {'model', 'backend', 'cameras', 'image_transport', 'resize'}


@pytest.fixture
def declared() -> Iterator[Node]:
    """A node with our parameters; `max_rate_hz` comes as an integer."""
    context = rclpy.Context()
    context.init(args=[])
    given = [RosParameter('max_rate_hz', value=5)]
    node = Node('perception', context=context, parameter_overrides=given)
    declare(node)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_an_integer_for_a_double_is_taken_as_a_double(declared: Node) -> None:
    assert declared.get_parameter('max_rate_hz').type_ is RosParameter.Type.DOUBLE
    for set_all in (declared.set_parameters, lambda p: [declared.set_parameters_atomically(p)]):
        [result] = set_all([RosParameter('max_rate_hz', value=7)])
        assert (result.successful, result.reason) == (True, '')
        found = declared.get_parameter('max_rate_hz')
        assert (found.type_, found.value) == (RosParameter.Type.DOUBLE, 7.0)
    assert declared.describe_parameter('max_rate_hz').type == RosParameter.Type.DOUBLE.value


@pytest.mark.parametrize('value', ['abc', True, [1.0], None, -1.0, float('nan')])
def test_a_refused_value_leaves_the_declaration_alone(declared: Node, value: object) -> None:
    before = repr(declared.describe_parameter('watchdog.timeout_s'))
    good = RosParameter('min_score', value=0.5)
    bad = RosParameter('watchdog.timeout_s', value=value)
    refused = declared.set_parameters_atomically([good, bad])
    assert refused.reason.startswith('Parameter watchdog.timeout_s is ')
    assert repr(declared.describe_parameter('watchdog.timeout_s')) == before
    values = [declared.get_parameter(n).value for n in ('min_score', 'watchdog.timeout_s')]
    assert values == [0.3, 10.0]


def test_ranges_can_be_read_by_machines(declared: Node) -> None:
    described = {p.name: declared.describe_parameter(p.name) for p in PARAMETERS}
    [score] = described['min_score'].floating_point_range
    assert (score.from_value, score.to_value, score.step) == (0.0, 1.0, 0.0)
    [late] = described['diagnostics.late_frames'].integer_range
    assert (late.from_value, late.to_value, late.step) == (1, 1000, 1)
    ranged = {n for n, d in described.items() if d.floating_point_range or d.integer_range}
    assert ranged == {p.name for p in PARAMETERS if p.limits}


def test_yaml_words_for_truth_are_words_where_a_parameter_has_them(declared: Node) -> None:
    row = next(p for p in PARAMETERS if p.name == 'input_is_rectified')
    assert [declared_value(row, v) for v in (True, False, 'auto')] == ['true', 'false', 'auto']
    assert declared.describe_parameter(row.name).type == RosParameter.Type.STRING.value
