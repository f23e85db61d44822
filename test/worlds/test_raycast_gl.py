"""The OpenGL caster against the NumPy reference; skipped without EGL."""

from collections.abc import Iterator

import numpy as np
import pytest

from mtscene_ros.worlds import FRAMES, raycast
from mtscene_ros.worlds.raycast_gl import open_caster


@pytest.fixture(scope='module')
def caster() -> raycast.Caster:
    try:
        return open_caster()
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture
def by_gl(caster: raycast.Caster) -> Iterator[None]:
    raycast.set_caster(caster)
    yield
    raycast.set_caster(raycast.nearest)


@pytest.mark.parametrize('world', sorted(FRAMES))
def test_opengl_agrees_with_the_reference(world: str, caster: raycast.Caster) -> None:
    for index in range(4):
        want = FRAMES[world](8, index, 320, 200)
        raycast.set_caster(caster)
        try:
            got = FRAMES[world](8, index, 320, 200)
        finally:
            raycast.set_caster(raycast.nearest)
        same = want.labels == got.labels
        assert same.mean() >= 0.999
        near = same & np.isfinite(want.depth_m) & np.isfinite(got.depth_m)
        relative = np.abs(got.depth_m[near] / want.depth_m[near] - 1)
        assert np.quantile(relative, 0.999) <= 1e-4
        np.testing.assert_array_equal(want.boxes.class_ids, got.boxes.class_ids)
        np.testing.assert_allclose(want.visible, got.visible, atol=0.02)


@pytest.mark.usefixtures('by_gl')
def test_more_owners_than_bits_and_another_size() -> None:
    from mtscene_ros.types import Intrinsics
    from mtscene_ros.worlds.solid import BLOCK, Solid

    half = np.full(3, 0.2)
    rows = [Solid(BLOCK, np.array([5.0, k - 20, 0]), half, owner=k + 1) for k in range(40)]
    pose = np.eye(4)
    pose[:3, :3] = raycast.OPTICAL_FROM_CAMERA.T
    for size in (64, 96):
        camera = Intrinsics(size, size, size / 2, size / 2, size / 2, size / 2)
        hits = raycast.cast(rows, camera, pose)
        few = raycast.cast(rows[:30], camera, pose)
        assert max(hits.silhouettes) > 20
        assert hits.depth_m.min() == pytest.approx(4.8, abs=1e-5)
        assert few.depth_m.min() == pytest.approx(4.8, abs=1e-5)
