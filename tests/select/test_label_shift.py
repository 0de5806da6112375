"""Label shift between source and target, and the routes that it would harm."""

import pytest
import torch
from torch import Tensor

from synth2real import Route
from synth2real.adapt import AFN, DANN, MCC, MSDA, SVM, AdaMatch, Teacher
from synth2real.randomize import Full
from synth2real.select.label_shift import RouteOutputs, label_shift_refusals, matches_distributions
from synth2real.select.validators import CandidateOutputs
from synth2real.tasks import Classification

TASK = Classification(("a", "b"))
LABELS = torch.arange(40) % 2


def probabilities(right: int, confidence: float = 0.99) -> Tensor:
    """Probabilities (40, 2): the first `right` predictions are right, the others are wrong."""
    predicted = torch.where(torch.arange(40) < right, LABELS, 1 - LABELS)
    return torch.nn.functional.one_hot(predicted, 2) * (2 * confidence - 1) + 1 - confidence


def outputs(route: Route, target: Tensor, score: float, held_out: Tensor | None = None) -> RouteOutputs:
    return RouteOutputs(route, CandidateOutputs(target, probabilities(40) if held_out is None else held_out), score)


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


@pytest.mark.parametrize(("shares", "harmful"), [((0.95, 0.05), True), ((0.8, 0.2), False)])
def test_an_unbalanced_source_needs_less_evidence_for_a_shift(shares, harmful: bool) -> None:
    """It predicts the rarer class for half of the samples, with an expected error of a quarter."""
    uncertain = outputs(Route(), probabilities(20, 0.75), 0.5, probabilities(30, 0.75))
    found = label_shift_refusals(
        {"plain": uncertain, "dann": outputs(Route(adapt=DANN()), probabilities(40), 0.9)},
        TASK,
        torch.tensor(shares),
        LABELS,
    )
    assert ("dann" in found) == harmful
