"""Losses of adaptation methods, each as the formula of its paper in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def entropy(probabilities: Tensor) -> Tensor:
    return -(probabilities * probabilities.clamp(min=1e-12).log()).sum(1)


def coral(x: Tensor, y: Tensor) -> Tensor:
    """Squared distance of the covariances, divided by 4 F^2."""
    with torch.autocast(x.device.type, enabled=False):
        return (torch.cov(x.float().T) - torch.cov(y.float().T)).square().sum() / (4 * x.shape[1] ** 2)


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """Mean of five Gaussian kernels between all samples of both domains, (N + M, N + M)."""
    both = torch.cat([x, y]).float()
    with torch.autocast(x.device.type, enabled=False):
        squares = both.square().sum(1)
        squared = (squares[:, None] + squares - 2 * both @ both.T).clamp(min=0)
    count = len(both)
    unit = (squared.detach().sum() / (count * (count - 1))).clamp(min=1e-12)
    return torch.stack([torch.exp(squared / (-2 * unit * width**2)) for width in (0.25, 0.5, 1, 2, 4)]).mean(0)


def unbiased(kernels: Tensor, n: int) -> Tensor:
    """Squared MMD of the first n samples and the others."""
    m = len(kernels) - n
    within, other = kernels[:n, :n], kernels[n:, n:]
    one = (within.sum() - within.trace()) / (n * (n - 1))
    return one + (other.sum() - other.trace()) / (m * (m - 1)) - 2 * kernels[:n, n:].mean()


def mmd(x: Tensor, y: Tensor) -> Tensor:
    return unbiased(kernel(x, y), len(x))


def joint_mmd(xs: list[Tensor], ys: list[Tensor]) -> Tensor:
    """Squared MMD with the product of the kernels of two layers."""
    return unbiased(kernel(xs[0], ys[0]) * kernel(xs[1], ys[1]), len(xs[0]))


def stepwise(features: Tensor) -> Tensor:
    """Each norm should grow by 1."""
    norms = features.float().norm(dim=1)
    missing: Tensor = norms.detach() + 1 - norms
    return missing.square().mean()


def confusion(outputs: Tensor) -> Tensor:
    """Minimum class confusion, with temperature 2.5."""
    predicted = (outputs / 2.5).softmax(1)
    weights = 1 + torch.exp(-entropy(predicted.detach()))
    together = predicted.T @ (weights[:, None] / weights.mean() * predicted)
    shares = together / together.sum(1, keepdim=True).clamp(min=1e-12)
    return 1 - shares.diagonal().mean()


def margin_disparity(known: Tensor, predicted: Tensor, unknown: Tensor, claimed: Tensor) -> Tensor:
    """The adversary of MDD, with a margin of 4."""
    others = unknown.scatter(1, claimed[:, None], -torch.inf).logsumexp(1)
    return 4 * F.cross_entropy(known, predicted) + (unknown.logsumexp(1) - others).mean()


def subspace_distance(x: Tensor, y: Tensor) -> Tensor:
    """Sum of the sines of the principal angles between the spans of both batches."""
    bases = []
    for batch in (x.double(), y.double()):
        gram = batch @ batch.T
        energy = gram.diagonal().detach().mean().clamp(min=1e-12)
        lower = torch.linalg.cholesky(gram + 1e-6 * energy * torch.eye(len(batch), dtype=batch.dtype))
        bases.append(torch.linalg.solve_triangular(lower, batch, upper=False))
    cosines = torch.linalg.svdvals(bases[0] @ bases[1].T).clamp(max=1)
    sines: Tensor = (1 - cosines.square()).clamp(min=1e-8).sqrt()
    return sines.sum().float()


def gram_distances(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of the inverse Gram matrices in angle and scale, in the directions with 99 % of the energy."""
    grams = [z.T @ z for z in (F.pad(z.double(), (1, 0), value=1.0) for z in (x, y))]
    values = [torch.linalg.eigvalsh(gram).flip(0) for gram in grams]
    with torch.no_grad():
        rank = max(int((value.cumsum(0) / value.sum() < 0.99).sum()) + 1 for value in values)
        limits = [max(float(F.pad(v, (0, 1))[rank - 1 : rank + 1].mean() / v[0]), 1e-6) for v in values]
    one, other = (torch.linalg.pinv(g, rtol=limit, hermitian=True) for g, limit in zip(grams, limits, strict=True))
    angle = (1 - F.cosine_similarity(one, other, dim=0)).mean()
    return angle.float(), ((values[0][:rank] - values[1][:rank]).norm() / rank).float()
