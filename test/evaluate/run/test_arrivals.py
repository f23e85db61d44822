"""What a busy node drops, on a timetable that can be followed by hand."""

from mtscene_ros.evaluate.run.arrivals import Arrival, RealTime, Stepwise

MS = 10**6
Played = tuple[list[int], list[int], list[float]]


def played(latency_ms: float, period_ms: int, count: int) -> Played:
    """Indices that were worked on, indices that were dropped, waits in ms."""
    dropped: list[int] = []
    line = RealTime(lambda arrival: dropped.append(arrival.index))
    taken, waits = [], []

    def work(arrivals: object) -> None:
        for arrival in arrivals:
            taken.append(arrival.index)
            waits.append(round(1000 * line.waited_s, 3))
            line.done(latency_ms / 1000)

    for index in range(count):
        at_ns = (1000 + index * period_ms) * MS
        work(line.arrive(Arrival(index, at_ns, at_ns, None)))
    work(line.rest())
    return taken, dropped, waits


def test_a_fast_node_drops_nothing() -> None:
    assert played(90, 100, 5) == ([0, 1, 2, 3, 4], [], [0.0] * 5)


def test_the_newest_waits_for_a_slow_one() -> None:
    """0 is done at 250: 1 was replaced by 2, which came at 200. 2 is done at 500: 5 comes then,
    and finds 4, which is taken first."""
    taken, dropped, waits = played(250, 100, 6)
    assert taken == [0, 2, 4, 5]
    assert dropped == [1, 3]
    assert waits == [0.0, 50.0, 100.0, 250.0]


def test_stepwise_takes_every_image_at_once() -> None:
    line = Stepwise()
    assert [a.index for a in line.arrive(Arrival(3, 0, 0, None))] == [3]
    assert list(line.rest()) == []
