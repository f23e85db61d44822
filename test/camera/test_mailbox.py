import threading

from patience import PATIENCE_S

from mtscene_ros.camera.mailbox import Counts, Mailbox, Policy


class Clock:
    """Stands still until the test moves it, so that `take(0)` says what is ready then."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_newest_wins_and_nothing_is_forgotten() -> None:
    mailbox = Mailbox[int](('front', 'left'))
    for number in (1, 2, 3):
        mailbox.put('front', number)
    mailbox.put('left', 4)
    assert {camera: w.item for camera, w in mailbox.take().items()} == {'front': 3, 'left': 4}
    assert mailbox.counts('front') == Counts(received=3, dropped=2)
    assert mailbox.counts('left') == Counts(received=1)


def test_time_out_gives_nothing() -> None:
    assert Mailbox[int](('front',)).take(timeout_s=0.01) == {}


def test_close_wakes_the_worker_and_counts_what_waited() -> None:
    mailbox = Mailbox[int](('front',))
    woken: list[dict[str, int]] = []
    worker = threading.Thread(target=lambda: woken.append(mailbox.take()))
    worker.start()
    mailbox.close()
    worker.join(PATIENCE_S)
    assert woken == [{}]
    mailbox.put('front', 1)
    assert mailbox.counts('front') == Counts(received=1, dropped=1)


def test_clear_drops_what_waits() -> None:
    mailbox = Mailbox[int](('front',))
    mailbox.put('front', 1)
    mailbox.clear()
    assert mailbox.counts('front') == Counts(received=1, dropped=1)
    assert mailbox.take(timeout_s=0.01) == {}


MS = 1_000_000
TOGETHER = Policy(max_skew_ns=20 * MS, patience_s=0.0625)


def test_images_of_one_moment_are_taken_together() -> None:
    mailbox = Mailbox[int](('front', 'left'), TOGETHER)
    mailbox.put('front', 1, 100 * MS)
    mailbox.put('left', 2, 110 * MS)
    assert sorted(mailbox.take(0)) == ['front', 'left']


def test_an_image_waits_for_the_other_camera_but_not_for_ever() -> None:
    mailbox = Mailbox[int](('front', 'left'), TOGETHER, clock := Clock())
    mailbox.put('left', 1, 0)  # alive, and then late
    mailbox.put('front', 2, 100 * MS)
    clock.now_s = 0.0624
    assert mailbox.take(0) == {}
    clock.now_s = 0.0625
    assert list(mailbox.take(0)) == ['front']


def test_patience_ends_by_itself() -> None:
    mailbox = Mailbox[int](('front', 'left'), TOGETHER)
    mailbox.put('left', 1, 0)
    mailbox.put('front', 2, 100 * MS)
    assert list(mailbox.take()) == ['front']


def test_a_camera_that_was_never_there_is_not_waited_for() -> None:
    mailbox = Mailbox[int](('front', 'left'), TOGETHER, Clock())
    mailbox.put('front', 1, 0)
    assert list(mailbox.take(0)) == ['front']


def test_a_camera_that_is_silent_for_a_second_is_not_waited_for() -> None:
    mailbox = Mailbox[int](('front', 'left'), TOGETHER, clock := Clock())
    mailbox.put('left', 1, 0)
    assert list(mailbox.take(0)) == ['left']
    clock.now_s = 0.999
    mailbox.put('front', 2, 999 * MS)
    assert mailbox.take(0) == {}
    clock.now_s = 1.0
    assert list(mailbox.take(0)) == ['front']


def test_images_above_the_rate_are_dropped() -> None:
    mailbox = Mailbox[int](('front',), Policy(min_period_ns=100 * MS))
    taken = []
    for stamp_ms in (0, 40, 80, 120, 160, 220):
        mailbox.put('front', stamp_ms, stamp_ms * MS)
        taken += [w.item for w in mailbox.take(0).values()]
    assert taken == [0, 120, 220]
    assert mailbox.counts('front') == Counts(received=6, dropped=3)


def test_a_rate_survives_stamps_that_go_back() -> None:
    mailbox = Mailbox[int](('front',), Policy(min_period_ns=100 * MS))
    for stamp_ms in (1000, 10):
        mailbox.put('front', stamp_ms, stamp_ms * MS)
        assert mailbox.take(0)['front'].item == stamp_ms


def test_a_fast_camera_does_not_wait_for_ever_for_a_slow_one() -> None:
    """An image every 20 ms, and patience of 62.5 ms for a camera that is alive but silent."""
    mailbox = Mailbox[int](('front', 'left'), TOGETHER, clock := Clock())
    mailbox.put('left', 0, 0)
    mailbox.take(0)
    taken: list[tuple[int, int]] = []
    for k in range(5):
        mailbox.put('front', k, (100 + 20 * k) * MS)
        taken += [(k, w.item) for w in mailbox.take(0).values()]
        clock.now_s += 0.02
    assert taken == [(4, 4)]  # 80 ms after the first


def test_a_camera_whose_clock_is_behind_is_dropped_and_told() -> None:
    mailbox = Mailbox[int](('front', 'left'), TOGETHER, clock := Clock())
    mailbox.put('left', 1, 0)
    mailbox.put('front', 2, 70 * MS)
    clock.now_s = 0.0625
    assert list(mailbox.take(0)) == ['front']
    assert mailbox.counts('left') == Counts(received=1, dropped=1)
    assert (mailbox.behind_ns('left'), mailbox.behind_ns('front')) == (70 * MS, 0)
    mailbox.put('left', 3, 100 * MS)
    mailbox.put('front', 4, 100 * MS)
    assert sorted(mailbox.take(0)) == ['front', 'left']
    assert mailbox.behind_ns('left') == 0


def test_no_count_is_lost_between_threads() -> None:
    mailbox, rounds = Mailbox[int](('front',)), 20_000

    def work() -> None:
        for _ in range(rounds):
            mailbox.account('front', 'dropped')

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for k in range(rounds):
        mailbox.put('front', k)
    for worker in workers:
        worker.join()
    counts = mailbox.counts('front')
    assert (counts.received, counts.dropped) == (rounds, 3 * rounds - 1)
