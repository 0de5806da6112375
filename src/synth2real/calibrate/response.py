"""Linear response of image statistics to the parameters, and the estimate of the ranges from real images."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from ..simulate import Simulator
from .image_statistics import measure
from .moments import STEP, Moments
from .ranges import Space

COMPONENTS = 250  # principal components of the image statistics
SIGNIFICANT = 3.0  # minimum slope in standard errors; with many parameters, some slopes are large by chance
PRIORS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0)  # standard deviations of the centres, in initial widths
DISCREPANCIES = tuple(0.003 * 1.5**step for step in range(17))  # 0.003 to 2, in standard deviations of single images
SHAPES = (0.0, 0.5, 1.0)  # the discrepancy falls with this power of the variance of a component
GROWTH_RIDGE = 0.02  # weight of the squared growth, relative to the unexplained squared spread


@dataclass(frozen=True)
class CentrePosterior:
    """Posterior of the centres of P ranges given the real images: a normal distribution.

    Centres are relative to the initial centres, in initial widths.

    Args:
        mean, covariance: (P,) and (P, P) float64.
        prior: prior standard deviation of the centres.
        discrepancy: root mean square difference between the mean statistics of the real images and those that any
            centres can render, in standard deviations of single images. It is 0 if the simulator can render the real
            images.
        evidence: log density of the real mean under the prior and the discrepancy.
    """

    mean: Tensor
    covariance: Tensor
    prior: float
    discrepancy: float
    evidence: float


@dataclass(frozen=True)
class Response:
    """Linear response of the mean image statistics, as K principal components, to the centres of P ranges.

    Args:
        slope: (K, P) float64, change of each mean per change of each centre, in initial widths.
        offset: (K,), the value of `slope @ centres` for the real images if the response were exact.
        noise: (K, K), covariance of `offset` because of the finite number of rendered and real images.
        variance: (K,), variance of each component over rendered images. The components are scaled with it.
        growth: (P,), factor for the width of each range, after which rendered images vary as much as real images.
        moments: standard deviations and correlations of the parameters over real images.
    """

    slope: Tensor
    offset: Tensor
    noise: Tensor
    variance: Tensor
    growth: Tensor
    moments: Moments

    @classmethod
    def learn(cls, space: Space, simulator: Simulator, real: Tensor, images: int, seed: int) -> Response:
        """Render images, and fit a linear regression from their parameters to their statistics.

        Args:
            space: the searched parameters, with their initial widths as units.
            simulator: the simulator with its current ranges.
            real: (N, C, H, W) images.
            images: number of images to render.
            seed: seed of the rendering.
        """
        made = simulator.sample(images, seed)
        values = space.units(made.parameters).double()
        x, y = (torch.cat([measure(part) for part in z.split(500)]).double() for z in (made.images, real))
        mean, scale = x.mean(0), x.std(0).clamp(min=1e-4)
        x, y = (((z - mean) / scale).clamp(-4, 4) for z in (x, y))
        variance, basis = torch.linalg.eigh(torch.cov(x.T))
        variance, basis = variance[-COMPONENTS:].clamp(min=1e-6), basis[:, -COMPONENTS:]
        x, y = ((z - x.mean(0)) @ (basis / variance.sqrt()) for z in (x, y))
        centred = values - values.mean(0)
        normal = centred.T @ centred + 1e-4 * len(x) * torch.eye(len(space.names)).double()
        slope = torch.linalg.solve(normal, centred.T @ x)
        error = torch.linalg.inv(normal).diagonal().sqrt()[:, None] * (x - centred @ slope).std(0)
        slope = torch.where(slope.abs() > SIGNIFICANT * error, slope, 0).T
        rendered, seen = torch.cov(x.T), torch.cov(y.T)
        noise = seen / len(y) + rendered / len(x)
        growth = _growth(slope, centred.var(0), x.var(0), seen)
        sampled = torch.atleast_2d(torch.cov(values.T))
        moments = Moments.of(slope, sampled, rendered, seen, len(y))
        return cls(slope, y.mean(0) + slope @ values.mean(0), noise, variance, growth, moments)

    def infer_centres(self, prior: float | None = None) -> CentrePosterior:
        """Posterior of the centres given the real images, with the discrepancy of the largest evidence.

        Args:
            prior: prior standard deviation of the centres around the initial centres, in initial widths. None selects
                the one with the largest evidence.
        """
        found = [
            self._centre_posterior(deviation, size, shape)
            for deviation, size, shape in itertools.product((prior,) if prior else PRIORS, DISCREPANCIES, SHAPES)
        ]
        return max(found, key=lambda centres: centres.evidence)

    def _centre_posterior(self, prior: float, size: float, shape: float) -> CentrePosterior:
        discrepancy = size**2 * (self.variance / self.variance.max()) ** -shape
        seen = self.noise + discrepancy.diag()
        whole = torch.linalg.cholesky(seen + prior**2 * self.slope @ self.slope.T)
        off = torch.linalg.solve_triangular(whole, self.offset[:, None], upper=False)
        evidence = -float(whole.diagonal().log().sum() + off.square().sum() / 2)
        # The centres and the real mean are jointly normal. Condition the centres on the real mean.
        shared = torch.linalg.solve_triangular(whole, prior**2 * self.slope, upper=False)
        covariance = prior**2 * torch.eye(self.slope.shape[1]).double() - shared.T @ shared
        size_of = (discrepancy * self.variance).sum() / self.variance.sum()
        return CentrePosterior((shared.T @ off)[:, 0], covariance, prior, float(size_of.sqrt()), evidence)


def _growth(slope: Tensor, sampled: Tensor, rendered: Tensor, real: Tensor) -> Tensor:
    """Factor (P,) for the width of each range, from the variance of the parameters that are predicted from images.

    A linear regression predicts the parameters of each image, `components @ weights`. The slopes give the sensitivity
    of each prediction to each parameter. All factors are therefore solved for together.

    Args:
        slope: (K, P), as in `Response`.
        sampled: (P,), variance of the parameters over rendered images.
        rendered: (K,), variance of the components over rendered images, where they are uncorrelated.
        real: (K, K), covariance of the components over real images.
    """
    weights = slope * sampled
    sensitivity = weights.T @ slope
    spread = (weights.square() * rendered[:, None]).sum(0).clamp(min=1e-9)
    excess = (weights * (real @ weights)).sum(0) / spread - 1
    explained = sensitivity.diagonal().clamp(0, 1)  # share of a parameter's variance that images determine
    design = sensitivity.square() * sampled * (explained / spread)[:, None]
    normal = design.T @ design + GROWTH_RIDGE * torch.eye(len(sampled), dtype=sampled.dtype)
    grown: Tensor = 1 + torch.linalg.solve(normal, design.T @ (explained * excess))
    return grown.clamp(1 / STEP, STEP).sqrt()
