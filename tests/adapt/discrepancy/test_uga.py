"""UGA: the likelihood, the penalty and the mixing, beside plain forms; and the schedule of the alignment."""

import pytest
import torch

from synth2real.adapt.discrepancy.uga import UGA, Uncertainty, evidential_losses, mix_similar, uncertainty_of
from synth2real.data.domains import Unlabelled
from synth2real.tasks import Gaze
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model


def drawn(count: int) -> Uncertainty:
    return uncertainty_of(torch.randn(count, 3, generator=torch.Generator().manual_seed(0)))


def prepared(**settings: float) -> UGA:
    method = UGA(**settings)
    method.prepare(Model(Gaze(), (4,)), Unlabelled(torch.randn(8, 4)))
    return method


def batches(n: int = 6) -> tuple[SourceBatch, TargetBatch]:
    x, y = torch.randn(n, 4), torch.randn(n + 1, 4)
    return SourceBatch(x, 0.1 * torch.randn(n, 2), x), TargetBatch(y, y, None)


def test_the_loss_is_a_student_likelihood_and_a_penalty_on_evidence_for_errors() -> None:
    error, (v, alpha, beta) = torch.linspace(-2, 2, 20), drawn(20)
    student = torch.distributions.StudentT(2 * alpha, 0.0, (beta * (1 + v) / (v * alpha)).sqrt())
    expected = error.abs() * (2 * v + alpha) - student.log_prob(error)
    torch.testing.assert_close(evidential_losses(error.square(), Uncertainty(v, alpha, beta)), expected)


def test_the_parameters_are_in_their_ranges_for_any_outputs() -> None:
    v, alpha, beta = uncertainty_of(torch.tensor([[-1e4, -1e4, -1e4], [0.0, 0.0, 0.0], [1e4, 1e4, 1e4]]))
    assert (v > 0).all()
    assert (alpha > 1).all()
    assert (beta > 0).all()
    squared = torch.tensor([0.0, 1.0, 1e4], requires_grad=True)
    losses = evidential_losses(squared, Uncertainty(v, alpha, beta))
    (gradient,) = torch.autograd.grad(losses.sum(), squared)
    assert losses.isfinite().all()
    assert gradient.isfinite().all()
    assert (gradient > 0).all(), "the likelihood falls with the error"


def test_an_uncertain_prediction_is_right_where_the_error_is_large() -> None:
    sure, unsure = (Uncertainty(*torch.tensor([[v], [1.5], [beta]])) for v, beta in ((5.0, 0.01), (0.1, 1.0)))
    small, large = torch.tensor([1e-4]), torch.tensor([4.0])
    assert evidential_losses(small, sure) < evidential_losses(small, unsure)
    assert evidential_losses(large, sure) > evidential_losses(large, unsure)


def test_partners_have_similar_labels() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([[0.0], [10.0], [20.0], [0.1], [10.1], [20.1]])
    mixed = mix_similar(10 * labels, labels, 3, 0.01)
    torch.testing.assert_close(mixed, 10 * labels[3:], atol=1.0, rtol=0)
    far = torch.cat([mix_similar(labels, labels, 3, 100.0) for _ in range(20)])
    assert (far - labels[3:].repeat(20, 1)).abs().max() > 2, "with a wide kernel any sample is a partner"
    assert (far >= 0).all()
    assert (far <= 20.1).all()


def test_mixing_reaches_the_features_of_both_partners_and_equal_labels_are_served() -> None:
    torch.manual_seed(0)
    features = torch.randn(40, 2, requires_grad=True)
    mixed = mix_similar(features, torch.ones(40, 3), 20, 0.2)
    (gradient,) = torch.autograd.grad(mixed.sum(), features)
    assert (gradient[20:] > 0).all()
    assert (gradient[:20] > 0).any()


def test_the_alignment_rises_from_zero() -> None:
    method = prepared(weight=3.0)
    source, target = batches()
    (start,) = method.updates(source, target, Progress(0, 10))
    (end,) = method.updates(source, target, Progress(9, 10))
    label = end.terms["label"][1].item()
    assert float(start.terms["mmd"][0]) == 0
    assert float(end.terms["mmd"][0]) == pytest.approx(3 * label, rel=1e-3)
    assert end.of == (method.model, method.networks["uncertainty"])


def test_a_sample_without_a_label_says_nothing_about_uncertainty() -> None:
    method = prepared()
    source, target = batches()
    alone = SourceBatch(source.x[:4], source.y[:4], source.x[:4])
    source.y[4:] = torch.nan
    with_unknown, without = (next(method.updates(one, target, Progress(5, 10))) for one in (source, alone))
    expected = without.terms["evidence"][1].item()
    assert with_unknown.terms["evidence"][1].item() == pytest.approx(expected, rel=1e-5)
