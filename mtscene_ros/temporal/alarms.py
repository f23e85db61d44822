"""Turns the signals of single images into alarms that neither flicker nor come from one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mtscene_ros.types import Signal

IMAGES = 3  # in a row until an alarm is raised, and until it ends
RELEASE = 0.9  # of the limit: a value between the two changes nothing


@dataclass(slots=True)
class Alarm:
    """One signal over time; contrary: images in a row that speak for the other state."""

    is_raised: bool = False
    contrary: int = 0

    def update(self, value: float, limit: float) -> bool:
        """Adds the value of one image and returns whether the alarm is raised."""
        speaks = value < RELEASE * limit if self.is_raised else value > limit
        self.contrary = self.contrary + 1 if speaks else 0
        if self.contrary >= IMAGES:
            self.is_raised, self.contrary = not self.is_raised, 0
        return self.is_raised


@dataclass(slots=True)
class Alarms:
    """The alarms of one camera; signals: those of the last image, raised: the names of those whose
    alarm is raised."""

    signals: tuple[Signal, ...] = ()
    raised: frozenset[str] = frozenset()
    _by_name: dict[str, Alarm] = field(default_factory=dict)

    @property
    def states(self) -> list[tuple[Signal, bool]]:
        """Each signal of the last image, and whether its alarm is raised."""
        return [(signal, signal.name in self.raised) for signal in self.signals]

    def update(self, signals: Sequence[Signal]) -> list[Signal]:
        """Adds the signals of one image and returns those whose alarm is raised.

        An alarm whose signal is no longer measured is forgotten.
        """
        self._by_name = {s.name: self._by_name.get(s.name, Alarm()) for s in signals}
        found = [s for s in signals if self._by_name[s.name].update(s.value, s.limit)]
        self.signals, self.raised = tuple(signals), frozenset(s.name for s in found)
        return found
