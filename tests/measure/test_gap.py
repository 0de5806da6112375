"""The gap: zero for two halves of one domain, two for black against white, intervals that hold the truth."""

import pytest
import torch

from synth2real import Labelled, Unlabelled, measure_gap
from synth2real.errors import InputError
from synth2real.measure.distances import (
    coral,
    kernel_distance,
    mmd,
    proxy_a_distance,
    root_mean_square,
    sliced_wasserstein,
)
from synth2real.measure.gap import Distance, proxy_gap
from synth2real.measure.gap import _half as half
from synth2real.measure.gap import _interval as interval
from synth2real.tasks import Classification
from synth2real.training.model import Model

NAMES = ["proxy_a_distance", "mmd", "coral", "sliced_wasserstein", "kid"]


def noise(count: int, seed: int, shift: float = 0.0) -> Unlabelled:
    return Unlabelled(torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)) + shift)


def test_black_and_white_images_are_two_apart() -> None:
    black, white = torch.zeros(60, 1, 16, 16, dtype=torch.uint8), torch.full((60, 1, 16, 16), 255, dtype=torch.uint8)
    gap = measure_gap(Unlabelled(black), Unlabelled(white), resamples=8)
    assert list(gap.distances) == NAMES
    assert gap.on == "pixels of 1x8x8"
    assert gap.distances["proxy_a_distance"] == Distance(2.0, 2.0, 2.0, noise=0.0, halved=2.0)
    assert gap.distances["mmd"].value == pytest.approx(2.0)
    assert gap.distances["coral"].value == 0.0  # neither varies
    assert gap.distances["kid"].value == pytest.approx(1 + 8 - 2)  # (0 + 1)^3 + (1 + 1)^3 - 2 (0 + 1)^3
    directions = torch.randn(64, 128, generator=torch.Generator().manual_seed(0))
    projected = (directions / directions.norm(dim=0)).sum(0).abs().mean()
    assert gap.distances["sliced_wasserstein"].value == pytest.approx(float(projected), rel=1e-4)


def test_two_halves_of_one_domain_are_zero_apart_within_the_interval() -> None:
    gap = measure_gap(noise(300, 0), noise(300, 1), resamples=10)
    assert gap.distances["proxy_a_distance"].value < 0.25
    for name in ("mmd", "kid"):
        distance = gap.distances[name]
        assert distance.low <= 0 <= distance.high, name
        assert distance.high - distance.low < 0.4
    assert gap.distances["coral"].value < 0.01


def test_intervals_hold_the_distance_of_many_samples() -> None:
    many = (noise(4000, 5).inputs, noise(4000, 6, shift=0.5).inputs)
    truth, held = kernel_distance(*many), 0
    for seed in range(10):
        x, y = noise(200, 10 + seed).inputs, noise(200, 30 + seed, shift=0.5).inputs
        generator = torch.Generator().manual_seed(seed)
        halves = [(torch.randperm(200, generator=generator)[:100],) * 2 for _ in range(30)]
        found = interval(lambda i, j, x=x, y=y: kernel_distance(x[i], y[j]), halves)
        held += found.low <= truth <= found.high
    assert 8 <= held <= 10


def test_values_are_those_of_the_distances() -> None:
    x, y = noise(100, 0), noise(80, 1, shift=0.7)
    gap = measure_gap(x, y, resamples=3)
    assert (gap.on, gap.source, gap.target) == ("features (4)", 100, 80)
    a, b = x.inputs, y.inputs
    for name, measure in (("coral", coral), ("sliced_wasserstein", sliced_wasserstein)):
        assert gap.distances[name].value == pytest.approx(measure(a, b), rel=1e-4)
    assert gap.distances["kid"].value == pytest.approx(kernel_distance(a, b, root_mean_square(b)), rel=1e-4)
    assert gap.distances["mmd"].value == pytest.approx(mmd(a, b), rel=1e-4)
    assert gap.distances["proxy_a_distance"].value == pytest.approx(proxy_a_distance(a, b), abs=0.3)  # other halves
    assert measure_gap(x, y, resamples=3) == gap
    for distance in gap.distances.values():
        assert distance.low <= distance.value <= distance.high


def test_the_proxy_distance_alone_is_that_of_the_features_with_an_interval() -> None:
    x, y = noise(200, 0).inputs, noise(200, 1, shift=0.7).inputs
    found, same = proxy_gap(x, y), proxy_gap(x, noise(200, 2).inputs)
    assert found.value == proxy_a_distance(x, y)
    assert found.low <= found.value <= found.high
    assert found.low > same.value
    assert 0 < found.high - found.low < 1.2


