"""The choice among candidates with hand-made predictions: which is chosen, and what is said."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from synth2real import Labelled, Route
from synth2real.adapt import DANN, MSDA
from synth2real.comparison.candidates import SOURCE_ONLY, RouteCandidate
from synth2real.comparison.choice import UNDECIDABLE, Choice, Chooser, verdict
from synth2real.comparison.evaluation import Evaluation, Trial
from synth2real.randomize import Geometric
from synth2real.route.run import Budget
from synth2real.select.estimates import Estimate, NoEstimate
from synth2real.select.validators import Moved, Pool

NAMES = ("bolt", "gear", "valve")
TRUTH = torch.arange(240) % 3
RANDOMIZED = Route(randomize=Geometric())
Made = Callable[..., RouteCandidate]


def noisy(wrong: float, seed: int, truth: Tensor = TRUTH) -> Tensor:
    """Classes of which a share is wrong at random."""
    generator = torch.Generator().manual_seed(seed)
    changed = (truth + torch.randint(1, 3, (len(truth),), generator=generator)) % 3
    return torch.where(torch.rand(len(truth), generator=generator) < wrong, changed, truth)


def answers(classes: Tensor) -> Tensor:
    return F.one_hot(classes, 3) * 0.9 + 0.1 / 3


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    images = torch.rand(240, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    data = Labelled(images, TRUTH, NAMES)
    return Evaluation(data, data.unlabelled(), None, None, Budget(steps=1, batch=8))


@pytest.fixture(scope="module")
def made(evaluation: Evaluation) -> Made:
    run = Route().run(evaluation.source, evaluation.target, task=evaluation.task, budget=evaluation.budget)
    trial = evaluation.measured(run, 0, 1, 1.0)

    def candidate(name: str, target: Tensor, *, steady: float = 0.9, learnt: bool = True, route: Route = RANDOMIZED):
        moved = torch.where(
            torch.rand(240, generator=torch.Generator().manual_seed(7)) < steady, target, (target + 1) % 3
        )
        held = noisy(0.05 if learnt else 0.7, 3, evaluation.labels)
        one: Trial = replace(
            trial,
            target=answers(target),
            held=answers(held),
            moved=Moved(answers(target), answers(target), answers(moved)),
            source_metrics={"accuracy": float((held == evaluation.labels).double().mean())},
        )
        return RouteCandidate(name, route, [one])

    return candidate


def _unknown(pool: object, index: int, metric: float) -> Estimate:
    raise NoEstimate("no estimate: unknown")


@pytest.fixture(autouse=True)
def _no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models behind the predictions are one untrained model, so that estimates of them say nothing."""
    monkeypatch.setattr("synth2real.comparison.choice.estimated", _unknown)


def usual(made: Made) -> list[RouteCandidate]:
    return [
        made(SOURCE_ONLY, noisy(0.6, 0), steady=0.5, route=Route()),
        made("randomized", noisy(0.35, 1), steady=0.7),
        made("dann", noisy(0.3, 2), steady=0.7, route=replace(RANDOMIZED, adapt=DANN())),
    ]


def chosen(evaluation: Evaluation, candidates: list[RouteCandidate]) -> Choice:
    return Chooser(evaluation, "randomized").choose(candidates)


def test_a_clearly_better_route_is_chosen_and_the_verdict_says_what_it_adds(evaluation: Evaluation, made: Made) -> None:
    better = made("teacher", noisy(0.05, 4), steady=0.95, route=replace(RANDOMIZED, adapt=DANN()))
    found = chosen(evaluation, [*usual(made), better])
    assert found.route is better
    assert found.baseline.name == "randomized"
    assert found.adapts
    said = verdict(found, evaluation)
    assert said.startswith("teacher, 1 seed; no estimate: unknown; adds 0.")
    assert "to the label-free score of “randomized”" in said


@pytest.mark.parametrize(("wrong", "first"), [(0.05, "msda"), (0.3, "teacher")])
def test_a_closed_form_comes_before_a_trained_route_that_it_ties_with(
    evaluation: Evaluation, made: Made, wrong: float, first: str
) -> None:
    trained = made("teacher", noisy(0.04, 4), steady=0.95, route=replace(RANDOMIZED, adapt=DANN()))
    closed = made("msda", noisy(wrong, 4), steady=0.95, route=Route(adapt=MSDA()))
    found = chosen(evaluation, [*usual(made), trained, closed])
    assert trained.score > closed.score
    assert found.route.name == first


