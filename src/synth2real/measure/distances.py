"""Two-sample distances between domains, on features (N, F). None of them reads a label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..data.groups import Groups, halves, of_samples
from . import discrepancies


def mmd(x: Tensor, y: Tensor, bandwidth: float | None = None) -> float:
    """Squared maximum mean discrepancy, the unbiased estimate, by the mean of Gaussian kernels of five widths.

    Args:
        x, y: (N, F) and (M, F) float32, two samples or more each.
        bandwidth: the unit of the widths; the median distance within `y` by default. Fix it where values are compared.

    Returns:
        0 in expectation where both come from one distribution (so it may be slightly below), at most 2.

    References:
        Gretton, Borgwardt, Rasch, Schoelkopf & Smola (2012). A kernel two-sample test. JMLR 13.
    """
    unit = median_distance(y) if bandwidth is None else bandwidth
    return float(discrepancies.mmd(x, y, unit))


def kernel_distance(x: Tensor, y: Tensor, unit: float = 1.0) -> float:
    """Squared maximum mean discrepancy, the unbiased estimate, by the cubic kernel (x y / F + 1) ** 3.

    On features of a network it is the KID, kernel inception distance, of the domains; that of the Inception network in
    the paper, of any model here.

    Args:
        x, y: (N, F) and (M, F) float32, two samples or more each.
        unit: what both are divided by, one's `root_mean_square`: the kernel is cubic, a network has any scale.

    Returns:
        0 in expectation where both come from one distribution (so it may be slightly below).

    References:
        Binkowski, Sutherland, Arbel & Gretton (2018). Demystifying MMD GANs. ICLR. arXiv:1801.01401.
    """
    both = torch.cat([x, y]).double() / unit
    return float(discrepancies.unbiased((both @ both.T / both.shape[1] + 1) ** 3, len(x)))


def root_mean_square(x: Tensor) -> float:
    """Root mean square of (N, F), at least 1e-6."""
    return max(float(x.square().mean().sqrt()), 1e-6)


def median_distance(x: Tensor) -> float:
    """Median Euclidean distance between two different samples of (N, F), at least 1e-6."""
    x = x[:1000]
    return max(float(torch.pdist(x).median()), 1e-6)


def sliced_wasserstein(x: Tensor, y: Tensor, directions: int = 128, seed: int = 0) -> float:
    """Sliced Wasserstein-1 distance: the mean over random directions of that between the projections, in units of x.

    Args:
        x, y: (N, F) and (M, F) float32.
        directions: unit vectors drawn from `seed`.

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
    """CORAL distance: squared Frobenius distance of the covariances over 4 F^2 (Sun & Saenko 2016)."""
    return float(discrepancies.coral(x, y))


def proxy_a_distance(
    x: Tensor, y: Tensor, seed: int = 0, most: int = 1000, groups: tuple[Groups, Groups] = (None, None)
) -> float:
    """Proxy A-distance, 2 (1 - 2 error) of the best linear domain classifier: 0 for one distribution, 2 for two apart.

    Half of the samples train linear support vector machines over a range of C, the other half measures their error;
    the split is fixed by `seed`. It is computed on equally many samples of each domain.

    Args:
        x, y: (N, F) and (M, F) float32 features, ten samples or more each.
        most: samples taken of each domain.
        groups: of the samples of `x` and of `y`, (N,) and (M,) int64 where they come in sequences: none is on both
            sides of the split, unless one side would be left with less than a quarter of the samples.

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
    """Classifier two-sample test by a linear discriminant: 0 where it cannot tell the samples, 1 where it always can.

    Half of the samples fit the discriminant, with its covariance shrunk, the other half are ranked by it, then the
    other way round; the value is |2 AUC - 1|, the mean of both, which moves smoothly with the samples.

    Args:
        x, y: (N, F) and (M, F) float32, four samples or more each.
        seed: of the halves.

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
