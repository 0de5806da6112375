"""Two-sample distances between domains, on features (N, F). No labels are used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..data.groups import Groups, halves, of_samples
from . import discrepancies


def mmd(x: Tensor, y: Tensor, bandwidth: float | None = None) -> float:
    """Squared maximum mean discrepancy: unbiased estimate, with the mean of Gaussian kernels of five widths.

    Args:
        x, y: (N, F) and (M, F) float32, two samples or more each.
        bandwidth: unit of the kernel widths. The default is the median distance within `y`. Use a fixed value to
            compare results.

    Returns:
        The estimate, at most 2. Its expected value is 0 if both come from one distribution, so it may be slightly
        negative.

    References:
        Gretton, Borgwardt, Rasch, Schoelkopf & Smola (2012). A kernel two-sample test. JMLR 13.
    """
    unit = median_distance(y) if bandwidth is None else bandwidth
    return float(discrepancies.mmd(x, y, unit))


def kernel_distance(x: Tensor, y: Tensor, unit: float = 1.0) -> float:
    """Squared maximum mean discrepancy: unbiased estimate, with the cubic kernel (x y / F + 1) ** 3.

    On features of a network it is the kernel inception distance (KID). The paper uses the Inception network. Here any
    model can be used.

    Args:
        x, y: (N, F) and (M, F) float32, two samples or more each.
        unit: both are divided by it. Use the `root_mean_square` of one of them, because the kernel is cubic and
            features can have any scale.

    Returns:
        The estimate. Its expected value is 0 if both come from one distribution, so it may be slightly negative.

    References:
        Binkowski, Sutherland, Arbel & Gretton (2018). Demystifying MMD GANs. ICLR. arXiv:1801.01401.
    """
    both = torch.cat([x, y]).double() / unit
    return float(discrepancies.unbiased((both @ both.T / both.shape[1] + 1) ** 3, len(x)))


def root_mean_square(x: Tensor) -> float:
    """Root mean square of all elements of (N, F), at least 1e-6."""
    return max(float(x.square().mean().sqrt()), 1e-6)


def median_distance(x: Tensor) -> float:
    """Median Euclidean distance between two samples of (N, F), at least 1e-6. Only the first 1000 samples are used."""
    x = x[:1000]
    return max(float(torch.pdist(x).median()), 1e-6)


def sliced_wasserstein(x: Tensor, y: Tensor, directions: int = 128, seed: int = 0) -> float:
    """Sliced Wasserstein-1 distance, in units of x.

    It is the mean Wasserstein-1 distance between the projections on random directions.

    Args:
        x, y: (N, F) and (M, F) float32.
        directions: number of unit vectors, sampled with `seed`.

    References:
        Rabin, Peyre, Delon & Bernot (2011). Wasserstein barycenter and its application to texture mixing.
    """
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(x.shape[1], directions, generator=generator)
    vectors = vectors / vectors.norm(dim=0)
    levels = (torch.arange(256) + 0.5) / 256
    quantiles = [torch.quantile(z @ vectors, levels, dim=0) for z in (x, y)]
    return float((quantiles[0] - quantiles[1]).abs().mean())


def coral(x: Tensor, y: Tensor) -> float:
    """CORAL distance: squared Frobenius distance between the covariances, divided by 4 F^2 (Sun & Saenko 2016)."""
    return float(discrepancies.coral(x, y))


def proxy_a_distance(
    x: Tensor, y: Tensor, seed: int = 0, most: int = 1000, groups: tuple[Groups, Groups] = (None, None)
) -> float:
    """Proxy A-distance: 2 (1 - 2 error), with the error of the best linear domain classifier.

    It is 0 if both domains have one distribution, and 2 if a linear classifier separates them without error. Half of
    the samples train linear support vector machines with several values of C. The other half measures their errors.
    The number of samples is the same for both domains.

    Args:
        x, y: (N, F) and (M, F) float32 features, ten samples or more each.
        seed: seed of the split into halves.
        most: maximum number of samples per domain.
        groups: groups of the samples of `x` and of `y`, (N,) and (M,) int64, for samples that come in sequences. Each
            group is on one side of the split only, unless one side would get less than a quarter of the samples.

    References:
        Ben-David, Blitzer, Crammer & Pereira (2007); as defined by Ganin et al. (2016), JMLR 17(59), section 5.1.5.
    """
    from sklearn.svm import LinearSVC

    count = min(len(x), len(y), most) // 2 * 2
    generator = torch.Generator().manual_seed(seed)

    def split(z: Tensor, of: Groups) -> Sequence[Tensor]:
        order = torch.randperm(len(z), generator=generator)[:count]
        parts = halves(count, of_samples(of, order), count / 4, seed) or torch.arange(count).chunk(2)
        return [z[order[part]] for part in parts]

    both = [
        (ours[: len(theirs)], theirs[: len(ours)])
        for ours, theirs in zip(split(x, groups[0]), split(y, groups[1]), strict=True)
    ]
    seen = torch.cat([torch.cat(half) for half in both])
    mean, std = seen.mean(0), seen.std(0).clamp(min=1e-6)
    train, test = (((torch.cat(half) - mean) / std).numpy() for half in both)
    domains, truth = (np.repeat([0, 1], len(half[0])) for half in both)
    errors = []
    for penalty in (1e-4, 1e-3, 1e-2, 1e-1):
        machine = LinearSVC(C=penalty, dual=False, random_state=seed).fit(train, domains)
        errors.append(float(np.mean(machine.predict(test) != truth)))
    return max(0.0, 2 * (1 - 2 * min(errors)))


def classifier_distance(x: Tensor, y: Tensor, seed: int = 0) -> float:
    """Classifier two-sample test with a linear discriminant: 0 if it cannot separate the samples, 1 if it always can.

    Half of the samples fit the discriminant, with a shrunk covariance. The other half measure its AUC. Then the halves
    are exchanged. The result is |2 AUC - 1|, with the mean of both AUCs. It changes smoothly with the samples.

    Args:
        x, y: (N, F) and (M, F) float32, four samples or more each.
        seed: seed of the split into halves.

    References:
        Lopez-Paz & Oquab (2017). Revisiting classifier two-sample tests. ICLR. arXiv:1610.06545.
    """
    generator = torch.Generator().manual_seed(seed)
    halves = [z[torch.randperm(len(z), generator=generator)].double().chunk(2) for z in (x, y)]
    found = []
    for fit, test in ((0, 1), (1, 0)):
        a, b = (half[fit] for half in halves)
        covariance = torch.cov(a.T) + torch.cov(b.T)
        shrunk = covariance + torch.eye(len(covariance), dtype=torch.float64) * covariance.diagonal().mean() * 0.1
        direction = torch.linalg.solve(shrunk, a.mean(0) - b.mean(0))
        scores = [half[test] @ direction for half in halves]
        above = (scores[0][:, None] - scores[1]).sign().mean()
        found.append(float(above))
    return abs(sum(found)) / len(found)