def test_a_route_that_is_not_surely_better_leaves_the_baseline(evaluation: Evaluation, made: Made) -> None:
    candidates = usual(made)
    found = chosen(evaluation, candidates)
    assert found.route.name == "randomized"
    assert not found.adapts
    assert verdict(found, evaluation).startswith("adaptation did not help: ")


@pytest.mark.parametrize("others", [0, 3])
def test_a_constant_route_is_never_chosen(evaluation: Evaluation, made: Made, others: int) -> None:
    """Three of 240 answers differ, or none; it is perfectly steady."""
    collapsed = made("teacher", torch.where(torch.arange(240) < others, 0, 2), steady=1.0)
    found = chosen(evaluation, [*usual(made), collapsed])
    assert found.route.name != "teacher"
    assert collapsed.refused == f"it predicts 'valve' for {240 - others} of 240 samples"


def test_a_route_that_interchanges_classes_is_never_chosen(evaluation: Evaluation, made: Made) -> None:
    swapped = made("teacher", torch.tensor([1, 0, 2])[noisy(0.02, 4)], steady=1.0)
    found = chosen(evaluation, [*usual(made), swapped])
    assert found.route.name != "teacher"


def test_a_route_that_has_not_learnt_the_source_is_refused(evaluation: Evaluation, made: Made) -> None:
    better = made("teacher", noisy(0.05, 4), steady=0.95, learnt=False)
    found = chosen(evaluation, [*usual(made), better])
    assert found.route is not better
    assert "it has not learnt the source: accuracy 0." in better.refused


def test_source_only_replaces_a_baseline_that_has_not_learnt_the_source(evaluation: Evaluation, made: Made) -> None:
    """The randomization was too strong, or the training too short."""
    lost = made("randomized", noisy(0.6, 1), learnt=False)
    found = chosen(evaluation, [made(SOURCE_ONLY, noisy(0.4, 0), route=Route()), lost])
    assert found.route.name == found.baseline.name == SOURCE_ONLY
    assert "“randomized”: it has not learnt the source" in verdict(found, evaluation)


def test_if_nothing_has_learnt_the_source_the_best_on_it_is_taken(evaluation: Evaluation, made: Made) -> None:
    candidates = [made(name, noisy(0.6, k), learnt=False) for k, name in enumerate((SOURCE_ONLY, "randomized"))]
    found = chosen(evaluation, candidates)
    assert found.route in candidates
    assert verdict(found, evaluation).startswith("no route can be trusted: “")


def test_if_nothing_may_be_chosen_a_constant_route_is_not_taken(evaluation: Evaluation, made: Made) -> None:
    """The route on the source is better, but it answers the same for every target sample."""
    constant = made(SOURCE_ONLY, torch.ones(240, dtype=torch.int64), route=Route())
    lost = made("randomized", noisy(0.6, 1), learnt=False)
    assert chosen(evaluation, [constant, lost]).route is lost


def test_if_nothing_may_be_chosen_a_route_of_one_class_comes_last(evaluation: Evaluation, made: Made) -> None:
    """The other one has not learnt the source, and its probabilities hardly differ, but its classes do."""
    same = torch.zeros(240, dtype=torch.int64)
    flat = made("randomized", noisy(0.6, 1), learnt=False)
    outputs = answers(flat.trials[0].target.argmax(1)) * 0.05 + 0.95 / 3
    flat.trials[0] = replace(flat.trials[0], target=outputs)
    assert chosen(evaluation, [made(SOURCE_ONLY, same, route=Route()), flat]).route is flat


def test_an_estimate_that_says_the_opposite_refuses(evaluation: Evaluation, made: Made, monkeypatch) -> None:
    values = [Estimate(0.5, 0.4, 0.6), Estimate(0.8, 0.7, 0.9), Estimate(0.8, 0.7, 0.9), Estimate(0.6, 0.5, 0.7)]
    monkeypatch.setattr("synth2real.comparison.choice.estimated", lambda pool, index, metric: values[index])
    better = made("teacher", noisy(0.05, 4), steady=0.95)
    found = chosen(evaluation, [*usual(made), better])
    assert found.route is not better
    assert "its estimate (0.6) is worse than that of the baseline (0.7 to 0.9)" in better.refused


