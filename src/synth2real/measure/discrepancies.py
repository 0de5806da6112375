"""Differentiable discrepancies between batches of two domains, for training features until they are small.

`distances.py` measures with the same mathematics. Everything here answers a scalar tensor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the Gaussian kernels, in units of a typical distance


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances (N, M) of (N, F) and (M, F); differentiable also where two samples are equal."""
    return (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp(min=0)


def gaussian(squared: Tensor, unit: float | Tensor) -> Tensor:
    """Mean of Gaussian kernels of five widths at squared distances of any shape; 1 at distance 0."""
    scaled = squared / (-2 * unit**2)
    return torch.stack([torch.exp(scaled / width**2) for width in WIDTHS]).mean(0)


def unbiased(kernel: Tensor, n: int) -> Tensor:
    """Squared MMD, the U-statistic, from the kernel (N + M, N + M) of N samples followed by M others, two or more each.

    0 in expectation where both come from one distribution, so it is below zero about as often as above.
    """
    m = len(kernel) - n
    within_x, within_y = kernel[:n, :n], kernel[n:, n:]
    return (
        (within_x.sum() - within_x.trace()) / (n * (n - 1))
        + (within_y.sum() - within_y.trace()) / (m * (m - 1))
        - 2 * kernel[:n, n:].mean()
    )


def mmd(x: Tensor, y: Tensor, unit: float | Tensor | None = None) -> Tensor:
    """Squared maximum mean discrepancy of (N, F) and (M, F), by the mean of Gaussian kernels of five widths.

    Args:
        x, y: two samples or more each.
        unit: of the widths; by default the root of the mean squared distance of all samples, taken as a constant.

    References:
        Gretton, Borgwardt, Rasch, Schoelkopf & Smola (2012). A kernel two-sample test. JMLR 13.
    """
    return joint_mmd([x], [y], unit)


def joint_mmd(xs: Sequence[Tensor], ys: Sequence[Tensor], unit: float | Tensor | None = None) -> Tensor:
    """Squared MMD of the joint distribution of several layers: their kernels are multiplied (Long et al. 2017).

    Args:
        xs, ys: for each layer (N, F) and (M, F), in the same order of samples.
        unit: as in `mmd`, for each layer alike.
    """
    kernels = []
    for x, y in zip(xs, ys, strict=True):
        both = torch.cat([x, y]).float()
        squared = squared_distances(both, both)
        kernels.append(gaussian(squared, _typical(squared) if unit is None else unit))
    return unbiased(torch.stack(kernels).prod(0), len(xs[0]))


def _typical(squared: Tensor) -> Tensor:
    count = len(squared)
    return (squared.detach().sum() / (count * (count - 1))).sqrt().clamp(min=1e-6)


def coral(x: Tensor, y: Tensor) -> Tensor:
    """Squared Frobenius distance of the covariances of (N, F) and (M, F) over 4 F^2 (Sun & Saenko 2016)."""
    apart = torch.cov(x.float().T) - torch.cov(y.float().T)
    return apart.square().sum() / (4 * x.shape[1] ** 2)


def entropy(probabilities: Tensor) -> Tensor:
    """Shannon entropy (...) in nats of class probabilities (..., C); its gradient is finite also where one is 0."""
    return -(probabilities * probabilities.clamp(min=1e-12).log()).sum(-1)
