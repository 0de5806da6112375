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


def gradients(loss: torch.Tensor, *networks: torch.nn.Module) -> list[torch.Tensor]:
    """Gradients of a loss with respect to the parameters of some networks."""
    parameters = [p for network in networks for p in network.parameters()]
    return list(torch.autograd.grad(loss, parameters, retain_graph=True))


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


def test_cdan_has_the_loss_and_the_reversed_gradient_of_the_papers_equation() -> None:
    method = prepared(CDAN(weight=0.5, dropout=0.0))
    source, target = batches()
    (update,) = method.updates(source, target, Progress(5, 10))
    features = method.model.features(torch.cat([source.x, target.x]))
    outputs = method.model.head(features)
    g = outputs.detach().softmax(1)
    seen = torch.stack([torch.outer(f, p).flatten() for f, p in zip(features, g, strict=True)])
    w = 1 + torch.exp((g * g.log()).sum(1))
    probability = torch.sigmoid(method.domain_critic(seen)).flatten()
    cost = -torch.log(torch.cat([probability[:6], 1 - probability[6:]]))
    domain = ((w * cost)[:6].sum() / w[:6].sum() + (w * cost)[6:].sum() / w[6:].sum()) / 2
    label = F.cross_entropy(outputs[:6], source.y)
    strength = 0.5 * (2 / (1 + math.exp(-10 * 0.5)) - 1)
    assert update.terms["domain"][1].item() == pytest.approx(domain.item(), rel=1e-5)
    model, critic = (gradients(update.loss(), network) for network in (method.model, method.domain_critic))
    wanted = gradients(label - strength * domain, method.model)
    torch.testing.assert_close(model, wanted, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(critic, gradients(domain, method.domain_critic), atol=1e-6, rtol=1e-4)


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


def test_mdd_has_the_gradients_of_the_papers_minimax() -> None:
    method = prepared(MDD(margin=3.0, weight=0.2))
    source, target = batches()
    features = method.model.features(torch.cat([source.x, target.x]))
    outputs, against = method.model.head(features), method.adversary(features)
    said = outputs.argmax(1)
    p = against.softmax(1).gather(1, said[:, None]).flatten()
    disparity = -3 * torch.log(p[:6]).mean() - torch.log(1 - p[6:]).mean()
    strength = 0.2 * (2 / (1 + math.exp(-10 * 0.5)) - 1)
    wanted = F.cross_entropy(outputs[:6], source.y) - strength * disparity
    (update,) = method.updates(source, target, Progress(5, 10))
    model, adversary = (gradients(update.loss(), network) for network in (method.model, method.adversary))
    torch.testing.assert_close(model, gradients(wanted, method.model), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(adversary, gradients(disparity, method.adversary), atol=1e-6, rtol=1e-4)


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
    assert games[1].terms["disagree"][0] == -2
    assert games[2].terms["agree"][1].item() == pytest.approx(apart.item())
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


def test_the_three_losses_of_mcd_are_the_papers() -> None:
    """Sums of the losses of both classifiers, minus the mean distance on the target in part B, and this alone in C."""
    method = prepared(MCD(generator_steps=1, weight=1))
    source, target = batches()
    a, b, c = method.updates(source, target, Progress(0, 10))
    networks = method.features, method.first, method.second

    def losses() -> tuple[torch.Tensor, torch.Tensor]:
        ours, theirs = method.features(source.x), method.features(target.x)
        one, two = (net(theirs).softmax(1) for net in networks[1:])
        label = sum(F.nll_loss(net(ours).log_softmax(1), source.y) for net in networks[1:])
        return torch.as_tensor(label), (one - two).abs().sum(1).mean() / 3

    label, distance = losses()
    torch.testing.assert_close(gradients(a.loss(), *networks), gradients(label, *networks))
    label, distance = losses()
    assert b.loss().item() == pytest.approx((label - distance).item(), rel=1e-5)
    torch.testing.assert_close(gradients(b.loss(), *networks[1:]), gradients(label - distance, *networks[1:]))
    _, distance = losses()
    torch.testing.assert_close(gradients(c.loss(), networks[0]), gradients(distance, networks[0]))


def test_the_distance_of_classifiers_is_not_rounded_to_bfloat16() -> None:
    one = torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16)
    other = torch.tensor([[0.0, 1.0078125]], dtype=torch.bfloat16)  # the next number of bfloat16
    expected = discrepancy(one.float(), other.float())
    assert discrepancy(one, other).item() == pytest.approx(expected.item(), rel=1e-6)
    known = torch.zeros(1, 2, dtype=torch.bfloat16)
    claimed = torch.tensor([0])
    exact = margin_disparity(known.float(), claimed, one.float(), claimed, 4.0)
    assert margin_disparity(known, claimed, one, claimed, 4.0).item() == pytest.approx(exact.item(), rel=1e-6)


def test_adda_has_the_losses_of_its_second_phase() -> None:
    method = prepared(ADDA(pretrain=0.5))
    source, target = batches()
    critic, encoder = method.updates(source, target, Progress(5, 10))
    assert (method.model.features.training, method.encoder.training) == (False, True)
    with torch.no_grad():
        ours, theirs = method.model.features(source.x), method.encoder(target.x)
    probability = torch.sigmoid(method.domain_critic(torch.cat([ours, theirs]))).flatten()
    wanted = -(probability[:6].log().sum() + (1 - probability[6:]).log().sum()) / 12
    assert critic.loss().item() == pytest.approx(wanted.item(), rel=1e-5)
    assert encoder.loss().item() == pytest.approx(-probability[6:].log().mean().item(), rel=1e-5)


def test_adda_ships_the_encoder_that_follows_until_its_own_phase() -> None:
    method = prepared(ADDA(pretrain=0.5))
    source, target = batches()
    learning = method.updates(source, target, Progress(4, 10))
    assert next(learning).of == (method.model,)
    with torch.no_grad():
        next(method.model.features.parameters()).add_(1)  # the step that the loop takes
    assert next(learning, None) is None
    shipped = method.latest()
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
