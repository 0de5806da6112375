"""Response: how images follow the parameters that made them, and what real ones so say of the ranges."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from ..simulate import Simulator
from .ranges import Space
from .statistics import measure

COMPONENTS = 250  # principal ones, of what describes an image
SIGNIFICANT = 3.0  # least slope, in its standard errors: among many parameters, some seem to have one
PRIORS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0)  # standard deviations of the centres, in own widths
DISCREPANCIES = tuple(0.003 * 1.5**step for step in range(17))  # 0.003 to 2, in deviations of single images
SHAPES = (0.0, 0.5, 1.0)  # powers of a component's variance that the discrepancy's falls with
DOUBT = 0.02  # weight of a growth, squared, against what it leaves unexplained of the spread that is read
STEP = 2.5  # growth of a range's variance in one round, at most, and its inverse at least: 1.6 times as wide


@dataclass(frozen=True)
class Belief:
    """What the real images say of the centres of P ranges: a normal distribution, in own widths from the own centres.

    Args:
        mean, covariance: (P,) and (P, P) float64.
        prior: standard deviation of the centres before the images were seen.
        discrepancy: by how much the mean real image is off from what any centres render, root mean square over what
            describes it, in deviations of single images: 0 where the simulator can make the real images.
        evidence: logarithm of the density of the real mean under prior and discrepancy.
    """

    mean: Tensor
    covariance: Tensor
    prior: float
    discrepancy: float
    evidence: float


@dataclass(frozen=True)
class Response:
    """The linear response of the mean of K principal components of what describes an image.

    Args:
        slope: (K, P) float64, by how much each mean moves with each centre, in own widths.
        offset: (K,), what `slope @ centres` is in the real images, were the response exact.
        noise: (K, K), covariance of `offset` by the number of images on both sides.
        variance: (K,), of each component over rendered images, by which it was divided.
        growth: (P,), by what the width of each range has to grow for rendered images to spread as real ones do.
    """

    slope: Tensor
    offset: Tensor
    noise: Tensor
    variance: Tensor
    growth: Tensor

    @classmethod
    def learn(cls, space: Space, simulator: Simulator, real: Tensor, images: int, seed: int) -> Response:
        """Render `images` from `simulator`, and regress what describes them on the parameters that made them.

        Args:
            space: names the parameters, and their unit: the width of their own ranges.
            real: (N, C, H, W) images.
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
        noise = torch.cov(y.T) / len(y) + torch.cov(x.T) / len(x)
        growth = _growth(slope, centred.var(0), x.var(0), torch.cov(y.T))
        return cls(slope, y.mean(0) + slope @ values.mean(0), noise, variance, growth)

    def believe(self, prior: float | None = None) -> Belief:
        """What the real images say of the centres, with the discrepancy of greatest evidence.

        Args:
            prior: standard deviation of the centres about the own ones, in own widths; that of greatest evidence, too,
                where None.
        """
        found = [
            self._belief(deviation, size, shape)
            for deviation, size, shape in itertools.product((prior,) if prior else PRIORS, DISCREPANCIES, SHAPES)
        ]
        return max(found, key=lambda belief: belief.evidence)

    def _belief(self, prior: float, size: float, shape: float) -> Belief:
        discrepancy = size**2 * (self.variance / self.variance.max()) ** -shape
        seen = self.noise + discrepancy.diag()
        whole = torch.linalg.cholesky(seen + prior**2 * self.slope @ self.slope.T)
        off = torch.linalg.solve_triangular(whole, self.offset[:, None], upper=False)
        evidence = -float(whole.diagonal().log().sum() + off.square().sum() / 2)
        # The centres and the real mean are jointly normal: the covariance of both, and what the mean leaves of it.
        shared = torch.linalg.solve_triangular(whole, prior**2 * self.slope, upper=False)
        covariance = prior**2 * torch.eye(self.slope.shape[1]).double() - shared.T @ shared
        size_of = (discrepancy * self.variance).sum() / self.variance.sum()
        return Belief((shared.T @ off)[:, 0], covariance, prior, float(size_of.sqrt()), evidence)


def _growth(slope: Tensor, drawn: Tensor, rendered: Tensor, real: Tensor) -> Tensor:
    """By what the width of each range has to grow, (P,), read from the variance of what tells the parameter.

    Each image is read as `components @ reading`, linear regression of the parameters; how strongly each reading answers
    to each parameter is known from the slopes, so that growths are solved for together.

    Args:
        slope: (K, P), as in `Response`.
        drawn: (P,), variance of the parameters over rendered images.
        rendered, real: variance (K,) of the components over rendered images, which are uncorrelated, and their
            covariance (K, K) over real ones.
    """
    reading = slope * drawn
    answers = reading.T @ slope
    spread = (reading.square() * rendered[:, None]).sum(0).clamp(min=1e-9)
    beyond = (reading * (real @ reading)).sum(0) / spread - 1
    trust = answers.diagonal().clamp(0, 1)  # the share of a parameter's variance that images tell
    design = answers.square() * drawn * (trust / spread)[:, None]
    normal = design.T @ design + DOUBT * torch.eye(len(drawn), dtype=drawn.dtype)
    grown: Tensor = 1 + torch.linalg.solve(normal, design.T @ (trust * beyond))
    return grown.clamp(1 / STEP, STEP).sqrt()
