"""Scores without a real label, and when they are no reason to adapt."""

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
TRUTH = torch.arange(40) % 2


def said(right: int, sure: float = 0.99) -> torch.Tensor:
    """Probabilities (40, 2), the first `right` of which are right, the others wrong."""
    answer = torch.where(torch.arange(40) < right, TRUTH, 1 - TRUTH)
    return torch.nn.functional.one_hot(answer, 2) * (2 * sure - 1) + 1 - sure


def answers(route: Route, target: torch.Tensor, score: float) -> RouteOutputs:
    return RouteOutputs(route, target, said(40), score)


def test_of_classes_certainty_and_steadiness_outvote_a_majority_that_doubts() -> None:
    alike, other = said(26, 0.6), said(40)
    doubting, sure = (
        CandidateOutputs(alike, calibrated_bnm=0.5, inconsistency=0.5),
        CandidateOutputs(other, calibrated_bnm=0.9, inconsistency=0.05),
    )
    (first, _), (second, _), (right, _) = score([doubting, doubting, sure], TASK)
    assert right > first == second
    assert all(0 <= one <= 1 for one in (first, right))


def test_where_steadiness_is_unknown_it_is_left_out() -> None:
    (known, _), (unknown, _) = score(
        [CandidateOutputs(said(40), calibrated_bnm=0.7, inconsistency=w) for w in (0.0, math.nan)], TASK
    )
    assert known == pytest.approx((1 + 0.7 + 1) / 3)
    assert unknown == pytest.approx((1 + 0.7) / 2)


@pytest.mark.parametrize(("score", "harmful"), [(0.7, True), (0.4, False)])
def test_the_best_route_that_does_not_adapt_witnesses_the_balance(score: float, harmful: bool) -> None:
    """Of 40 samples it calls 36 the second class, where the source has both alike, and source only calls half so."""
    first = torch.tensor([0.99, 0.01])
    most = torch.where((torch.arange(40) < 4)[:, None], first, 1 - first)
    routes = {
        "source only": answers(Route(), said(40), 0.5),
        "randomized": answers(Route(randomize=Full()), most, score),
        "dann": answers(Route(adapt=DANN()), said(40), 0.9),
        "no prior": answers(Route(adapt=Teacher(target_prior="none")), most, 0.9),
    }
    found = label_shift_refusals(routes, TASK, torch.tensor([0.5, 0.5]), TRUTH)
    assert list(found) == (["dann"] if harmful else [])
    if harmful:
        assert "'a' is about 10 percent of the target and 50 percent of the source" in found["dann"]


def test_what_says_nothing_of_the_balance_is_not_held_to_have_kept_it() -> None:
    for keeps in (DANN(), Teacher(), AdaMatch(), MSDA()):
        assert matches_distributions(Route(adapt=keeps))
    for free in (SVM(), MCC(), AFN(), Teacher(target_prior="estimated")):
        assert not matches_distributions(Route(adapt=free))


def test_of_sequences_more_is_asked_for() -> None:
    """Of one person of four the better route is right, the other wrong: much of forty images, little of four people."""
    people = torch.arange(40) // 10
    better, worse = RouteOutputs(Route(), said(40), said(40), 0.8), RouteOutputs(Route(), said(30), said(40), 0.6)
    everyone = [better.target, worse.target, better.target]
    assert reason_to_refuse(better, worse, everyone, TASK, TRUTH) is None
    assert "not surely better" in str(reason_to_refuse(better, worse, everyone, TASK, TRUTH, people))


@pytest.mark.parametrize(("shares", "harmful"), [((0.95, 0.05), True), ((0.8, 0.2), False)])
def test_of_a_source_that_is_far_from_balanced_less_speaks_for_a_shift(shares, harmful: bool) -> None:
    """It calls half of the samples the rarer class, and doubts a quarter."""
    doubting = RouteOutputs(Route(), said(20, 0.75), said(30, 0.75), 0.5)
    found = label_shift_refusals(
        {"plain": doubting, "dann": answers(Route(adapt=DANN()), said(40), 0.9)}, TASK, torch.tensor(shares), TRUTH
    )
    assert ("dann" in found) == harmful


VALUES = Regression(("x",), (0.0,), (1.0,))


def test_in_doubt_is_what_no_class_gets_half_of_certainty_the_worst_first() -> None:
    sure = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.5, 0.5], [0.0, 1.0]])
    other = torch.tensor([[0.8, 0.2], [0.9, 0.1], [0.5, 0.5], [0.4, 0.6]])
    assert in_doubt([sure], TASK) == [2, 1]
    assert in_doubt([sure, other], TASK) == [2]
    assert in_doubt([torch.zeros(4, 1)], VALUES) == []


def test_values_are_ranked_and_equal_ranks_decided_by_agreement() -> None:
    near, far = torch.zeros(5, 1), torch.ones(5, 1)
    found = score([CandidateOutputs(one, source=-1.0) for one in (near, near, far)], VALUES)
    assert found[0] == found[1] > found[2]
    assert [agreed for _, agreed in found] == [0.0, 0.0, -1.0]


@pytest.mark.parametrize(("value", "ranked", "doubted"), [(0.1, 0.9, False), (0.1, 0.5, True), (1.4, 0.9, True)])
def test_values_are_doubted_where_ranked_no_better_or_agreeing_surely_less(value, ranked, doubted) -> None:
    said = [torch.full((40, 1), one) for one in (0.5, value, 0.0)]
    base, chosen = (RouteOutputs(Route(), one, one, rank) for one, rank in zip(said, (0.5, ranked), strict=False))
    assert (reason_to_refuse(chosen, base, said, VALUES, TRUTH) is not None) == doubted


@pytest.mark.parametrize(("gain", "doubted"), [(0.3, False), (0.0, True), (-0.1, True)])
def test_a_route_is_doubted_where_its_score_is_not_surely_better(gain: float, doubted: bool) -> None:
    base, adapted = said(30), said(36)
    everyone = [base, adapted, said(40)]
    reason = reason_to_refuse(
        answers(Route(adapt=DANN()), adapted, 0.6 + gain), answers(Route(), base, 0.6), everyone, TASK, TRUTH
    )
    assert (reason is not None) == doubted
    if reason is not None:
        assert "label-free score is not surely better" in reason
