"""Adversaries beside DANN: CDAN's map and weights, MDD's margin, MCD's three games, ADDA's two phases."""

import math

import pytest
import torch
from torch.nn import functional as F

from synth2real.adapt import ADDA, CDAN, MCD, MDD, Objective
from synth2real.adapt.adversarial.cdan import Multilinear
from synth2real.adapt.adversarial.mcd import discrepancy
from synth2real.adapt.adversarial.mdd import margin_disparity
from synth2real.adapt.shared.reversal import domain_loss
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.tasks import Classification, Keypoints
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model


def prepared(method: Objective) -> Objective:
    method.prepare(Model(Classification(("a", "b", "c")), (4,)), Unlabelled(torch.randn(8, 4)))
    return method


def batches() -> tuple[SourceBatch, TargetBatch]:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return SourceBatch(x, torch.tensor([0, 1, 2, 0, 1, 2]), x), TargetBatch(x + 1, x + 1, None)


def test_the_multilinear_map_is_the_outer_product() -> None:
    features, predictions = torch.randn(5, 4), torch.rand(5, 3)
    made = Multilinear(4, 3, most=12)(features, predictions)
    expected = torch.stack([torch.outer(f, p).flatten() for f, p in zip(features, predictions, strict=True)])
    torch.testing.assert_close(made, expected)


def test_a_random_map_keeps_inner_products_of_the_outer_products() -> None:
    torch.manual_seed(0)
    features, predictions = torch.randn(4, 6), torch.rand(4, 5).softmax(1)
    exact, random = Multilinear(6, 5, most=30), Multilinear(6, 5, most=29)
    assert (exact.width, random.width) == (30, 29)
    wide = torch.cat([Multilinear(6, 5, most=29)(features, predictions) for _ in range(4000)], dim=1) / 4000**0.5
    both = exact(features, predictions)
    torch.testing.assert_close(wide @ wide.T, both @ both.T, atol=0.05, rtol=0.1)


def test_plain_predictions_weigh_more_and_the_domains_stay_balanced() -> None:
    plain, open_ = [1.0, 0.0], [0.5, 0.5]
    weights = CDAN().emphasis(torch.tensor([plain, open_, open_, open_]), sources=2)
    assert (weights[0] / weights[1]).item() == pytest.approx(2 / 1.5)
    assert weights[2:].tolist() == pytest.approx([1, 1])
    assert weights[:2].mean().item() == pytest.approx(1)


def test_domain_loss_of_a_critic_that_does_not_know_and_of_one_that_does() -> None:
    assert domain_loss(torch.zeros(4, 1), 2).item() == pytest.approx(math.log(2))
    assert domain_loss(torch.tensor([[50.0], [-50.0]]), 1).item() == pytest.approx(0, abs=1e-6)
    weighed = domain_loss(torch.tensor([[0.0], [-50.0]]), 1, torch.tensor([2.0, 0.0]))
    assert weighed.item() == pytest.approx(math.log(2))


def test_margin_disparity_is_the_papers_sum_and_is_least_at_its_margin() -> None:
    known, unknown = torch.randn(4, 3), torch.randn(5, 3)
    said, claimed = torch.tensor([0, 1, 2, 0]), torch.tensor([2, 1, 0, 0, 1])
    p = unknown.softmax(1).gather(1, claimed[:, None])
    expected = 4 * F.cross_entropy(known, said) - torch.log(1 - p).mean()
    assert margin_disparity(known, said, unknown, claimed, 4.0).item() == pytest.approx(expected.item(), rel=1e-5)
    logit = torch.linspace(-4, 6, 2001)  # domains alike, the same probability here and there
    one = torch.tensor([0])
    values = [margin_disparity(z := torch.tensor([[v, 0.0]]), one, z, one, 4.0).item() for v in logit.tolist()]
    best = torch.sigmoid(logit[torch.tensor(values).argmin()])
    assert best.item() == pytest.approx(4 / 5, abs=2e-3)


def test_margin_disparity_stays_finite_if_the_adversary_is_certain() -> None:
    unknown = torch.tensor([[200.0, 0.0]], requires_grad=True)
    loss = margin_disparity(torch.zeros(1, 2), torch.tensor([0]), unknown, torch.tensor([0]), 1.0)
    loss.backward()
    assert loss.item() == pytest.approx(200 + math.log(2))
    assert unknown.grad is not None
    assert unknown.grad.tolist() == [[1.0, -1.0]]


def test_discrepancy_of_equal_and_of_opposite_classifiers() -> None:
    one = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
    assert discrepancy(one, one) == 0
    assert discrepancy(one, one.flip(1)).item() == pytest.approx(1)


def test_the_three_games_train_the_networks_of_the_paper() -> None:
    method = prepared(MCD(generator_steps=2))
    games = list(method.updates(*batches(), Progress(0, 10)))
    features, first, second = method.features, method.first, method.second
    assert [algorithm.of for algorithm in games] == [
        (features, first, second),
        (first, second),
        (features,),
        (features,),
    ]
    apart = method.apart(features(batches()[1].x))
    assert games[1].terms["disagree"][0] == -1
    assert games[2].terms["agree"][1].item() == pytest.approx(apart.item())
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


def test_adda_ships_the_encoder_that_follows_until_its_own_phase() -> None:
    method = prepared(ADDA(pretrain=0.5))
    source, target = batches()
    learning = method.updates(source, target, Progress(4, 10))
    assert next(learning).of == (method.model,)
    with torch.no_grad():
        next(method.model.features.parameters()).add_(1)  # the step that the loop takes
    assert next(learning, None) is None
    shipped = method.shipped()
    assert torch.equal(shipped(target.x), method.model(target.x))
    critic, encoder = method.updates(source, target, Progress(5, 10))
    assert (critic.of, encoder.of) == ((method.domain_critic,), (shipped.features,))
    with torch.no_grad():
        next(shipped.features.parameters()).add_(1)
    assert not torch.equal(shipped(target.x), method.model(target.x))
    assert shipped.head is method.model.head


def test_addas_schedule_starts_anew_at_a_share_of_the_rate() -> None:
    method = ADDA(pretrain=0.5, ratio=0.1, rate=0.01, schedule="constant")
    assert [method.learning_rate(Progress(step, 10)) for step in (0, 4, 5, 9)] == pytest.approx(
        [0.01] * 2 + [0.001] * 2
    )
    method = ADDA(pretrain=0.5, ratio=0.5, rate=0.01)
    assert method.learning_rate(Progress(700, 1000)) == pytest.approx(0.5 * method.learning_rate(Progress(200, 1000)))


@pytest.mark.parametrize("method", [CDAN(), MCD(), MDD()])
def test_methods_for_classes_refuse_points(method: Objective) -> None:
    model = Model(Keypoints(("x", "y"), (16, 16)), (1, 16, 16))
    expected = rf"adapt: {type(method).__name__} needs classes, since it .*; found the task keypoints\. Choose a method"
    with pytest.raises(InputError, match=expected):
        method.prepare(model, Unlabelled(torch.rand(4, 1, 16, 16)))
