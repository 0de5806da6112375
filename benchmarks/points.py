"""Protocols that find a point in real eyes, learnt from rendered ones: what both share.

The figures are Euclidean errors in pixels of the image as given. Each person's figure is taken first, then the mean
over persons; the interval is a bootstrap over images within each person, and over seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from machine import describe
from protocols import keep
from torch import Tensor

from synth2real import Budget, Comparison, Labelled, Route, Unlabelled, compare
from synth2real.adapt import DANN, METHODS, Teacher
from synth2real.comparison.comparison import Trial
from synth2real.randomize import METHODS as RANDOMIZE
from synth2real.randomize import Full
from synth2real.refine import SimGAN
from synth2real.settings import build
from synth2real.simulate import Simulator
from synth2real.tasks import Keypoints

DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class PointProtocol:
    """A simulator of eyes, real ones without labels, and the two kinds of real labels, kept apart.

    Args:
        within: distance in pixels that the share is taken at.
        scale: pixels of the image as given in one of the image that is trained on.
    """

    name: str
    source: Simulator
    task: Keypoints
    target: Unlabelled
    dev: tuple[Labelled, Tensor]
    score: tuple[Labelled, Tensor]
    within: float
    scale: float = 1.0


def routes(strength: float | None = None) -> dict[str, Route]:
    """The same routes with the same settings on every protocol, under one strength of the randomization."""
    moved = Full(strength=strength)
    return {
        "randomized": Route(randomize=moved),
        "refined": Route(randomize=moved, refine=SimGAN()),
        "dann": Route(randomize=moved, adapt=DANN()),
        "teacher": Route(randomize=moved, adapt=Teacher()),
        "combined": Route(refine=SimGAN(), randomize=moved, adapt=Teacher()),
    }


def chosen_routes(names: Sequence[str] | None, strength: float | None) -> dict[str, Route]:
    """The routes of these names, all where None; a name of `adapt.METHODS` stands for that method's own defaults."""
    known = routes(strength)

    def own(name: str) -> Route:
        policy = build(
            RANDOMIZE, METHODS[name].default_randomization or "full", {"strength": strength}, stage="randomize"
        )
        return Route(randomize=policy, adapt=METHODS[name]())

    unknown = set(names or ()) - set(known) - set(METHODS)
    if unknown:
        every = ", ".join([*known, *(name for name in METHODS if name not in known)])
        sys.exit(f"--routes: found {', '.join(sorted(unknown))}, expected names of: {every}")
    return {name: known[name] if name in known else own(name) for name in names or known}


def errors(comparison: Comparison, protocol: PointProtocol, part: Labelled) -> dict[str, Tensor]:
    """For each route (seeds, N) float64: the error of each image with each seed."""

    def of(trial: Trial) -> Tensor:
        said = trial.run.model.predict(part.unlabelled()).values
        error: Tensor = (said - part.labels).norm(dim=1).double() * protocol.scale
        return error

    return {
        candidate.name: torch.stack([of(trial) for trial in candidate.trials]) for candidate in comparison.candidates
    }


def figures(error: Tensor, person: Tensor, within: float) -> dict[str, float]:
    """Mean over persons and seeds of the median error and of the share within a distance, with 95 % intervals."""
    generator = torch.Generator().manual_seed(0)
    groups = [error[:, person == who] for who in person.unique()]

    def both(parts: list[Tensor]) -> Tensor:
        return torch.stack([torch.stack([p.median(1).values.mean(), (p <= within).double().mean()]) for p in parts])

    def drawn() -> Tensor:
        seeds = torch.randint(len(error), (len(error),), generator=generator)
        images = [torch.randint(g.shape[1], (g.shape[1],), generator=generator) for g in groups]
        return both([g[seeds][:, i] for g, i in zip(groups, images, strict=True)]).mean(0)

    median, share = both(groups).mean(0).tolist()
    spread = torch.stack([drawn() for _ in range(DRAWS)]).quantile(torch.tensor([0.025, 0.975]).double(), 0).T.tolist()
    each = torch.stack([both([g[[s]] for g in groups]).mean(0)[0] for s in range(len(error))])
    return {
        "median_px": median,
        "median_low": spread[0][0],
        "median_high": spread[0][1],
        "median_std_over_seeds": float(each.std(correction=min(1, len(each) - 1))),
        "within": share,
        "within_low": spread[1][0],
        "within_high": spread[1][1],
    }


def bench(protocols: Mapping[str, PointProtocol]) -> None:
    """Compare the routes on one of the protocols (the first by default), all with every seed; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", choices=list(protocols), default=next(iter(protocols)))
    parser.add_argument("--score", action="store_true", help="read the score labels, and keep the result")
    parser.add_argument("--steps", type=int, help="of training; the library's default otherwise")
    parser.add_argument("--n", type=int, default=Budget.n, help="rendered images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strength", type=float, help="of the randomization; the library's default otherwise")
    parser.add_argument("--routes", nargs="+", help="of the routes beside source only, or names of adapt methods")
    arguments = parser.parse_args()
    protocol = protocols[arguments.source]
    part, person = protocol.score if arguments.score else protocol.dev
    comparison = compare(
        chosen_routes(arguments.routes, arguments.strength),
        protocol.source,
        protocol.target,
        task=protocol.task,
        budget=Budget(steps=arguments.steps, n=arguments.n),
        seeds=tuple(range(arguments.seeds)),
        repeat="all",
        on_route=lambda name, seed: print(f"{protocol.name}: {name}, seed {seed}", file=sys.stderr, flush=True),
    )
    kind = "score" if arguments.score else "dev"
    print(f"{protocol.name}, {kind} labels, {arguments.seeds} seeds; {describe()}")
    print(f"{'route':14} median px [95 %]      ± seeds   within {protocol.within:g} px [95 %]   label-free   seconds")
    for row, (name, error) in zip(comparison.rows(), errors(comparison, protocol, part).items(), strict=True):
        found = figures(error, person, protocol.within)
        print(
            f"{name:14} {found['median_px']:.2f} [{found['median_low']:.2f}, {found['median_high']:.2f}]"
            f"     {found['median_std_over_seeds']:.2f}      {found['within']:.3f} "
            f"[{found['within_low']:.3f}, {found['within_high']:.3f}]   {row['score_label_free']:<10.4f}   "
            f"{row['seconds']:.0f}{'  <- chosen without real labels' if row['chosen'] else ''}"
        )
        if arguments.score:
            settings = {name: getattr(arguments, name) for name in ("steps", "n", "seeds", "strength")}
            kept = {name: row[name] for name in ("score_label_free", "chosen", "seconds")}
            keep({"protocol": protocol.name, "name": name, **found, **settings, **kept})
