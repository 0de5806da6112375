"""Differentiable discrepancies between batches of two domains, used as training losses on features.

Each discrepancy is a scalar tensor. `distances.py` uses the same formulas for measurement.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the Gaussian kernels, in multiples of `unit`


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances (N, M) of (N, F) and (M, F). They are also differentiable for equal samples.

    The product is never computed in bfloat16: a small difference of large squares would be mostly rounding error.
    """
    with torch.autocast(x.device.type, enabled=False):
        return (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp(min=0)


def gaussian(squared: Tensor, unit: float | Tensor) -> Tensor:
    """Mean of Gaussian kernels of five widths, for squared distances of any shape. It is 1 at distance 0."""
    scaled = squared / (-2 * unit**2)
    return torch.stack([torch.exp(scaled / width**2) for width in WIDTHS]).mean(0)


def unbiased(kernel: Tensor, n: int) -> Tensor:
    """Squared MMD, as a U-statistic, from a kernel matrix (N + M, N + M).

    The first N rows are one sample, the last M rows the other; each has two or more elements. If both samples come from
    one distribution, the expected value is 0, so about half of the values are negative.
    """
    m = len(kernel) - n
    within_x, within_y = kernel[:n, :n], kernel[n:, n:]
    return (
        (within_x.sum() - within_x.trace()) / (n * (n - 1))
        + (within_y.sum() - within_y.trace()) / (m * (m - 1))
        - 2 * kernel[:n, n:].mean()
    )


def mmd(x: Tensor, y: Tensor, unit: float | Tensor | None = None) -> Tensor:
    """Squared maximum mean discrepancy of (N, F) and (M, F), with the mean of Gaussian kernels of five widths.

    Args:
        x, y: two samples or more each.
        unit: unit of the kernel widths. The default is the root mean squared distance between all samples, without
            gradient.

    References:
        Gretton, Borgwardt, Rasch, Schoelkopf & Smola (2012). A kernel two-sample test. JMLR 13.
    """
    return joint_mmd([x], [y], unit)


def joint_mmd(xs: Sequence[Tensor], ys: Sequence[Tensor], unit: float | Tensor | None = None) -> Tensor:
    """Squared MMD of the joint distribution of several layers. The kernels are multiplied (Long et al. 2017).

    Args:
        xs, ys: (N, F) and (M, F) for each layer. The order of the samples is the same in all layers.
        unit: as in `mmd`, used for every layer. The default is computed for each layer.
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
    """Squared Frobenius distance between the covariances of (N, F) and (M, F), divided by 4 F^2 (Sun & Saenko 2016)."""
    with torch.autocast(x.device.type, enabled=False):
        apart = torch.cov(x.float().T) - torch.cov(y.float().T)
    return apart.square().sum() / (4 * x.shape[1] ** 2)


def entropy(probabilities: Tensor) -> Tensor:
    """Shannon entropy (...) in nats of class probabilities (..., C). The gradient is finite even at probability 0."""
    return -(probabilities * probabilities.clamp(min=1e-12).log()).sum(-1)
