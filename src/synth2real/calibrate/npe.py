"""NPE: simulation-based inference of the settings of each real image, and from these of the ranges for all images.

It needs an extra: pip install 'synth2real[sbi]'.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from ..data.domains import Unlabelled
from ..errors import InputError
from ..settings import settings
from ..simulate import Simulator
from .base import SearchProblem
from .image_statistics import measure
from .ranges import Space
from .sequential_rounds import Rounds

PRIORS = (3.0, 2.0)  # width of the training ranges in initial widths: in the first round, and in later rounds
MAX_PARAMETERS = 20  # with more, almost no posterior sample is close to the common ranges of all images
COMPONENTS = 40  # principal components of the image statistics, in addition to the regressed settings
RENDER_BATCH = 2000  # images rendered per batch
SAMPLES = 500  # posterior samples per image
SAMPLING_BATCH = 50  # images per batch of posterior samples
HELD_OUT = 300  # rendered images that check the flow and are not in its training data
UNIFORM_STD = 1 / math.sqrt(12)  # standard deviation of a uniform distribution of width 1
WIDTH_RIDGE = 0.01  # weight of the squared log width, relative to the likelihood of one image


@settings
class NPE(Rounds):
    """Neural posterior estimation: a flow predicts the settings of each image, and all images together give the ranges.

    The flow is trained on rendered images from ranges wider than the initial ones. It then gives a posterior for any
    image. The posterior of one image is biased towards the training ranges. The method takes the centres and widths
    that maximise the joint likelihood of the posteriors of all images. Each round trains a new flow on ranges around
    the current ones, so that the bias points to the right place.

    There are two checks. Simulation-based calibration: for rendered images, the rank of the true setting among the
    posterior samples must be uniform. Misspecification: whether the real images could come from the new ranges. If not,
    the flow sees images of an unknown kind, and its posteriors may be wrong and too narrow.

    Limits: it supports at most 20 parameters. It analyses each image separately, so single images must determine the
    settings. It finds fewer hidden centres than `Posterior`, in more time, but it also finds the widths. If no setting
    renders the real images, `Posterior` is safer, because it assigns the unexplained part to the simulator.

    References:
        Papamakarios & Murray (2016). Fast epsilon-free inference of simulation models with Bayesian conditional density
        estimation. NeurIPS.
        Talts, Betancourt, Simpson, Vehtari & Gelman (2018). Validating Bayesian inference algorithms with
        simulation-based calibration. arXiv:1804.06788.
        Schmitt, Bürkner, Köthe & Radev (2023). Detecting model misspecification in amortized Bayesian inference with
        neural networks. GCPR.

    Args:
        parameters, distribution, narrowest, images, seed: as in `Calibrator`. The likelihood is that of ranges; a
            normal distribution has the standard deviation of the range that was found.
        trials: number of trials. `trials` times `images` training images are rendered, divided equally between rounds.
        rounds: number of training rounds.
        flow: `maf` (masked autoregressive) or `nsf` (neural splines, slower).
        epochs: maximum number of epochs per flow. The training stops if held-out images do not improve for 10 epochs.
    """

    name: ClassVar[str] = "npe"

    rounds: int = Field(default=4, ge=1)
    flow: Literal["maf", "nsf"] = "maf"
    epochs: int = Field(default=60, ge=1)

    @property
    def rendered(self) -> int:
        """See `Calibrator`."""
        return max(4 * HELD_OUT, self.trials * self.images // self.rounds)

    def check(self, simulator: Simulator, target: Unlabelled) -> Space:
        """See `Calibrator`. Also raises `InputError` if sbi is not installed or there are too many parameters."""
        library("sbi.inference")
        space = super().check(simulator, target)
        if len(space.names) > MAX_PARAMETERS:
            raise InputError(
                f"calibrate npe has {len(space.names)} parameters to find, expected {MAX_PARAMETERS} or fewer. Select "
                "the important ones (--only on the command line, calibrate.parameters in Python), or use the method "
                "posterior"
            )
        return space

    def step(
        self, problem: SearchProblem, point: dict[str, float], number: int
    ) -> tuple[dict[str, float], dict[str, Any]]:
        """Train a flow around the current ranges, and compute the next point from its posteriors."""
        space, wide = problem.space, PRIORS[min(number, len(PRIORS) - 1)]
        about = {name: space.range(i, point[f"{name}.centre"], wide) for i, name in enumerate(space.names)}
        values, statistics = self._made(space, problem.simulator.with_ranges(**about), self.seed + 2 + number)
        summary = Summary.learn(values[HELD_OUT:], statistics[HELD_OUT:])
        x, real = summary(statistics), summary(measure(problem.seen))
        with torch.random.fork_rng([]):
            torch.manual_seed(self.seed)
            flow = self._learnt(values[HELD_OUT:], x[HELD_OUT:])
            held_out, posterior = (sampled(flow, some) for some in (x[:HELD_OUT], real))
        towards = space.point(torch.cat(likeliest(posterior)).double())
        made = space.applied(problem.simulator, towards).sample(HELD_OUT, self.seed + 1000).images
        return towards, {"checks": checks_of(held_out, values[:HELD_OUT], summary(measure(made)), real)}

    def _made(self, space: Space, simulator: Simulator, seed: int) -> tuple[Tensor, Tensor]:
        """Sampled settings (N, P), in initial widths from the initial centres, and their image statistics (N, F)."""
        values, statistics = [], []
        for first in range(0, self.rendered, RENDER_BATCH):
            made = simulator.sample(min(RENDER_BATCH, self.rendered - first), seed + 1000 * first)
            values.append(space.units(made.parameters))
            statistics.append(measure(made.images))
        return torch.cat(values), torch.cat(statistics)

    def _learnt(self, values: Tensor, x: Tensor) -> Any:
        """Train the flow, an sbi estimator of the settings conditioned on an image summary."""
        flow = library("sbi.neural_nets").posterior_nn(
            model=self.flow, z_score_x="none"
        )  # the summary is scaled already
        inference = library("sbi.inference").NPE(
            density_estimator=flow, tracker=SilentTracker(), show_progress_bars=False
        )
        how = {"max_num_epochs": self.epochs, "stop_after_epochs": 10}
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            # sbi prints progress, and warns if training ends at `epochs`. The checks show whether this was enough.
            warnings.simplefilter("ignore", UserWarning)
            inference.append_simulations(values, x)
            return inference.train(**how, training_batch_size=256, learning_rate=1e-3)


class SilentTracker:
    """Discards the training log of a flow. Otherwise sbi writes it to the working directory."""

    log_dir = None

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Does nothing, like all methods of this class."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None: ...
    def log_params(self, params: dict[str, Any]) -> None: ...
    def add_figure(self, name: str, figure: Any, step: int | None = None) -> None: ...
    def flush(self) -> None: ...


@dataclass(frozen=True)
class Summary:
    """Summary of an image: its settings by linear regression, and principal components of its statistics.

    References:
        Fearnhead & Prangle (2012). Constructing summary statistics for approximate Bayesian computation. JRSS B 74.
        For the regressed settings.
    """

    mean: Tensor
    scale: Tensor
    to: Tensor
    unit: Tensor

    @classmethod
    def learn(cls, values: Tensor, statistics: Tensor) -> Self:
        """Fit the summary to settings (N, P) and the statistics (N, F) of their images."""
        mean, scale = statistics.mean(0), statistics.std(0).clamp(min=1e-4)
        z = ((statistics - mean) / scale).clamp(-4, 4).double()
        normal = z.T @ z
        ridge = 1e-3 * normal.diagonal().mean() * torch.eye(len(normal)).double()
        slopes = torch.linalg.solve(normal + ridge, z.T @ (values - values.mean(0)).double())
        components = torch.linalg.eigh(normal).eigenvectors[:, -COMPONENTS:]
        to = torch.cat([slopes, components], 1)
        return cls(mean, scale, to.float(), (z @ to).std(0).clamp(min=1e-6).float())

    def __call__(self, statistics: Tensor) -> Tensor:
        """Summaries (N, K) of statistics (N, F), each with a standard deviation of about 1."""
        return ((statistics - self.mean) / self.scale).clamp(-4, 4) @ self.to / self.unit


@torch.no_grad()
def sampled(flow: Any, x: Tensor) -> Tensor:
    """Posterior samples (`SAMPLES`, N, P) for N summaries, computed in batches."""
    return torch.cat([flow.sample((SAMPLES,), condition=some) for some in x.split(SAMPLING_BATCH)], 1)


def likeliest(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and widths (P,) of the ranges with the highest joint likelihood of all images.

    Each range is modelled as a normal distribution.

    Args:
        samples: (S, N, P), S posterior samples for each of N images, under a uniform prior.
    """
    centre = samples.mean((0, 1)).requires_grad_()
    spread = torch.full_like(centre, math.log(UNIFORM_STD)).requires_grad_()
    optimizer = torch.optim.Adam([centre, spread], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        each = (-0.5 * ((samples - centre) / spread.exp()) ** 2 - spread).sum(2)
        loss = WIDTH_RIDGE * (spread - math.log(UNIFORM_STD)).square().sum() - torch.logsumexp(each, 0).mean()
        loss.backward()
        optimizer.step()
    return centre.detach(), spread.detach().exp() / UNIFORM_STD


def checks_of(samples: Tensor, truth: Tensor, made: Tensor, real: Tensor) -> dict[str, float]:
    """The p-values of both checks.

    The p-value of simulation-based calibration is that of the worst setting, times the number of settings (Bonferroni).

    Args:
        samples: (S, M, P) posterior samples for rendered images.
        truth: (M, P) settings of these images.
        made: summaries (M, K) of images rendered from the new ranges.
        real: summaries (N, K) of real images.
    """
    ranks = (samples < truth).sum(0).float()
    uniform = library("sbi.diagnostics.sbc").check_uniformity_frequentist(ranks, len(samples))
    alike = library("sbi.diagnostics.misspecification").calc_misspecification_mmd
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        unlike, _ = alike(real[: len(made) // 3], made, n_shuffle=200, max_samples=len(made))
    return {
        "simulation_based_calibration": min(1.0, float(uniform.min()) * truth.shape[1]),
        "misspecification": float(unlike),
    }


def library(module: str) -> Any:
    """Import a module of sbi.

    Raises:
        InputError: sbi is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"calibrate npe needs sbi ({error}). Install it: pip install 'synth2real[sbi]'") from None
