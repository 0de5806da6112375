"""NPE: which settings made each real image, by simulation-based inference, and so which ranges made them all.

It needs the extra: pip install 'synth2real[sbi]'.
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
from .base import Sought
from .ranges import Space
from .rounds import Rounds
from .statistics import measure

PRIORS = (3.0, 2.0)  # width of the ranges that are learnt from, in own widths: in the first round, and thereafter
MOST = 20  # parameters: among draws of more, hardly one stands where all images together are
COMPONENTS = 40  # principal ones, of what describes an image, beside the regressed settings
PART = 2000  # images rendered at once
DRAWS = 500  # from the posterior of one image
AT_ONCE = 50  # images drawn for at once
HELD = 300  # rendered images that the flow has not learnt from, which check it
OWN = 1 / math.sqrt(12)  # standard deviation of what is drawn from a range of width 1
TRUST = 0.01  # weight of the logarithm of a width, squared, against one image's likelihood


@settings
class NPE(Rounds):
    """Neural posterior estimation: a flow says how likely each setting made an image; all images together the ranges.

    It learns from images rendered from ranges wider than given, and answers for any image at once. What it says of one
    image is drawn towards what it has learnt from; the centres and widths taken are those under which what it says of
    all of them is likeliest together. Each round learns anew about the ranges reached, so that what is drawn is drawn
    to the right place.

    Two checks go with it. Simulation-based calibration: for rendered images, the truth must stand at every place among
    what is drawn alike. Misspecification: whether the real images could be such as the ranges found render; where they
    cannot, the flow is asked about images of a kind that it has never seen, and may say anything with certainty.

    Limits: it takes 20 parameters at most. It reads every image by itself, so it needs settings that single images
    tell: of hidden centres it finds fewer than `Posterior`, in more time, but the widths, too. Of real images that no
    setting renders `Posterior` is the safer, which puts down to the simulator what no setting explains.

    References:
        Papamakarios & Murray (2016). Fast epsilon-free inference of simulation models with Bayesian conditional density
        estimation. NeurIPS.
        Talts, Betancourt, Simpson, Vehtari & Gelman (2018). Validating Bayesian inference algorithms with
        simulation-based calibration. arXiv:1804.06788.
        Schmitt, Bürkner, Köthe & Radev (2023). Detecting model misspecification in amortized Bayesian inference with
        neural networks. GCPR.

    Args:
        parameters, images, seed: as in `Calibrator`.
        trials: of `images` each, rendered to learn from, in equal parts for each round.
        rounds: of learning.
        flow: `maf` (masked autoregressive) or `nsf` (neural splines, slower).
        epochs: of its training, at most; it stops where held images gain nothing for 10.
    """

    name: ClassVar[str] = "npe"

    rounds: int = Field(default=4, ge=1)
    flow: Literal["maf", "nsf"] = "maf"
    epochs: int = Field(default=60, ge=1)

    @property
    def rendered(self) -> int:
        """See `Calibrator`."""
        return max(4 * HELD, self.trials * self.images // self.rounds)

    def check(self, simulator: Simulator, target: Unlabelled) -> Space:
        """See `Calibrator`; or sbi is not installed, or the parameters are too many."""
        library("sbi.inference")
        space = super().check(simulator, target)
        if len(space.names) > MOST:
            raise InputError(
                f"calibrate npe found {len(space.names)} parameters to find, expected {MOST} or fewer. Name those that "
                "matter (--only on the command line, calibrate.parameters in Python), or take the method posterior"
            )
        return space

    def step(self, sought: Sought, point: dict[str, float], number: int) -> tuple[dict[str, float], dict[str, Any]]:
        """By a flow that is learnt about the ranges reached."""
        space, wide = sought.space, PRIORS[min(number, len(PRIORS) - 1)]
        about = {name: space.range(i, point[f"{name}.centre"], wide) for i, name in enumerate(space.names)}
        values, looks = self._made(space, sought.simulator.with_ranges(**about), self.seed + 2 + number)
        summary = Summary.learn(values[HELD:], looks[HELD:])
        x, real = summary(looks), summary(measure(sought.seen))
        with torch.random.fork_rng([]):
            torch.manual_seed(self.seed)
            flow = self._learnt(values[HELD:], x[HELD:])
            held, drawn = (sampled(flow, some) for some in (x[:HELD], real))
        towards = space.point(torch.cat(likeliest(drawn)).double())
        made = sought.simulator.with_ranges(**space.ranges(towards)).sample(HELD, self.seed + 1000).images
        return towards, {"checks": checks_of(held, values[:HELD], summary(measure(made)), real)}

    def _made(self, space: Space, simulator: Simulator, seed: int) -> tuple[Tensor, Tensor]:
        """Settings (N, P), in own widths from the own centres, and what describes the images that they make (N, F)."""
        values, looks = [], []
        for first in range(0, self.rendered, PART):
            made = simulator.sample(min(PART, self.rendered - first), seed + 1000 * first)
            values.append(space.units(made.parameters))
            looks.append(measure(made.images))
        return torch.cat(values), torch.cat(looks)

    def _learnt(self, values: Tensor, x: Tensor) -> Any:
        """The flow, an estimator of sbi, of settings under what describes an image."""
        flow = library("sbi.neural_nets").posterior_nn(model=self.flow, z_score_x="none")  # the summary is of one scale
        inference = library("sbi.inference").NPE(density_estimator=flow, tracker=Nobody(), show_progress_bars=False)
        how = {"max_num_epochs": self.epochs, "stop_after_epochs": 10}
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            # It prints how it went, and warns where it ends at `epochs`: whether that did is what the checks say.
            warnings.simplefilter("ignore", UserWarning)
            inference.append_simulations(values, x)
            return inference.train(**how, training_batch_size=256, learning_rate=1e-3)


class Nobody:
    """Told how a flow is trained, which sbi would else write to a folder where the command was run."""

    log_dir = None

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Passed over, as all that follows."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None: ...
    def log_params(self, params: dict[str, Any]) -> None: ...
    def add_figure(self, name: str, figure: Any, step: int | None = None) -> None: ...
    def flush(self) -> None: ...


@dataclass(frozen=True)
class Summary:
    """Numbers that say what an image tells of its settings: these regressed on what describes it, and components.

    References:
        Fearnhead & Prangle (2012). Constructing summary statistics for approximate Bayesian computation. JRSS B 74.
        For the regressed settings.
    """

    mean: Tensor
    scale: Tensor
    to: Tensor
    unit: Tensor

    @classmethod
    def learn(cls, values: Tensor, looks: Tensor) -> Self:
        """Of settings (N, P) and what describes the images that they make (N, F)."""
        mean, scale = looks.mean(0), looks.std(0).clamp(min=1e-4)
        z = ((looks - mean) / scale).clamp(-4, 4).double()
        normal = z.T @ z
        ridge = 1e-3 * normal.diagonal().mean() * torch.eye(len(normal)).double()
        slopes = torch.linalg.solve(normal + ridge, z.T @ (values - values.mean(0)).double())
        components = torch.linalg.eigh(normal).eigenvectors[:, -COMPONENTS:]
        to = torch.cat([slopes, components], 1)
        return cls(mean, scale, to.float(), (z @ to).std(0).clamp(min=1e-6).float())

    def __call__(self, looks: Tensor) -> Tensor:
        """(N, K) of (N, F), each of about unit deviation."""
        return ((looks - self.mean) / self.scale).clamp(-4, 4) @ self.to / self.unit


@torch.no_grad()
def sampled(flow: Any, x: Tensor) -> Tensor:
    """(`DRAWS`, N, P) drawn for each of N summaries, a few at a time."""
    return torch.cat([flow.sample((DRAWS,), condition=some) for some in x.split(AT_ONCE)], 1)


def likeliest(drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and widths (P,) of the ranges under which all images together are likeliest, each range as a normal.

    Args:
        drawn: (S, N, P) drawn for each of N images from its posterior under a prior that is even.
    """
    centre = drawn.mean((0, 1)).requires_grad_()
    spread = torch.full_like(centre, math.log(OWN)).requires_grad_()
    optimizer = torch.optim.Adam([centre, spread], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        each = (-0.5 * ((drawn - centre) / spread.exp()) ** 2 - spread).sum(2)
        loss = TRUST * (spread - math.log(OWN)).square().sum() - torch.logsumexp(each, 0).mean()
        loss.backward()
        optimizer.step()
    return centre.detach(), spread.detach().exp() / OWN


def checks_of(drawn: Tensor, truth: Tensor, made: Tensor, real: Tensor) -> dict[str, float]:
    """The p-values of both checks; that of calibration for the worst setting, times their number (Bonferroni).

    Args:
        drawn: (S, M, P) drawn for rendered images, whose settings are `truth` (M, P).
        made: summaries (M, K) of images rendered from the ranges found.
        real: summaries (N, K) of real ones.
    """
    ranks = (drawn < truth).sum(0).float()
    uniform = library("sbi.diagnostics.sbc").check_uniformity_frequentist(ranks, len(drawn))
    alike = library("sbi.diagnostics.misspecification").calc_misspecification_mmd
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        unlike, _ = alike(real[: len(made) // 3], made, n_shuffle=200, max_samples=len(made))
    return {
        "simulation_based_calibration": min(1.0, float(uniform.min()) * truth.shape[1]),
        "misspecification": float(unlike),
    }


def library(module: str) -> Any:
    """A module of sbi.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"calibrate npe needs sbi ({error}). Install it: pip install 'synth2real[sbi]'") from None