def test_a_lower_estimate_inside_the_interval_of_the_baseline_is_said(
    evaluation: Evaluation, made: Made, monkeypatch
) -> None:
    found = {
        0: Estimate(0.5, 0.4, 0.6),
        1: Estimate(0.7, 0.5, 0.8),
        2: Estimate(0.7, 0.5, 0.8),
        3: Estimate(0.6, 0.5, 0.7),
    }
    monkeypatch.setattr("synth2real.comparison.choice.estimated", lambda pool, index, metric: found[index])
    better = made("teacher", noisy(0.05, 4), steady=0.95, route=replace(RANDOMIZED, adapt=DANN()))
    said = verdict(chosen(evaluation, [*usual(made), better]), evaluation)
    assert "its estimate is worse than that of “randomized” (0.7, 0.5 to 0.8), but inside the interval" in said


def test_confidence_on_the_target_alone_is_not_chosen(evaluation: Evaluation, made: Made) -> None:
    """Of two equal routes the one is surer on the target than its confidence on the source allows."""
    honest = [made(name, noisy(0.35, seed), steady=0.7) for name, seed in (("a", 1), ("randomized", 12), ("b", 2))]
    sure = made("sure", noisy(0.38, 8), steady=0.7, route=replace(RANDOMIZED, adapt=DANN()))
    for one in honest:  # calibrated: right on two of three samples
        target = F.one_hot(one.trials[0].target.argmax(1), 3) * 0.5 + 0.5 / 3
        one.trials[0] = replace(one.trials[0], target=target, held=_as_sure(one.trials[0].held))
    trial = sure.trials[0]
    sure.trials[0] = replace(trial, target=F.one_hot(trial.target.argmax(1), 3).float(), held=_as_sure(trial.held))
    assert chosen(evaluation, [*honest, sure]).route.name == "randomized"


def _as_sure(held: Tensor) -> Tensor:
    return F.one_hot(held.argmax(1), 3) * 0.5 + 0.5 / 3


def test_a_route_that_balances_an_unbalanced_target_is_not_chosen(evaluation: Evaluation, made: Made) -> None:
    """Nine of ten target samples are bolts; the adapted route names each class equally often, steadily and surely."""
    truth = torch.where(torch.arange(240) % 10 < 9, 0, 1 + torch.arange(240) % 2)
    others = [made(SOURCE_ONLY, noisy(0.2, 0, truth), route=Route()), made("randomized", noisy(0.12, 1, truth))]
    others.append(made("cdan", noisy(0.15, 2, truth), route=replace(RANDOMIZED, adapt=DANN())))
    forced = made("dann", TRUTH, steady=0.98, route=replace(RANDOMIZED, adapt=DANN()))
    assert chosen(evaluation, [*others, forced]).route is not forced


def test_people_are_the_independent_samples(evaluation: Evaluation, made: Made) -> None:
    """The better route is right on all images of one person of two, and as the baseline on the other."""
    base = noisy(0.5, 1)
    people = torch.arange(240) // 120
    one = made("teacher", torch.where(people == 0, TRUTH, base), steady=0.95)
    candidates = [made(SOURCE_ONLY, noisy(0.3, 0), route=Route()), made("randomized", base, steady=0.95), one]
    assert chosen(evaluation, candidates).route is one
    grouped = replace(evaluation, target_groups=people)
    assert chosen(grouped, candidates).route is not one
    single = replace(evaluation, target_groups=torch.zeros(240, dtype=torch.int64))
    chosen(single, candidates)
    assert one.refused == "all target samples are of one group, so that no difference between routes is sure"


def test_values_that_no_move_changes_cannot_be_decided() -> None:
    images = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    data = Labelled(images, images.flatten(1).mean(1, keepdim=True), columns=("brightness",))
    evaluation = Evaluation(data, data.unlabelled(), None, None, Budget(steps=2, batch=8))
    run = Route().run(evaluation.source, evaluation.target, task=evaluation.task, budget=evaluation.budget)
    trial = evaluation.measured(run, 0, 2, 1.0)
    found = chosen(evaluation, [RouteCandidate(name, Route(), [trial]) for name in (SOURCE_ONLY, "randomized", "dann")])
    assert found.route.name in (SOURCE_ONLY, "randomized")
    assert found.reasons[-1] == UNDECIDABLE


def test_a_validator_of_the_user_decides_and_its_missing_scores_refuse(evaluation: Evaluation, made: Made) -> None:
    candidates = usual(made)

    def by_name(pool: Pool) -> list[float]:
        return [{"dann": 2.0, "randomized": 1.0}.get(one.name, float("nan")) for one in pool.candidates]

    found = Chooser(evaluation, "randomized", by_name).choose(candidates)
    assert found.route.name == "dann"
    assert [one.score for one in candidates[1:]] == [1.0, 2.0]
    assert candidates[0].refused == "the validator by_name gives it no finite score"
