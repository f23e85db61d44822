"""Quality of service: what the node offers and asks for, overrides, and what does not fit.

DDS tells once when two sides do not fit; the graph tells what is so now and with which values.
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
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import (
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
    )

# What decides whether two sides fit, weakest first: a subscription may ask for no more than the
# publisher offers.
STRENGTH: dict[str, tuple[Any, ...]] = {
    'reliability': (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE),
    'durability': (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
}


class QosError(ValueError):
    """A topic cannot be made with the given overrides; one sentence."""


def inputs() -> QoSProfile:
    """Best effort, the newest. rclpy writes overrides into the profile, so each topic gets its
    own."""
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def outputs(*, depth: int = 1, latched: bool = False) -> QoSProfile:
    """Reliable; latched: also for those who come later."""
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability)


def overridable() -> QoSOverridingOptions:
    """By parameters qos_overrides.TOPIC.publisher.POLICY or ....subscription.POLICY."""
    kinds = (
        QoSPolicyKind.HISTORY,
        QoSPolicyKind.DEPTH,
        QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
    )
    return QoSOverridingOptions(kinds)


@contextlib.contextmanager
def explained(topic: str) -> Iterator[None]:
    """Around the making of a publisher or subscription. Raises QosError."""
    try:
        yield
    except Exception as error:  # rclpy raises RuntimeError, TypeError and exceptions of its own
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise QosError(f'{topic} cannot be made, check qos_overrides.{topic}: {why}') from error


class Incompatible:
    """Topics come in by DDS's events and leave when the graph says that both sides fit again."""

    def __init__(self, node: Node, tell: Callable[[str], None]) -> None:
        self._node, self._tell = node, tell
        self._found: dict[tuple[str, str], Any] = {}  # (topic, side) → our publisher, subscription

    def of_publisher(self, topic: str) -> PublisherEventCallbacks:
        """To be given to create_publisher."""
        return PublisherEventCallbacks(incompatible_qos=self._on_event(topic, 'publisher'))

    def of_subscription(self, topic: str) -> SubscriptionEventCallbacks:
        """To be given to create_subscription."""
        return SubscriptionEventCallbacks(incompatible_qos=self._on_event(topic, 'subscription'))

    def sentences(self) -> list[str]:
        """What does not fit now."""
        now = {key: self._sentence(*key) for key in self._found}
        self._found = {key: None for key, sentence in now.items() if sentence}
        return [sentence for sentence in now.values() if sentence]

    def _on_event(self, topic: str, side: str) -> Callable[[Any], None]:
        def on_incompatible(event: Any) -> None:
            self._found[topic, side] = None
            policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
            # The event may be faster than the graph.
            self._tell(self._sentence(topic, side) or unknown_values(topic, side, policy))

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


def mismatch(topic: str, side: str, ours: QoSProfile, theirs: QoSProfile) -> str:
    """One sentence with the line for the parameter file, '' where they fit. side: ours."""
    offered, asked = (ours, theirs) if side == 'publisher' else (theirs, ours)
    for policy, order in STRENGTH.items():
        have, want = getattr(offered, policy), getattr(asked, policy)
        if have in order and want in order and order.index(have) < order.index(want):
            other, need = getattr(theirs, policy).name.lower(), getattr(ours, policy).name.lower()
            who = 'a subscription' if side == 'publisher' else 'a publisher'
            verb = 'asks for' if side == 'publisher' else 'offers'
            mine = 'offers' if side == 'publisher' else 'asks for'
            return (
                f'Nothing passes between this node and {who} of {topic} that {verb} {policy} '
                f'{other}, since this node {mine} {need}; put '
                f"'qos_overrides.{topic}.{side}.{policy}: {other}' into the parameter file."
            )
    return ''


def unknown_values(topic: str, side: str, policy: str) -> str:
    """Where the graph has not told the values."""
    return (
        f'The other side of {topic} does not fit this {side} in {policy}; set it there, or put '
        f"'qos_overrides.{topic}.{side}.{policy}: ' with the other side's value into the "
        'parameter file.'
    )
