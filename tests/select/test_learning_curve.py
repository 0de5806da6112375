"""Learning curves: known laws are found again within their intervals; flat curves and noise are told apart."""

import pytest
import torch

from synth2real.select.learning_curve import MEASURABLE, Law, LearningCurve, fitted

SIZES = [500, 1000, 2000, 4000, 8000]


def curve(law: Law, spread: float, seed: int = 0, seeds: int = 2, samples: int = 200) -> LearningCurve:
    """Scores that follow a law, with noise of each sample, each seed and size, and both."""
    draw = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    errors = torch.tensor([law.error(n) for n in SIZES], dtype=torch.float64)[:, None]
    scores = 1 - errors + 0.3 * noise(samples) + spread * noise(seeds, len(SIZES), 1)
    return LearningCurve(SIZES, scores + 0.05 * noise(seeds, len(SIZES), samples))


@pytest.mark.parametrize("law", [Law(0.05, 3, 0.35), Law(0.2, 50, 0.9), Law(0, 1, 0.2)], ids=repr)
def test_the_interval_covers_the_gain_of_a_known_law(law: Law) -> None:
    true = law.error(8000) - law.error(18_000)
    found = [curve(law, 0.01, seed).gain(10_000) for seed in range(20)]
    assert sum(one.low <= true <= one.high for one in found) >= 17
    assert all(one.low <= one.value <= one.high for one in found)


def test_a_steep_curve_buys_a_gain() -> None:
    gain = curve(Law(0.05, 3, 0.35), 0.003).gain(10_000)
    assert gain.verdict == "gain"
    assert gain.words.startswith(
        f"another 10,000 images would add {gain.value:.3f} ({gain.low:.3f} to {gain.high:.3f})"
    )
    assert "spread" not in gain.words


def test_a_gain_that_the_whole_curve_shows_says_so() -> None:
    found = [curve(Law(0.05, 3, 0.35), 0.03, seed).gain(10_000) for seed in range(5)]
    gain = next(one for one in found if one.verdict == "gain" and abs(one.last) <= one.reach)
    assert "is within the spread of seeds" in gain.words
    assert gain.words.endswith("it is the whole curve that shows the gain")


@pytest.mark.parametrize("law", [Law(0.3, 0, 0.5), Law(0.3, 1000, 1.5)], ids=["flat", "flat from the second size on"])
def test_a_flat_curve_buys_nothing_measurable(law: Law) -> None:
    gain = curve(law, 0.002).gain(10_000)
    assert (gain.verdict, gain.high < MEASURABLE) == ("nothing", True)
    assert gain.words.startswith("another 10,000 images buy nothing measurable: at most 0.00")


def test_noise_says_that_it_cannot_tell() -> None:
    found = [curve(Law(0.3, 0, 0.5), 0.05, seed).gain(10_000) for seed in range(10)]
    unknown = [one for one in found if one.verdict == "unknown"]
    assert len(unknown) >= 5
    assert not [one for one in found if one.verdict == "gain"]
    words = next(one.words for one in unknown if abs(one.last) <= one.reach)
    assert words.startswith("cannot tell what another 10,000 images buy: the difference between the largest sizes (")
    assert "is within the spread of seeds (" in words


def test_a_law_without_noise_is_found_exactly() -> None:
    sizes = torch.tensor(SIZES, dtype=torch.float64)
    a, b, c = (float(one[0]) for one in fitted(SIZES, (0.1 + 4 * sizes**-2.0)[None]))
    assert (a, b, c) == pytest.approx((0.1, 4, 2))


def test_the_error_of_endless_images_is_never_below_0() -> None:
    a, b, _ = fitted(SIZES, torch.tensor([[0.5, 0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5]], dtype=torch.float64))
    assert a.min() >= 0
    assert (b[0] > 0, b[1] < 0) == (True, True)


def test_intervals_hold_the_scores_and_shrink_with_seeds() -> None:
    few, many = curve(Law(0.1, 3, 0.4), 0.02), curve(Law(0.1, 3, 0.4), 0.02, seeds=8)
    for one in (few, many):
        assert all(low < mean < high for (low, high), mean in zip(one.intervals(), one.means.tolist(), strict=True))
    assert many.intervals()[0][1] - many.intervals()[0][0] < few.intervals()[0][1] - few.intervals()[0][0]
    assert (few.freedom, many.freedom) == (5, 35)


def test_groups_widen_the_intervals() -> None:
    alone = curve(Law(0.1, 3, 0.4), 0.001)
    grouped = LearningCurve(SIZES, alone.scores.sort(2).values, torch.arange(200) // 50)
    low, high = alone.intervals()[0]
    wide = grouped.intervals()[0]
    assert wide[1] - wide[0] > 2 * (high - low)


def test_the_same_scores_give_the_same_interval() -> None:
    assert curve(Law(0.1, 3, 0.4), 0.01).gain(100) == curve(Law(0.1, 3, 0.4), 0.01).gain(100)
