import threading

from mtscene_ros.mailbox import Counts, Mailbox


def test_newest_wins_and_nothing_is_forgotten() -> None:
    mailbox = Mailbox[int](('front', 'left'))
    for number in (1, 2, 3):
        mailbox.put('front', number)
    mailbox.put('left', 4)
    assert mailbox.take() == {'front': 3, 'left': 4}
    assert mailbox.counts['front'] == Counts(received=3, dropped=2)
    assert mailbox.counts['left'] == Counts(received=1)


def test_time_out_gives_nothing() -> None:
    assert Mailbox[int](('front',)).take(timeout_s=0.01) == {}


def test_close_wakes_the_worker_and_counts_what_waited() -> None:
    mailbox = Mailbox[int](('front',))
    woken: list[dict[str, int]] = []
    worker = threading.Thread(target=lambda: woken.append(mailbox.take()))
    worker.start()
    mailbox.close()
    worker.join(5)
    assert woken == [{}]
    mailbox.put('front', 1)
    assert mailbox.counts['front'] == Counts(received=1, dropped=1)


def test_clear_drops_what_waits() -> None:
    mailbox = Mailbox[int](('front',))
    mailbox.put('front', 1)
    mailbox.clear()
    assert mailbox.counts['front'] == Counts(received=1, dropped=1)
    assert mailbox.take(timeout_s=0.01) == {}
