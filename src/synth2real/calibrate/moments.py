"""Moment matching: the joint distribution of parameters from how much their predictions vary over real images."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from ..simulate.correlations import pair_key

RIDGE = 0.02  # of the inverse of a share: with less than its square root, 0.14, images hardly change a variance
STEP = 2.5  # maximum growth of the variance of a range per round, and inverse of the minimum: a factor 1.6 in width
SMALLEST, HIGHEST = 0.1, 0.95  # smallest correlation that is kept, and the largest
DETERMINED = 0.1  # minimum share of a parameter's variance that images determine, for its correlations
EIGENVALUE = 0.05  # minimum of a correlation matrix; correlations are shrunk until it holds


@dataclass(frozen=True)
class Moments:
    """Second moments of P parameters over real images, relative to those of the rendered images.

    Args:
        growth: (P,) float64, factor for the standard deviation of each parameter.
        correlation: (P, P), correlations over real images.
        error: (P, P), their standard errors.
        determined: (P,), share of the variance of each parameter that images determine, 0 to 1.
    """

    growth: Tensor
    correlation: Tensor
    error: Tensor
    determined: Tensor

    @classmethod
    def of(cls, slope: Tensor, sampled: Tensor, rendered: Tensor, real: Tensor, images: int) -> Moments:
        """Match the covariance of the predicted parameters of real images.

        The best linear prediction of the parameters of one image, in units in which they are uncorrelated with variance
        1, is `sensitivity.T @ components`. Over rendered images its covariance is `gain`: the covariance of what it
        predicts is `gain @ gain`, that of its error `gain - gain @ gain`. If the parameters of real images have the
        covariance `C`, that of their predictions is `gain @ C @ gain` and the same error. Solving for C needs the
        inverse of `gain`, which is regularised: where images do not determine the parameters, C stays the identity.

        Args:
            slope: (K, P), change of each component per change of each parameter.
            sampled: (P, P), covariance of the parameters over rendered images.
            rendered, real: (K, K), covariance of the components over rendered and over real images. The components of
                rendered images are uncorrelated with variance 1.
            images: number of real images.
        """
        values, vectors = torch.linalg.eigh(sampled)
        root = vectors @ values.clamp(min=1e-12).sqrt().diag() @ vectors.T
        sensitivity = slope @ root
        share, axes = torch.linalg.eigh(sensitivity.T @ sensitivity)
        share = share.clamp(0, 1)
        inverse = axes @ (share / (share.square() + RIDGE)).diag() @ axes.T
        excess = inverse @ sensitivity.T @ (real - rendered) @ sensitivity @ inverse
        size, directions = torch.linalg.eigh(torch.eye(len(sampled), dtype=sampled.dtype) + excess)
        covariance = root @ directions @ size.clamp(1 / STEP, STEP).diag() @ directions.T @ root
        deviation, before = covariance.diagonal().sqrt(), sampled.diagonal().sqrt()
        determined = (root @ axes @ share.diag() @ axes.T @ root).diagonal() / sampled.diagonal()
        certain = determined.clamp(min=1e-6).sqrt()
        error = 1 / (images**0.5 * certain * certain[:, None])
        return cls(deviation / before, covariance / deviation / deviation[:, None], error, determined)

    def correlations(self, names: tuple[str, ...], before: dict[str, float], significant: float) -> dict[str, float]:
        """The correlations `a ~ b` that are larger than this many standard errors; of the other pairs those of before.

        They are shrunk together if they contradict each other.
        """
        pairs = {pair_key(names[i], names[j]): (i, j) for i, j in itertools.permutations(range(len(names)), 2)}
        pairs = {
            pair: (i, j)
            for pair, (i, j) in pairs.items()
            if pair in before or (i < j and pair_key(names[j], names[i]) not in before)
        }
        matrix = torch.eye(len(names), dtype=torch.float64)
        for pair, (i, j) in pairs.items():
            value, known = float(self.correlation[i, j]), before.get(pair, 0.0)
            shown = abs(value) > max(SMALLEST, significant * float(self.error[i, j]))
            shown = shown and float(self.determined[[i, j]].min()) > DETERMINED
            matrix[i, j] = matrix[j, i] = max(-HIGHEST, min(HIGHEST, value)) if shown else known
        apart = matrix - matrix.diag().diag()
        while float(torch.linalg.eigvalsh(matrix)[0]) < EIGENVALUE:
            apart = 0.9 * apart
            matrix = torch.eye(len(names)).double() + apart
        found = {pair: round(float(matrix[i, j]), 3) for pair, (i, j) in pairs.items()}
        return {pair: value for pair, value in found.items() if value or before.get(pair)}
