"""Quality of service: what the node offers and requests, overrides, and incompatible partners.

DDS reports once that two sides are incompatible; the graph says what holds now, and with which
values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import (
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
    )

# The policies that decide compatibility, weakest first: a subscription may not request more than
# the publisher offers.
STRENGTH: dict[str, tuple[Any, ...]] = {
    'reliability': (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE),
    'durability': (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
}


class QosError(ValueError):
    """A publisher or subscription cannot be created with the given overrides; one sentence."""


def inputs() -> QoSProfile:
    """Returns best effort, keep last 1. Each call returns a new profile, because rclpy writes
    overrides into it."""
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def latched_inputs() -> QoSProfile:
    """Returns reliable, transient local, keep last 1: the last message that was published before
    this node started comes as well."""
    return QoSProfile(
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def outputs(*, depth: int = 1, latched: bool = False) -> QoSProfile:
    """Returns reliable, keep last `depth`; latched: late subscribers get the last message too."""
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability)


def overridable() -> QoSOverridingOptions:
    """Returns what qos_overrides.TOPIC.publisher.POLICY and ….subscription.POLICY may change."""
    kinds = (
        QoSPolicyKind.HISTORY,
        QoSPolicyKind.DEPTH,
        QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
    )
    return QoSOverridingOptions(kinds)


def is_chosen(node: Node, topic: str) -> bool:
    """Whether the user overrides a policy of our subscription to this topic."""
    start = f'qos_overrides.{topic}.subscription.'
    return any(name.startswith(start) for name in node._parameter_overrides)


@contextlib.contextmanager
def explained(topic: str) -> Iterator[None]:
    """Wraps the creation of a publisher or subscription. Raises QosError."""
    try:
        yield
    except Exception as error:  # rclpy raises RuntimeError, TypeError and exceptions of its own
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise QosError(f'{topic} cannot be created, check qos_overrides.{topic}: {why}') from error


class Incompatible:
    """Collects incompatible topics.

    DDS's events add them; they leave when the graph shows that both sides fit again.
    """

    def __init__(self, node: Node, warn: Callable[[str], None]) -> None:
        self._node, self._warn = node, warn
        self._found: dict[tuple[str, str], Any] = {}  # (topic, side) → our publisher, subscription

    def of_publisher(self, topic: str) -> PublisherEventCallbacks:
        """To be given to create_publisher."""
        return PublisherEventCallbacks(incompatible_qos=self._on_event(topic, 'publisher'))

    def of_subscription(self, topic: str) -> SubscriptionEventCallbacks:
        """Returns the callbacks to pass to create_subscription."""
        return SubscriptionEventCallbacks(incompatible_qos=self._on_event(topic, 'subscription'))

    def sentences(self) -> list[str]:
        """Returns one sentence for each topic that is incompatible now."""
        now = {key: self._sentence(*key) for key in self._found}
        self._found = {key: None for key, sentence in now.items() if sentence}
        return [sentence for sentence in now.values() if sentence]

    def _on_event(self, topic: str, side: str) -> Callable[[Any], None]:
        def on_incompatible(event: Any) -> None:
            self._found[topic, side] = None
            # The event may arrive before the graph knows the values.
            unknown = unknown_values(topic, side, policy_of(event))
            self._warn(self._sentence(topic, side) or unknown)

        return on_incompatible

    def _sentence(self, topic: str, side: str) -> str:
        node, is_ours = self._node, self._is_ours
        publishers = node.get_publishers_info_by_topic(topic)
        subscriptions = node.get_subscriptions_info_by_topic(topic)
        ours, theirs = publishers, subscriptions
        if side == 'subscription':
            ours, theirs = subscriptions, publishers
        for mine in filter(is_ours, ours):
            for other in theirs:
                found = mismatch(topic, side, mine.qos_profile, other.qos_profile)
                if found:
                    return found
        return ''

    def _is_ours(self, end: Any) -> bool:
        node = self._node
        return (end.node_name, end.node_namespace) == (node.get_name(), node.get_namespace())


def policy_of(event: Any) -> str:
    """Returns the policy that an event names, '' where it names none, as with Zenoh."""
    kind = getattr(event, 'last_policy_kind', QoSPolicyKind.INVALID)
    known = {policy.value: policy.name.lower() for policy in QoSPolicyKind}
    return '' if kind == QoSPolicyKind.INVALID else known.get(int(kind), '')


def mismatch(topic: str, side: str, ours: QoSProfile, theirs: QoSProfile) -> str:
    """Returns one sentence with the line for the parameter file, '' where both sides fit.

    side: which side this node is on.
    """
    offered, requested = (ours, theirs) if side == 'publisher' else (theirs, ours)
    for policy, order in STRENGTH.items():
        have, want = getattr(offered, policy), getattr(requested, policy)
        if have in order and want in order and order.index(have) < order.index(want):
            other, need = getattr(theirs, policy).name.lower(), getattr(ours, policy).name.lower()
            who = 'a subscription' if side == 'publisher' else 'a publisher'
            verb = 'requests' if side == 'publisher' else 'offers'
            mine = 'offers' if side == 'publisher' else 'requests'
            return (
                f'No message passes between this node and {who} of {topic} that {verb} {policy} '
                f'{other}, because this node {mine} {need}; put '
                f"'qos_overrides.{topic}.{side}.{policy}: {other}' into the parameter file."
            )
    return ''


def unknown_values(topic: str, side: str, policy: str) -> str:
    """Returns the sentence for a graph that does not show the values yet.

    policy: '' where it is not known either.
    """
    where = f' in {policy}' if policy else ''
    return (
        f'The other side of {topic} is incompatible with this {side}{where}; change it there, or '
        f"put 'qos_overrides.{topic}.{side}.{policy or 'POLICY'}: ' with the other side's value "
        'into the parameter file.'
    )
