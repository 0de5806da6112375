"""Estimates of a comparison: in the units of its metric, by the method that its candidates allow, over whole groups."""

from pathlib import Path

import pytest
import torch

from pools import pool
from synth2real import Budget, InputError, Labelled, Model, Route, Unlabelled, compare, load_model
from synth2real.adapt import DANN, MSDA, SourceOnly
from synth2real.comparison.pool import estimated
from synth2real.select.estimates import NoEstimate, estimate
from synth2real.select.validators import observe
from synth2real.tasks import Classification

QUICK = Budget(steps=60, batch=16)
ROUTES = {"dann": Route(adapt=DANN(dropout=0.0)), "slow": Route(adapt=SourceOnly(rate=1e-4))}


def clouds(count: int, shift: float, seed: int) -> Labelled:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 2
    x = torch.randn(count, 4, generator=generator) + (2 * y[:, None] - 1) * torch.tensor([0.6, 0, 0, 0])
    return Labelled(x + shift * torch.tensor([0, 1.0, 0, 0]), y, ("no", "yes"))


def test_three_candidates_are_estimated_by_agreement_and_fewer_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    task, labels = Classification(("a", "b")), torch.arange(40) % 2
    right = torch.nn.functional.one_hot(labels, 2) * 3.0
    predictions = [right + torch.randn(40, 2, generator=generator) for _ in range(3)]
    three, two = (pool(task, p, source=p, labels=labels) for p in (predictions, predictions[:2]))
    assert estimated(three, 0, 0.5) == estimate("agreement-rates", three, 0)
    with pytest.raises(NoEstimate, match=r"found 2 candidate\(s\) that have learnt the source"):
        estimated(two, 0, 0.5)


def test_without_a_gap_the_estimates_hold() -> None:
    test = clouds(1000, 0, 1)
    found = compare(ROUTES, clouds(2000, 0, 0), test.unlabelled(), test=test, budget=QUICK, seeds=(0,))
    for row in found.ranking()[: len(found.candidates)]:
        assert row["estimate"] == pytest.approx(row["test_score"], abs=0.08)
        assert row["interval"][0] <= row["test_score"] <= row["interval"][1]


def test_groups_widen_the_interval() -> None:
    """Of a target of ten moments, each seen forty times."""
    moments = torch.arange(400) // 40
    target = Unlabelled(clouds(10, 0.5, 1).inputs[moments])
    rows = [
        compare(ROUTES, clouds(400, 0, 0), target, budget=QUICK, seeds=(0,), target_groups=groups).ranking()
        for groups in (None, moments)
    ]
    alone, whole = (
        {row["name"]: row["interval"][1] - row["interval"][0] for row in table if row["interval"]} for table in rows
    )
    assert whole["source only"] > alone["source only"]


