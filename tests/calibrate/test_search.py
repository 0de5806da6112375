"""Search: it finds the hidden settings of the images, and refuses inputs that it cannot compare."""

import pytest
import torch

from ramps import ramps
from synth2real.calibrate import METHODS, Search
from synth2real.calibrate.image_statistics import describe
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.settings import build, to_dict
from synth2real.simulate import Digits, Normal


def test_a_hidden_height_is_recovered() -> None:
    truth = Digits(size=(16, 16)).with_ranges(height=(0.95, 1.0))
    target = Unlabelled(truth.sample(400, 7).images)
    simulator = Digits(size=(16, 16)).with_ranges(height=(0.5, 0.7))
    found = Search(parameters=("height",), trials=60, images=100).fit(simulator, target)
    low, high = found.ranges["height"]
    assert (low + high) / 2 == pytest.approx(0.975, abs=0.08)
    assert found.after < 0.5 * found.before
    assert len(found.trials) == 60
    assert found.simulator.range("height") == found.ranges["height"]
    assert found.ranges_before == {"height": (0.5, 0.7)}
    assert found.simulator.range("shear") == simulator.range("shear")


def test_a_search_may_find_a_mean_and_a_deviation() -> None:
    simulator = ramps(size=(8, 8))
    real = Unlabelled(ramps(size=(8, 8), ranges={"level": Normal(0.5, 0.04)}).sample(300, 9).images)
    search = Search(parameters=("level",), trials=60, images=100, distribution="normal")
    found = search.fit(simulator, real).ranges["level"]
    assert found.mean == pytest.approx(0.5, abs=0.02)
    assert 0.4 * 0.2 / 12**0.5 <= found.std <= 0.2


def test_the_same_seed_finds_the_same_ranges() -> None:
    target = Unlabelled(Digits(size=(8, 8)).sample(100, 7).images)
    search = Search(trials=8, images=50)
    first, second = (search.fit(Digits(size=(8, 8)), target) for _ in range(2))
    assert first.ranges == second.ranges
    assert first.trials == second.trials


def test_ranges_stay_within_their_limits_and_wide_enough() -> None:
    target = Unlabelled(Digits(size=(8, 8)).sample(100, 7).images)
    simulator = Digits(size=(8, 8))
    search = Search(trials=12, images=50, narrowest=0.5)
    found = search.fit(simulator, target)
    for parameter in simulator.parameters:
        if parameter.name not in found.ranges:
            continue
        low, high = found.ranges[parameter.name]
        was = simulator.range(parameter.name)
        assert parameter.limits[0] <= low <= high <= parameter.limits[1]
        touches = low == parameter.limits[0] or high == parameter.limits[1]
        assert touches or high - low >= 0.5 * (was[1] - was[0]) - 1e-9


def test_what_cannot_be_compared_is_refused() -> None:
    simulator = Digits(size=(8, 8))
    with pytest.raises(InputError, match=r"the target has \(1, 9, 9\), the simulator renders \(1, 8, 8\)"):
        Search().fit(simulator, Unlabelled(torch.zeros(5, 1, 9, 9, dtype=torch.uint8)))
    with pytest.raises(InputError, match="simulator digits has no parameter 'hieght', expected one of"):
        Search(parameters=("hieght",)).fit(simulator, Unlabelled(torch.zeros(9, 1, 8, 8, dtype=torch.uint8)))


def test_settings_survive_a_round_trip() -> None:
    search = Search(trials=3, parameters=("height", "blur"))
    assert build(METHODS, "search", to_dict(search)) == search


def test_images_are_described_by_pixels_contrast_and_levels() -> None:
    described = describe(torch.zeros(3, 1, 28, 28, dtype=torch.uint8))
    assert described.shape == (3, 16 * 16 + 2 + 9)
    assert (described == 0).all()