def test_intervals_sample_whole_groups() -> None:
    generator = torch.Generator().manual_seed(0)
    who = torch.arange(200) % 8
    people = Unlabelled(torch.randn(8, 4, generator=generator)[who] + 0.1 * torch.randn(200, 4, generator=generator))
    alone = measure_gap(noise(200, 1), people)
    whole = measure_gap(noise(200, 1), people, groups=(None, who))
    for name in ("mmd", "coral", "sliced_wasserstein", "kid"):
        one, other = alone.distances[name], whole.distances[name]
        assert one.value == other.value
        assert other.high - other.low > 1.5 * (one.high - one.low), name
    single = torch.zeros(200, dtype=torch.int64)  # a single group is split inside
    assert measure_gap(noise(200, 1), people, groups=(None, single)).distances["mmd"].high < 2


def test_a_group_too_small_to_measure_by_is_no_half() -> None:
    lopsided = (torch.arange(60) < 3).long()
    for groups in ((lopsided, None), (lopsided, lopsided)):
        found = proxy_gap(noise(60, 0).inputs, noise(60, 1).inputs, groups=groups)
        assert found.low <= found.value <= found.high < 1
        assert found.low < found.high


def test_halves_of_few_groups_are_as_large_as_halves() -> None:
    thirds, generator = torch.arange(90) % 3, torch.Generator().manual_seed(0)
    sizes = torch.tensor([float(len(half(90, thirds, generator))) for _ in range(200)])
    assert sizes.mean() == pytest.approx(45, abs=4)
    assert set(sizes.tolist()) == {30, 60}


def test_features_of_a_model_are_compared() -> None:
    images = torch.rand(40, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    model = Model(Classification(("a", "b")), (1, 16, 16))
    labelled = Labelled(images, torch.arange(40) % 2)
    gap = measure_gap(labelled, Unlabelled(0.5 * images + 0.2), features=model, resamples=2)
    assert gap.on == "features (128)"
    x, y = model.embed(images), model.embed(0.5 * images + 0.2)
    expected = kernel_distance(x, y, root_mean_square(y))
    assert gap.distances["kid"].value == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match=r"the target holds 19 samples, expected 20 or more"):
        measure_gap(noise(30, 0), noise(19, 0))
    with pytest.raises(InputError, match=r"target_groups holds 9 groups, expected 30, one per sample"):
        measure_gap(noise(30, 0), noise(30, 0), groups=(None, torch.zeros(9)))
    images = Unlabelled(torch.rand(30, 1, 16, 16))
    with pytest.raises(InputError, match=r"source has inputs of 1x16x16, the target of 4: expected images in both"):
        measure_gap(images, noise(30, 0))
    model = Model(Classification(("a", "b")), (1, 8, 8))
    with pytest.raises(InputError, match=r"the source has inputs of 1x16x16, the model takes 1x8x8"):
        measure_gap(images, images, features=model)


def test_one_distribution_is_within_sampling_noise_and_another_beyond_it() -> None:
    same = measure_gap(noise(300, 0), noise(300, 1), resamples=20)
    assert not any(distance.real for distance in same.distances.values())
    assert "does not tell the domains apart: it is wrong for" in same.meaning("proxy_a_distance")
    assert "The covariances do not differ measurably, within sampling noise" in same.meaning("coral")
    far = measure_gap(noise(300, 0), Unlabelled(3 * noise(300, 1, shift=2).inputs), resamples=20)
    assert all(distance.real for distance in far.distances.values())
    assert "tells the domains apart" in far.meaning("proxy_a_distance")
    assert ", beyond sampling noise (halves of the two domains are " in far.meaning("kid")
    assert "two halves of one domain up to " in far.meaning("kid")
    assert far.to_dict()["mmd"]["meaning"] == far.meaning("mmd")


def test_sizes_that_differ_make_no_difference() -> None:
    """Distances with a bias for few samples are compared at the size of the smaller domain."""
    uneven = measure_gap(noise(400, 0), noise(60, 1), resamples=20)
    assert not any(uneven.distances[name].real for name in ("coral", "sliced_wasserstein", "kid"))


def test_the_interval_of_the_proxy_distance_stays_in_its_range() -> None:
    for shift in (0.0, 0.7, 1.8, 3.0, 9.0):
        found = measure_gap(noise(80, 0), noise(80, 1, shift=shift), resamples=20).distances["proxy_a_distance"]
        assert 0 <= found.low <= found.value <= found.high <= 2