def test_values_are_estimated_in_the_units_of_the_metric() -> None:
    """Columns of spread 1 and 100: the metric is their mean error as it is, and so is what it is estimated at."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 3, generator=generator)
    y = x[:, :2] * torch.tensor([1.0, 100.0])
    source, target = Labelled(x[:300], y[:300], columns=("a", "b")), Labelled(x[300:], y[300:], columns=("a", "b"))
    routes = {
        "dann": Route(adapt=DANN()),
        "weak dann": Route(adapt=DANN(weight=0.1)),
        "fast": Route(adapt=SourceOnly(rate=3e-3)),
    }
    found = compare(routes, source, target.unlabelled(), test=target, budget=QUICK, seeds=(0,))
    for row in found.rows():
        assert row["estimate"] == pytest.approx(row["mean_error_mean"], rel=0.4)
    alone = compare({}, source, target.unlabelled(), budget=QUICK, seeds=(0,)).ranking()[0]
    assert (alone["estimate"], alone["interval"]) == (None, None)


def test_what_is_not_probed_is_not_computed() -> None:
    target = clouds(40, 0, 1)
    model = Model(Classification(("no", "yes")), (4,)).eval()
    seen = observe(model, target, target.unlabelled(), probed=False)
    assert all(torch.tensor(seen.mixed).isnan())
    assert torch.allclose(seen.target, model.outputs(target.inputs), atol=1e-6)


def test_aggregates_are_listed_after_the_routes_and_are_not_chosen(tmp_path: Path) -> None:
    test = clouds(200, 0.5, 1)
    found = compare(ROUTES, clouds(400, 0, 0), test.unlabelled(), test=test, budget=QUICK, seeds=(0,))
    assert [one.name for one in found.aggregates] == ["ensemble", "iwa"]
    rows = found.ranking()
    assert [row["name"] for row in rows[3:]] == ["ensemble", "iwa"]
    assert [len(found.rows()), sum(row["chosen"] for row in rows[:3])] == [3, 1]
    for one, row in zip(found.aggregates, rows[3:], strict=True):
        assert one.members == ("source only", "dann", "slow")
        assert (row["score_label_free"], row["chosen"], row["seeds"]) == (None, False, [0])
        assert (row["estimate"], row["interval"]) == (None, None)
        assert row["test_score"] == one.model.evaluate(test)["accuracy"]
        assert one.source_metrics["accuracy"] == pytest.approx(
            one.model.evaluate(clouds(400, 0, 0))["accuracy"], abs=0.1
        )
        one.model.save(tmp_path)
        assert torch.equal(load_model(tmp_path).predict(test.inputs).values, one.model.predict(test.inputs).values)
    predictions = torch.stack([route.trials[0].target for route in found.candidates]).mean(0)
    assert torch.allclose(found.aggregates[0].model.predict(test.inputs).values, predictions, atol=1e-5)
    assert found._repr_html_().count("<tr>") == 6


def test_two_are_no_majority_and_mapped_models_are_left_out() -> None:
    source, target = clouds(200, 0, 0), clouds(100, 0.5, 1).unlabelled()
    alone = compare({"slow": ROUTES["slow"]}, source, target, budget=QUICK, seeds=(0,))
    assert alone.aggregates == []
    mapped = {**ROUTES, "mapped": Route(adapt=MSDA(then=SourceOnly()))}
    found = compare(mapped, source, target, budget=QUICK, seeds=(0,))
    assert [len(found.candidates), *(len(one.members) for one in found.aggregates)] == [4, 3, 3]
    with pytest.raises(InputError, match=r"a route is named 'iwa', which is the name of an aggregate"):
        compare({"iwa": Route()}, source, target, budget=QUICK)


def test_a_few_samples_are_not_weighed_by_importance() -> None:
    found = compare(ROUTES, clouds(60, 0, 0), clouds(30, 0.5, 1).unlabelled(), budget=QUICK, seeds=(0,))
    assert [one.name for one in found.aggregates] == ["ensemble"]


def test_points_of_resized_images_are_scored_in_their_own_pixels() -> None:
    """The metric, the estimate and the aggregates are in pixels of the image as given, twice those of the model."""
    generator = torch.Generator().manual_seed(0)
    places = torch.randint(2, 10, (160, 2), generator=generator)
    images = torch.zeros(160, 1, 12, 12)
    images[torch.arange(160), 0, places[:, 1], places[:, 0]] = 1
    sizes = torch.full((160, 2), 24.0)
    data = Labelled(images, 2 * (places.float() + 0.5) - 0.5, columns=("p_x", "p_y"), sizes=sizes)
    routes = {"dann": Route(adapt=DANN()), "slow": Route(adapt=SourceOnly(rate=1e-4))}
    found = compare(routes, data, data.unlabelled(), test=data, budget=QUICK, seeds=(0,))
    for row in found.ranking()[: len(found.candidates)]:
        assert row["estimate"] == pytest.approx(row["test_score"], rel=0.35)
    for one in found.aggregates:
        assert one.test_metrics == pytest.approx(one.model.evaluate(data), rel=1e-3)
