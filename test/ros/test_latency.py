from mtscene_ros.camera.camera_frames import Level
from mtscene_ros.ros.latency import Hysteresis, Latencies, Rate


def test_percentiles_of_the_last_frames() -> None:
    latencies = Latencies(window=100)
    for k in range(1000):
        latencies.add({'prepare': 1.0, 'infer': k / 1000})
    found = latencies.percentiles()
    assert list(found) == ['prepare', 'infer']
    assert found['prepare'].p99_s == 1.0
    assert abs(found['infer'].p50_s - 0.9495) < 1e-9  # of 0.900 to 0.999
    assert abs(found['infer'].p95_s - 0.99405) < 1e-9


def test_one_late_frame_is_no_trouble() -> None:
    health = Hysteresis(frames=3)
    levels = [health.add(is_late=late) for late in (True, True, False, True, True)]
    assert levels == [Level.OK] * 5


def test_warn_error_and_back() -> None:
    health = Hysteresis(frames=3)
    late = [health.add(is_late=True) for _ in range(31)]
    assert late[:2] == [Level.OK] * 2
    assert late[2:29] == [Level.WARN] * 27
    assert late[29:] == [Level.ERROR] * 2
    assert [health.add(is_late=False) for _ in range(3)] == [Level.ERROR, Level.ERROR, Level.OK]


def test_rate_between_two_looks() -> None:
    rate = Rate()
    assert [rate.per_second(5, 10.0), rate.per_second(25, 12.0), rate.per_second(25, 13.0)] == [
        0.0,
        10.0,
        0.0,
    ]
