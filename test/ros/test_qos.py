"""The sentence about incompatible partners where the middleware says little."""

from types import SimpleNamespace

import pytest
from rclpy.qos import QoSPolicyKind

from mtscene_ros.ros.qos import policy_of, unknown_values


@pytest.mark.parametrize(
    ('event', 'policy'),
    [
        (SimpleNamespace(last_policy_kind=QoSPolicyKind.DURABILITY), 'durability'),
        (SimpleNamespace(last_policy_kind=16), 'reliability'),
        (SimpleNamespace(last_policy_kind=QoSPolicyKind.INVALID), ''),  # Zenoh
        (SimpleNamespace(last_policy_kind=0), ''),
        (SimpleNamespace(total_count=1), ''),
    ],
)
def test_the_policy_of_an_event(event: SimpleNamespace, policy: str) -> None:
    assert policy_of(event) == policy


def test_a_policy_that_nobody_knows_is_left_open() -> None:
    sentence = unknown_values('/points', 'publisher', '')
    assert sentence.startswith('The other side of /points is incompatible with this publisher; ch')
    assert "'qos_overrides./points.publisher.POLICY: '" in sentence
