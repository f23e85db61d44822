"""Limits of the mailbox's policy, by a clock that stands still, and its account of everything."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtscene_ros.camera.mailbox import Counts, Mailbox, Policy, Waiting

MS = 1_000_000
TOGETHER = Policy(max_skew_ns=20 * MS, patience_s=0.05)


def test_a_stamp_that_comes_twice_is_not_too_soon() -> None:
    """Drivers that set no stamp send 0 for ever."""
    mailbox = Mailbox[int](('front',), Policy(min_period_ns=100 * MS))
    for number in (1, 2):
        mailbox.put('front', number, 0)
        assert mailbox.take(0.0)['front'].item == number


def test_clear_forgets_when_an_image_was_taken() -> None:
    mailbox = Mailbox[int](('front',), Policy(min_period_ns=100 * MS))
    mailbox.put('front', 1, 0)
    assert mailbox.take(0.0)
    mailbox.clear()
    mailbox.put('front', 2, 50 * MS)
    assert mailbox.take(0.0)['front'].item == 2


CAMERAS = ('front', 'left', 'right')
STEPS = st.one_of(
    st.tuples(st.just('put'), st.sampled_from(CAMERAS), st.integers(0, 300)),
    st.tuples(st.just('take'), st.integers(0, 200)),
    st.tuples(st.sampled_from(['clear', 'close'])),
)
POLICIES = (Policy(), TOGETHER, Policy(min_period_ns=30 * MS), Policy(20 * MS, 0.0, 30 * MS))


@pytest.mark.parametrize('policy', POLICIES)
@given(st.lists(STEPS, max_size=20))
def test_every_message_is_accounted_for(policy: Policy, steps: list[tuple[Any, ...]]) -> None:
    """received = published + dropped + waiting, whatever happens in which order."""
    clock_s, received = [0.0], dict.fromkeys(CAMERAS, 0)
    mailbox = Mailbox[int](CAMERAS, policy, lambda: clock_s[0])
    for name, *values in [*steps, ('clear',)]:
        waiting = {c: n - mailbox.counts(c).published for c, n in received.items()}
        assert all(n - mailbox.counts(c).dropped in (0, 1) for c, n in waiting.items())
        if name == 'put':
            received[values[0]] += 1
            mailbox.put(values[0], 0, values[1] * MS)
        elif name == 'take':
            clock_s[0] += values[0] / 1000
            for camera in mailbox.take(0.0):
                mailbox.account(camera, 'published')
        else:
            getattr(mailbox, name)()
    counts = [mailbox.counts(camera) for camera in CAMERAS]
    assert [c.received for c in counts] == list(received.values())
    assert all(c.published + c.dropped == c.received for c in counts)


def with_clock(policy: Policy | None = None) -> tuple[list[float], Mailbox[int]]:
    now_s = [100.0]
    return now_s, Mailbox[int](('front', 'left'), policy, lambda: now_s[0])


def test_patience_ends_when_it_is_over() -> None:
    now_s, mailbox = with_clock(Policy(max_skew_ns=20 * MS, patience_s=0.25))
    mailbox.put('left', 1, 0)
    mailbox.take(0.0)
    mailbox.put('left', 1, 0)
    mailbox.put('front', 2, 100 * MS)  # left is alive, and too old
    assert mailbox.take(0.0) == {}
    now_s[0] += 0.25
    assert list(mailbox.take(0.0)) == ['front']


def test_a_camera_that_was_silent_for_a_second_is_not_waited_for() -> None:
    now_s, mailbox = with_clock(Policy(max_skew_ns=20 * MS, patience_s=9.0))
    mailbox.put('left', 1, 0)
    now_s[0] += 1.0
    mailbox.put('front', 2, 2000 * MS)
    assert list(mailbox.take(0.0)) == ['front']
    assert mailbox.silent_s('left') == 1.0
    assert mailbox.silent_s('elsewhere') is None


def test_images_at_the_limit_of_the_skew_belong_together() -> None:
    for skew_ms, cameras in ((20, ['front', 'left']), (21, [])):
        _, mailbox = with_clock(TOGETHER)
        mailbox.put('front', 1, 100 * MS)
        mailbox.put('left', 2, (100 + skew_ms) * MS)
        assert sorted(mailbox.take(0.0)) == cameras


def test_an_image_a_whole_period_later_is_not_too_soon() -> None:
    _, mailbox = with_clock(Policy(min_period_ns=100 * MS))
    mailbox.put('front', 1, 0)
    assert mailbox.take(0.0)['front'] == Waiting(1, 0, 100.0)
    mailbox.put('front', 2, 100 * MS - 1)
    assert mailbox.take(0.0) == {}
    mailbox.put('front', 3, 100 * MS)
    assert list(mailbox.take(0.0)) == ['front']


def test_patience_begins_with_the_first_image() -> None:
    now_s, mailbox = with_clock(Policy(max_skew_ns=20 * MS, patience_s=0.25))
    mailbox.put('left', 1, 0)
    mailbox.put('front', 2, 100 * MS)
    now_s[0] += 0.2
    mailbox.put('front', 3, 200 * MS)  # replaces the waiting one, does not begin anew
    now_s[0] += 0.05
    assert mailbox.take(0.0)['front'].item == 3
    assert not mailbox.closed
    mailbox.close()
    assert mailbox.closed


def test_the_worker_sleeps_while_it_waits() -> None:
    """Two looks at the clock when it begins, some when it wakes: no busy loop."""
    looks = [0]

    def clock() -> float:
        looks[0] += 1
        return time.monotonic()

    mailbox = Mailbox[int](('front', 'left'), TOGETHER, clock)
    mailbox.put('left', 1, 0)
    mailbox.put('front', 2, 100 * MS)
    assert list(mailbox.take()) == ['front']
    assert looks[0] < 20


def test_the_rate_is_of_stamps_and_not_of_their_sums() -> None:
    _, mailbox = with_clock(Policy(min_period_ns=100 * MS))
    for stamp_ms, cameras in ((1000, ['front']), (1050, []), (1100, ['front'])):
        mailbox.put('front', stamp_ms, stamp_ms * MS)
        assert list(mailbox.take(0.0)) == cameras


def test_what_waits_is_dropped_when_the_mailbox_closes() -> None:
    _, mailbox = with_clock()
    mailbox.put('front', 1)
    mailbox.close()
    assert mailbox.take() == {}
    mailbox.put('front', 2)
    assert mailbox.counts('front') == Counts(received=2, dropped=2)
