"""Learning curve: the label-free score against the number of source images, and what more images would buy.

The error, 1 minus the score, is fitted by a power law, a + b n^-c, as errors of networks follow it over orders of
magnitude. The interval of what more images buy comes from resampled target samples, and from the spread of the seeds.

References:
    Hestness et al. (2017). Deep learning scaling is predictable, empirically. arXiv:1712.00409.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..data.groups import Groups, half_width, redrawn, student_t

DRAWS = 500  # resamples of a bootstrap
EXPONENTS = torch.logspace(math.log10(0.05), math.log10(2), 60, dtype=torch.float64)  # c of a + b n^-c
MEASURABLE = 0.01  # of the score: a smaller gain counts as none
Verdict = Literal["gain", "nothing", "unknown"]


@dataclass(frozen=True)
class Law:
    """The error after n images: a + b n^-c."""

    a: float
    b: float
    c: float

    def error(self, n: float) -> float:
        """The error after `n` images."""
        return float(self.a + self.b * n**-self.c)


@dataclass(frozen=True)
class Gain:
    """What more images add to the score.

    Args:
        more: number of images.
        value, low, high: the gain by the fitted law, and its 95 % interval.
        verdict: `gain`; `nothing` that is measurable; or `unknown`, where the curve is too noisy to tell.
        last, reach: difference of the scores of the two largest sizes, and half the width of its interval by the seeds.
    """

    more: int
    value: float
    low: float
    high: float
    verdict: Verdict
    last: float
    reach: float

    @property
    def words(self) -> str:
        """The verdict in words."""
        what = f"another {self.more:,} images"
        interval = f"{self.low:.3f} to {self.high:.3f}"
        seen = f"the difference between the largest sizes ({self.last:+.3f})"
        spread = f"within the spread of seeds ({self.reach:.3f})"
        within = abs(self.last) <= self.reach
        if self.verdict == "gain":
            alone = f". {seen[0].upper()}{seen[1:]} is {spread}: it is the whole curve that shows the gain"
            return f"{what} would add {self.value:.3f} ({interval}) to the score{alone if within else ''}"
        if self.verdict == "nothing":
            return f"{what} buy nothing measurable: at most {max(self.high, 0):.3f} of the score"
        why = f"is {spread}" if within else "may not go on"
        return f"cannot tell what {what} buy: {seen} {why}. Their gain is between {interval}"


@dataclass(frozen=True)
class LearningCurve:
    """Scores of models that were trained on different numbers of images.

    Args:
        sizes: numbers of images, ascending; four or more.
        scores: (R, S, N) float64, the score of R seeds and S sizes for each of N target samples; two or more seeds.
        groups: (N,) int64, group of each target sample; None if they are independent.
    """

    sizes: Sequence[int]
    scores: Tensor
    groups: Groups = None

    @property
    def means(self) -> Tensor:
        """Mean score of each size (S,) float64."""
        return self.scores.mean((0, 2))

    @property
    def spread(self) -> float:
        """Standard deviation of the score between seeds, pooled over the sizes."""
        return float(self.scores.mean(2).var(0).mean().sqrt())

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the spread."""
        seeds, sizes, _ = self.scores.shape
        return (seeds - 1) * sizes

    def intervals(self) -> list[tuple[float, float]]:
        """The 95 % interval of the score of each size: from the spread of the seeds, and the number of samples."""
        by_seeds = student_t(self.freedom) * self.spread / math.sqrt(len(self.scores))
        found = []
        for size, mean in enumerate(self.means.tolist()):
            reach = math.hypot(by_seeds, half_width(self.scores[:, size].mean(0), self.groups))
            found.append((mean - reach, mean + reach))
        return found

    @property
    def law(self) -> Law:
        """The fitted law."""
        a, b, c = (float(values[0]) for values in fitted(self.sizes, 1 - self.means[None]))
        return Law(a, b, c)

    def gain(self, more: int) -> Gain:
        """What `more` images would add to the score of the largest size."""
        drawn = gains(fitted(self.sizes, 1 - self.resampled()), self.sizes[-1], more)
        low, high = drawn.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        law, n = self.law, self.sizes[-1]
        last = float(self.means[-1] - self.means[-2])
        reach = student_t(self.freedom) * self.spread * math.sqrt(2 / len(self.scores))
        return Gain(more, law.error(n) - law.error(n + more), low, high, verdict_of(low, high), last, reach)

    def resampled(self) -> Tensor:
        """Mean scores (DRAWS, S): of resampled target samples, each size with a deviation as large as a seed's."""
        generator = torch.Generator().manual_seed(0)
        each, count = self.scores.mean(0), self.scores.shape[2]
        means = torch.stack([each[:, redrawn(count, self.groups, generator)].mean(1) for _ in range(DRAWS)])
        normal = torch.randn(means.shape, generator=generator, dtype=torch.float64)
        squares = torch.randn(DRAWS, self.freedom, generator=generator, dtype=torch.float64).square().mean(1)
        return means + normal / squares[:, None].sqrt() * self.spread / math.sqrt(len(self.scores))


def verdict_of(low: float, high: float) -> Verdict:
    """What the interval of a gain shows."""
    if high < MEASURABLE:
        return "nothing"
    return "gain" if low > 0 else "unknown"


def fitted(sizes: Sequence[int], errors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Least squares fits of a + b n^-c, with a >= 0, to rows of errors (D, S): a, b and c, (D,) float64 each.

    Given c the fit is linear, so each c of `EXPONENTS` is tried. b may have any sign: the errors of models that learn
    nothing from more images rise as often as they fall.
    """
    powers = torch.tensor(sizes, dtype=torch.float64) ** -EXPONENTS[:, None]  # (C, S)
    centred = powers - powers.mean(1, keepdim=True)
    b = errors @ centred.T / centred.square().sum(1)  # (D, C)
    a = errors.mean(1, keepdim=True) - b * powers.mean(1)
    through = errors @ powers.T / powers.square().sum(1)  # with a = 0
    b, a = torch.where(a < 0, through, b), a.clamp(min=0)
    missed = (errors[:, None] - a[..., None] - b[..., None] * powers).square().sum(2)
    best = missed.argmin(1, keepdim=True)
    return a.gather(1, best)[:, 0], b.gather(1, best)[:, 0], EXPONENTS[best[:, 0]]


def gains(law: tuple[Tensor, Tensor, Tensor], n: int, more: int) -> Tensor:
    """By how much the error falls from `n` to `n + more` images, for each law."""
    _, b, c = law
    return b * (n**-c - (n + more) ** -c)
