"""COD: its two distances, beside a plain form of the operators that they compare."""

import pytest
import torch
from torch import Tensor

from synth2real.adapt.discrepancy.cod import COD, conditional_discrepancy, wasserstein
from synth2real.data.domains import Unlabelled
from synth2real.measure.discrepancies import kernel
from synth2real.tasks import Classification, Gaze, Regression
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model

N, M, RIDGE = 7, 9, 0.05


def embedded(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors whose inner products are a kernel matrix: rows of both samples."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()).split([N, M])


def root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def bures(ours: Tensor, theirs: Tensor) -> Tensor:
    """Squared Bures distance of two covariances."""
    half = root(ours)
    return (ours.trace() + theirs.trace() - 2 * root(half @ theirs @ half).trace()).clamp(min=0)


def covariance(x: Tensor, y: Tensor) -> Tensor:
    return (x - x.mean(0)).T @ (y - y.mean(0)) / len(x)


def given(z: Tensor, y: Tensor) -> Tensor:
    """Covariance of z given y, with a ridge."""
    inverse = torch.linalg.inv(covariance(y, y) + RIDGE * torch.eye(y.shape[1]).double())
    return covariance(z, z) - covariance(z, y) @ inverse @ covariance(y, z)


def mean_operator(z: Tensor, y: Tensor) -> Tensor:
    """The linear map from a label to the mean of the features."""
    return z.T @ y / len(z) @ torch.linalg.inv(y.T @ y / len(y) + RIDGE * torch.eye(y.shape[1]).double())


def samples() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    y = torch.randn(N + M, 2).double()
    z = torch.cat([y, y.square(), torch.randn(N + M, 3)], 1)
    z[N:] += 0.5 * y[N:, :1]
    return z, y


def test_the_distances_are_those_of_the_operators() -> None:
    z, y = samples()
    features, labels = kernel(z), kernel(y)
    (ours, theirs), (known, guessed) = embedded(features), embedded(labels)
    apart = (mean_operator(ours, known) - mean_operator(theirs, guessed)).square().sum()
    expected = apart + bures(given(ours, known), given(theirs, guessed))
    assert conditional_discrepancy(features, labels, N, RIDGE).item() == pytest.approx(expected.item(), rel=1e-4)
    marginal = (ours.mean(0) - theirs.mean(0)).square().sum()
    marginal = marginal + bures(covariance(ours, ours), covariance(theirs, theirs))
    assert wasserstein(features, N).item() == pytest.approx(marginal.item(), rel=1e-4)


def test_equal_samples_are_at_no_distance_in_any_order() -> None:
    z, y = samples()
    order = torch.randperm(N)
    features = kernel(torch.cat([z[:N], z[:N][order]]))
    labels = kernel(torch.cat([y[:N], y[:N][order]]))
    assert wasserstein(features, N).item() == pytest.approx(0, abs=1e-9)
    assert conditional_discrepancy(features, labels, N, RIDGE).item() == pytest.approx(0, abs=1e-9)


def test_equal_features_with_other_labels_are_at_a_distance_given_the_labels() -> None:
    z, y = samples()
    features = kernel(torch.cat([z[:N], z[:N]]))
    labels = kernel(torch.cat([y[:N], y[:N].flip(0)]))
    assert wasserstein(features, N).item() == pytest.approx(0, abs=1e-9)
    assert conditional_discrepancy(features, labels, N, RIDGE).item() > 0.1


def test_a_step_against_the_gradient_lowers_the_distance() -> None:
    z, y = samples()
    labels = kernel(y)
    theirs = z[N:].clone().requires_grad_()

    def distance(moved: Tensor) -> Tensor:
        return conditional_discrepancy(kernel(torch.cat([z[:N], moved])), labels, N, RIDGE)

    before = distance(theirs)
    (gradient,) = torch.autograd.grad(before, theirs)
    assert gradient.isfinite().all()
    assert distance(theirs - 0.1 * gradient / gradient.norm()) < before


def test_gradients_are_finite_for_features_and_labels_that_repeat() -> None:
    x = torch.zeros(N + M, 3, dtype=torch.float64, requires_grad=True)
    features, labels = kernel(x), kernel(torch.ones(N + M, 2).double())
    loss = wasserstein(features, N) + conditional_discrepancy(features, labels, N, RIDGE)
    (gradient,) = torch.autograd.grad(loss, x)
    assert gradient.isfinite().all()


def prepared(task: Regression | Gaze | Classification, **settings: float) -> COD:
    method = COD(**settings)
    method.prepare(Model(task, (4,)), Unlabelled(torch.randn(8, 4)))
    return method


def test_labels_of_both_domains_are_in_units_of_the_source_s_spread() -> None:
    torch.manual_seed(0)
    outputs, y = torch.randn(13, 2), torch.randn(6, 2)
    first, second = (
        prepared(Regression(("a", "b"), (0.0, 0.0), (1.0, unit))).labels(y * torch.tensor([1.0, unit]), outputs)
        for unit in (1.0, 1000.0)
    )
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first[:6].std(0), torch.ones(2).double())


def test_an_unknown_label_is_replaced_by_the_prediction() -> None:
    outputs, y = torch.randn(9, 3), 0.1 * torch.randn(5, 2)
    y[1] = torch.nan
    method = prepared(Gaze())
    labels = method.labels(y, outputs)
    assert labels.isfinite().all()
    known = method.labels(torch.where(y.isfinite(), y, method.task.predict(outputs)[:5]), outputs)
    torch.testing.assert_close(labels, known)


def test_classes_are_compared_by_their_shares() -> None:
    labels = prepared(Classification(("a", "b", "c"))).labels(torch.tensor([0, 1, 2, 1]), torch.zeros(7, 3))
    assert labels.shape == (7, 3)
    torch.testing.assert_close(labels[1], labels[3])


def test_predictions_serve_as_labels_after_the_warmup() -> None:
    torch.manual_seed(0)
    method = prepared(Regression(("a",), (0.0,), (1.0,)), weight=2.0, warmup=0.4)
    x, y = torch.randn(6, 4), torch.randn(7, 4)
    source, target = SourceBatch(x, x[:, :1], x), TargetBatch(y, y, None)
    early, late = (next(method.updates(source, target, Progress(step, 10))) for step in (3, 4))
    assert early.terms["conditional"][0] == 0
    assert late.terms["conditional"][0] == 2
    assert early.terms["conditional"][1].item() > 0
