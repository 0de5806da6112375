"""The search space keeps the kind of each distribution, and means the same by a width for all of them."""

import pytest
import torch

from ramps import ramps
from synth2real.calibrate.ranges import Space, span
from synth2real.simulate import Empirical, Normal

MIXED = ramps(size=(8, 8), ranges={"level": Normal(0.4, 0.05), "slope": Empirical((-0.1, 0, 0.3))})


def test_the_start_is_the_simulator_itself():
    space = Space.of(MIXED, None)
    found = space.ranges(space.start())
    assert found["level"].plain() == pytest.approx({"mean": 0.4, "std": 0.05})
    assert found["slope"].quantiles == pytest.approx((-0.1, 0, 0.3))
    assert found["nothing"] == pytest.approx((0.2, 0.8))
    torch.testing.assert_close(space.vector(space.point(space.vector(space.start()))), space.vector(space.start()))


def test_a_distribution_is_moved_and_scaled():
    space = Space.of(MIXED, ("level", "slope"))
    point = {"level.centre": 1, "level.width": 0.5, "slope.centre": 0.5, "slope.width": 2}
    found = space.ranges(point)
    assert found["level"].mean == pytest.approx(0.4 + 12**0.5 * 0.05)
    assert found["level"].std == pytest.approx(0.025)
    assert found["slope"].quantiles == pytest.approx((-0.1, 0.1, 0.7))


def test_normal_replaces_ranges_by_the_distribution_of_the_same_moments():
    simulator = ramps(size=(8, 8), ranges={"slope": 0.1})
    space = Space.of(simulator, None, kind="normal")
    assert space.names == ("level", "nothing")
    assert space.before == ((0.3, 0.5), (0.2, 0.8))
    level = space.ranges(space.start())["level"]
    values = simulator.with_ranges(level=level).sample(4000, 0).parameters["level"]
    plain = simulator.sample(4000, 0).parameters["level"]
    assert float(values.mean()) == pytest.approx(float(plain.mean()), abs=0.005)
    assert float(values.std()) == pytest.approx(float(plain.std()), rel=0.03)
    assert span(level) == pytest.approx((0.3, 0.5))


def test_a_mean_stays_within_the_limits_and_a_range_as_a_whole():
    space = Space.of(MIXED, ("level", "slope"))
    far = {"level.centre": 9, "level.width": 1, "slope.centre": 9, "slope.width": 1}
    found = space.ranges(far)
    assert found["level"].plain() == pytest.approx({"mean": 1, "std": 0.05})
    assert found["slope"].quantiles == pytest.approx((0.6, 0.7, 1.0))
    assert MIXED.with_ranges(**found)


def test_the_correlations_of_a_point_are_applied():
    space = Space.of(MIXED, ("level", "slope"))
    found = space.applied(MIXED, space.start() | {"level ~ slope": 0.4})
    assert found.all_correlations() == {"level ~ slope": 0.4}
    assert space.correlations(space.start()) == {}
