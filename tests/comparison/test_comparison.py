"""Comparison: the choice without real labels, repetition, and equal measurement."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from synth2real.adapt import DANN, MCC
from synth2real.comparison.candidates import better
from synth2real.comparison.comparison import SOURCE_ONLY, RouteCandidate, compare
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.randomize import Photometric
from synth2real.route.route import Route
from synth2real.route.run import Budget


def two_moonless_domains() -> tuple[Labelled, Unlabelled, Labelled]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 4, generator=generator)
    y = (x[:, 0] > 0).long()
    shifted = x + torch.tensor([0.0, 2.0, 0.0, 0.0])
    names = ("no", "yes")
    return Labelled(x[:200], y[:200], names), Unlabelled(shifted[200:300]), Labelled(shifted[300:], y[300:], names)


def test_every_route_is_measured_and_one_is_chosen() -> None:
    source, target, test = two_moonless_domains()
    seen: list[tuple[str, int]] = []
    comparison = compare(
        {"dann": Route(adapt=DANN())},
        source,
        target,
        test=test,
        budget=Budget(steps=30, batch=16),
        seeds=(0, 1),
        on_route=lambda name, seed: seen.append((name, seed)),
    )
    assert [candidate.name for candidate in comparison.candidates] == [SOURCE_ONLY, "dann"]
    assert seen[:2] == [(SOURCE_ONLY, 0), ("dann", 0)]
    assert (SOURCE_ONLY, 1) in seen
    assert len(comparison.chosen.trials) == 2
    for row in comparison.rows():
        assert 0 <= row["accuracy_mean"] <= 1
        assert 0 <= row["gap_after"] <= 2
        assert row["gap_before"] == comparison.rows()[0]["gap_before"]
    assert sum(row["chosen"] for row in comparison.rows()) == 1


def test_real_labels_change_nothing_but_the_score() -> None:
    source, target, test = two_moonless_domains()
    wrong = Labelled(test.inputs, 1 - test.labels, test.classes)
    rows = [
        compare({"dann": Route(adapt=DANN())}, source, target, test=given, budget=Budget(steps=10), seeds=(0,)).rows()
        for given in (test, wrong, None)
    ]
    for one, other, without in zip(*rows, strict=True):
        assert one["accuracy_mean"] == pytest.approx(1 - other["accuracy_mean"])
        assert without["accuracy_mean"] is None
        assert one["score_label_free"] == other["score_label_free"] == without["score_label_free"]
        assert one["chosen"] == other["chosen"] == without["chosen"]


def test_what_was_best_alone_is_combined() -> None:
    source, target, _ = two_moonless_domains()
    ranked_names: list[list[str]] = []

    def then(ranked: Sequence[str]) -> dict[str, Route]:
        ranked_names.append(list(ranked))
        return {"combined": Route(adapt=DANN(weight=0.5))}

    some = {"dann": Route(adapt=DANN()), "mcc": Route(adapt=MCC())}
    comparison = compare(some, source, target, budget=Budget(steps=10), seeds=(0,), then=then)
    assert [candidate.name for candidate in comparison.candidates] == [SOURCE_ONLY, "dann", "mcc", "combined"]
    assert [sorted(names) for names in ranked_names] == [[*sorted(some), SOURCE_ONLY]]
    with pytest.raises(InputError, match="then= and minutes= exclude each other"):
        compare({}, source, target, then=then, minutes=1)


def test_ties_go_to_the_better_source_accuracy() -> None:
    source, target, _ = two_moonless_domains()
    comparison = compare({"again": Route(adapt=DANN())}, source, target, budget=Budget(steps=5), seeds=(0,))
    first = comparison.candidates[0]
    changed = [replace(trial, source_metrics={"accuracy": 1.1}) for trial in first.trials]
    second = RouteCandidate("second", first.route, changed, samples=first.samples)
    assert better([first, second], comparison.task)[0] is second
    unscored = replace(second, samples=None)
    assert better([unscored, first], comparison.task)[0] is first


def test_the_baseline_has_the_randomization_of_the_other_routes() -> None:
    """It is added, and it is not the unrandomized source only; see `named_routes.with_baselines`."""
    images = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    source = Labelled(images, (images.mean((1, 2, 3)) > 0.5).long(), ("dark", "light"))
    light = Route(randomize=Photometric(strength=0.2), adapt=DANN())
    comparison = compare({"dann": light}, source, source.unlabelled(), budget=Budget(steps=3, batch=8), seeds=(0,))
    assert [one.name for one in comparison.candidates] == [SOURCE_ONLY, "randomized", "dann"]
    assert comparison.baseline == "randomized"
    assert comparison.candidates[1].route == Route(randomize=Photometric(strength=0.2))
    assert comparison.plain()["baseline"] == "randomized"
