"""The losses of the methods that match features, and their gradients, beside a plain form of each paper's equation."""

import pytest
import torch
from torch import Tensor

from synth2real.adapt import AFN, DAN, DAREGRAM, JAN, RSD, DeepCORAL, Objective
from synth2real.data.domains import Unlabelled
from synth2real.tasks import Classification
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model

WEIGHTS = (0.0625, 0.25, 1.0, 4.0, 16.0)  # squared widths of the kernels, in units of the mean squared distance


def norms(x: Tensor, y: Tensor) -> Tensor:
    """AFN, equation 6: each norm should grow by 1."""
    return sum(((z.norm(dim=1) - (z.detach().norm(dim=1) + 1)) ** 2).mean() for z in (x, y))  # type: ignore[return-value]


def covariances(x: Tensor, y: Tensor) -> Tensor:
    """Deep CORAL, equations 1 to 3."""
    first, second = ((z.T @ z - z.sum(0)[:, None] * z.sum(0) / len(z)) / (len(z) - 1) for z in (x, y))
    return ((first - second) ** 2).sum() / (4 * x.shape[1] ** 2)


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """Mean of the Gaussian kernels between all samples of both domains."""
    both = torch.cat([x, y])
    squared = (both[:, None] - both).square().sum(2)
    unit = squared.detach().sum() / (len(both) * (len(both) - 1))
    return torch.stack([torch.exp(-squared / (2 * unit * weight)) for weight in WEIGHTS]).mean(0)


def mmd(values: Tensor, n: int) -> Tensor:
    """The unbiased estimate, over pairs."""
    m = len(values) - n
    within = sum(values[i, j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    other = sum(values[n + i, n + j] for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within + other - 2 * values[:n, n:].mean()  # type: ignore[return-value]


def angles(x: Tensor, y: Tensor) -> Tensor:
    """RSD, equation 4, by singular value decompositions as in the authors' code."""
    bases = [torch.linalg.svd(z.double().T, full_matrices=False).U for z in (x, y)]
    return (1 - torch.linalg.svdvals(bases[0].T @ bases[1]).clamp(max=1) ** 2).sqrt().sum().float()


def inverses(x: Tensor, y: Tensor) -> Tensor:
    """DARE-GRAM, equations 5 to 8, with the pseudo-inverse of the authors' code: both distances with their weights."""
    grams = [torch.cat([torch.ones(len(z), 1), z], 1).double() for z in (x, y)]
    grams = [z.T @ z for z in grams]
    values = [torch.linalg.svdvals(gram) for gram in grams]
    rank = max(int((v.cumsum(0) / v.sum() < 0.99).sum()) + 1 for v in values)
    cuts = [float((v[rank - 1] + v[rank]).detach() / v[0].detach() / 2) for v in values]
    first, second = (torch.linalg.pinv(gram, rtol=cut) for gram, cut in zip(grams, cuts, strict=True))
    cosines = torch.nn.CosineSimilarity(dim=0)(first, second)
    return (0.05 * (1 - cosines).mean() + 0.001 * torch.dist(values[0][:rank], values[1][:rank]) / rank).float()


def expected(method: Objective, source: SourceBatch, target: TargetBatch) -> Tensor:
    """The whole loss, with all weights 1 except for DARE-GRAM's."""
    n = len(source)
    features = method.model.features(torch.cat([source.x, target.x]))
    outputs = method.model.head(features)
    label = torch.nn.functional.cross_entropy(outputs[:n], source.y)
    x, y = features[:n], features[n:]
    if isinstance(method, DAN):
        p = outputs.softmax(1)
        both = kernel(x, y), kernel(p[:n], p[n:])
        return label + (mmd(both[0] * both[1], n) if isinstance(method, JAN) else mmd(both[0], n) + mmd(both[1], n))
    if isinstance(method, RSD | DAREGRAM):
        return label + label.detach() * (angles if isinstance(method, RSD) else inverses)(x, y)
    return label + (norms if isinstance(method, AFN) else covariances)(x, y)


@pytest.mark.parametrize(
    "method",
    [AFN(weight=1), DeepCORAL(weight=1), DAN(), JAN(), RSD(weight=1), DAREGRAM()],
    ids=lambda m: type(m).__name__,
)
def test_loss_and_gradient_are_those_of_the_paper(method: Objective) -> None:
    torch.manual_seed(0)
    method.prepare(Model(Classification(("a", "b", "c")), (4,)), Unlabelled(torch.randn(8, 4)))
    x, y = torch.randn(6, 4), 1.5 * torch.randn(7, 4) + 0.5
    source, target = SourceBatch(x, torch.tensor([0, 1, 2, 0, 1, 2]), x), TargetBatch(y, y, None)
    (update,) = method.updates(source, target, Progress(5, 10))
    assert update.of == (method.model,)
    wanted, parameters = expected(method, source, target), list(method.model.parameters())
    assert update.loss().item() == pytest.approx(wanted.item(), rel=1e-3)
    ours, theirs = (torch.autograd.grad(loss, parameters, allow_unused=True) for loss in (update.loss(), wanted))
    for gradient, other in zip(ours, theirs, strict=True):
        assert gradient is not None
        torch.testing.assert_close(gradient, other, atol=2e-4 * float(other.abs().max()) + 1e-7, rtol=2e-2)
