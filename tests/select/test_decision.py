"""Scores without real labels, and when they are not a reason to adapt."""

import math

import pytest
import torch

from synth2real import Route
from synth2real.adapt import AFN, DANN, MCC, MSDA, SVM, AdaMatch, Teacher
from synth2real.randomize import Full
from synth2real.select.decision import (
    RouteOutputs,
    in_doubt,
    label_shift_refusals,
    matches_distributions,
    reason_to_refuse,
    score,
)
from synth2real.select.validators import CandidateOutputs
from synth2real.tasks import Classification, Regression

TASK = Classification(("a", "b"))
LABELS = torch.arange(40) % 2


def probabilities(right: int, confidence: float = 0.99) -> torch.Tensor:
    """Probabilities (40, 2): the first `right` predictions are right, the others are wrong."""
    predicted = torch.where(torch.arange(40) < right, LABELS, 1 - LABELS)
    return torch.nn.functional.one_hot(predicted, 2) * (2 * confidence - 1) + 1 - confidence


def outputs(route: Route, target: torch.Tensor, score: float) -> RouteOutputs:
    return RouteOutputs(route, target, probabilities(40), score)


def test_calibrated_bnm_and_consistency_outvote_an_uncertain_majority() -> None:
    alike, other = probabilities(26, 0.6), probabilities(40)
    uncertain, confident = (
        CandidateOutputs(alike, calibrated_bnm=0.5, inconsistency=0.5),
        CandidateOutputs(other, calibrated_bnm=0.9, inconsistency=0.05),
    )
    (first, _), (second, _), (right, _) = score([uncertain, uncertain, confident], TASK)
    assert right > first == second
    assert all(0 <= one <= 1 for one in (first, right))


def test_unknown_inconsistency_is_left_out() -> None:
    (known, _), (unknown, _) = score(
        [CandidateOutputs(probabilities(40), calibrated_bnm=0.7, inconsistency=w) for w in (0.0, math.nan)], TASK
    )
    assert known == pytest.approx((1 + 0.7 + 1) / 3)
    assert unknown == pytest.approx((1 + 0.7) / 2)


@pytest.mark.parametrize(("score", "harmful"), [(0.7, True), (0.4, False)])
def test_class_shares_come_from_the_best_route_that_does_not_adapt(score: float, harmful: bool) -> None:
    """It predicts the second class for 36 of 40 samples; source only for half of them, as in the source."""
    first = torch.tensor([0.99, 0.01])
    most = torch.where((torch.arange(40) < 4)[:, None], first, 1 - first)
    routes = {
        "source only": outputs(Route(), probabilities(40), 0.5),
        "randomized": outputs(Route(randomize=Full()), most, score),
        "dann": outputs(Route(adapt=DANN()), probabilities(40), 0.9),
        "no prior": outputs(Route(adapt=Teacher(target_prior="none")), most, 0.9),
    }
    found = label_shift_refusals(routes, TASK, torch.tensor([0.5, 0.5]), LABELS)
    assert list(found) == (["dann"] if harmful else [])
    if harmful:
        assert "'a' is about 10 percent of the target and 50 percent of the source" in found["dann"]


def test_routes_that_force_the_class_shares_of_the_source_are_known() -> None:
    for keeps in (DANN(), Teacher(), AdaMatch(), MSDA()):
        assert matches_distributions(Route(adapt=keeps))
    for free in (SVM(), MCC(), AFN(), Teacher(target_prior="estimated")):
        assert not matches_distributions(Route(adapt=free))


def test_sequences_need_a_larger_difference() -> None:
    """The routes differ on one person of four: significant for forty images, but not for four people."""
    people = torch.arange(40) // 10
    better, worse = (
        RouteOutputs(Route(), probabilities(40), probabilities(40), 0.8),
        RouteOutputs(Route(), probabilities(30), probabilities(40), 0.6),
    )
    everyone = [better.target, worse.target, better.target]
    assert reason_to_refuse(better, worse, everyone, TASK, LABELS) is None
    assert "not significantly better" in str(reason_to_refuse(better, worse, everyone, TASK, LABELS, people))


@pytest.mark.parametrize(("shares", "harmful"), [((0.95, 0.05), True), ((0.8, 0.2), False)])
def test_an_unbalanced_source_needs_less_evidence_for_a_shift(shares, harmful: bool) -> None:
    """It predicts the rarer class for half of the samples, with an expected error of a quarter."""
    uncertain = RouteOutputs(Route(), probabilities(20, 0.75), probabilities(30, 0.75), 0.5)
    found = label_shift_refusals(
        {"plain": uncertain, "dann": outputs(Route(adapt=DANN()), probabilities(40), 0.9)},
        TASK,
        torch.tensor(shares),
        LABELS,
    )
    assert ("dann" in found) == harmful


VALUES = Regression(("x",), (0.0,), (1.0,))


def test_uncertain_samples_are_listed_the_most_uncertain_first() -> None:
    confident = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.5, 0.5], [0.0, 1.0]])
    other = torch.tensor([[0.8, 0.2], [0.9, 0.1], [0.5, 0.5], [0.4, 0.6]])
    assert in_doubt([confident], TASK) == [2, 1]
    assert in_doubt([confident, other], TASK) == [2]
    assert in_doubt([torch.zeros(4, 1)], VALUES) == []


def test_values_are_ranked_and_equal_ranks_decided_by_agreement() -> None:
    near, far = torch.zeros(5, 1), torch.ones(5, 1)
    found = score([CandidateOutputs(one, source_score=-1.0) for one in (near, near, far)], VALUES)
    assert found[0] == found[1] > found[2]
    assert [agreed for _, agreed in found] == [0.0, 0.0, -1.0]


@pytest.mark.parametrize(("value", "ranked", "refused"), [(0.1, 0.9, False), (0.1, 0.5, True), (1.4, 0.9, True)])
def test_values_are_refused_if_ranked_no_better_or_agreeing_significantly_less(value, ranked, refused) -> None:
    predictions = [torch.full((40, 1), one) for one in (0.5, value, 0.0)]
    base, chosen = (
        RouteOutputs(Route(), one, one, rank) for one, rank in zip(predictions, (0.5, ranked), strict=False)
    )
    assert (reason_to_refuse(chosen, base, predictions, VALUES, LABELS) is not None) == refused


@pytest.mark.parametrize(("gain", "refused"), [(0.3, False), (0.0, True), (-0.1, True)])
def test_a_route_is_refused_if_its_score_is_not_significantly_better(gain: float, refused: bool) -> None:
    base, adapted = probabilities(30), probabilities(36)
    everyone = [base, adapted, probabilities(40)]
    reason = reason_to_refuse(
        outputs(Route(adapt=DANN()), adapted, 0.6 + gain), outputs(Route(), base, 0.6), everyone, TASK, LABELS
    )
    assert (reason is not None) == refused
    if reason is not None:
        assert "label-free score is not significantly better" in reason
