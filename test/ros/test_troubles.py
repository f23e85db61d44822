"""What whoever publishes can make the node log: little, and no control characters."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')

from mtscene_ros.ros.troubles import BURST, Budget, Troubles


class Log:
    """What a logger would write."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str) -> None:
        self.lines.append(text)


def word(number: int) -> str:
    return ''.join(chr(97 + number // 26**k % 26) for k in range(4))


@pytest.mark.parametrize('quoted', [True, False])
def test_sentences_that_all_differ(quoted: bool) -> None:
    """500 frame_ids of 64 KB: a few lines of at most a kilobyte."""
    log = Log()
    troubles = Troubles(log)  # type: ignore[arg-type]
    for number in range(500):
        name = word(number) + 'x' * 64_000
        troubles.warn(f'No transform from {name!r}.' if quoted else f'No transform from {name}.')
    assert len(log.lines) == (3 if quoted else BURST)
    assert max(map(len, log.lines)) < 400


def test_what_is_held_back_is_counted() -> None:
    log = Log()
    troubles = Troubles(log)  # type: ignore[arg-type]
    for number in range(30):
        troubles.warn_once(f'Camera {word(number)} is odd.')
    troubles._budget.left = 1.0
    troubles.warn('Something else.')
    assert log.lines[-1] == 'Something else. (10 other warnings not logged)'


def test_the_budget_recovers_by_one_in_five_seconds() -> None:
    budget = Budget()
    assert sum(budget.allows(0.0) for _ in range(100)) == 20
    assert [budget.allows(t) for t in (4.0, 6.0, 7.0)] == [False, True, False]
    assert sum(budget.allows(3600.0) for _ in range(100)) == 20


def test_control_characters_are_shown() -> None:
    log = Log()
    Troubles(log).warn('a\x1b]0;x\x07\nb \u202e')  # type: ignore[arg-type]
    assert log.lines == ['a\\x1b]0;x\\x07\\nb \\u202e']
