"""What the protocols *eyes* and *pupils* share: they learn from rendered eyes to find a point in real eyes.

Errors are Euclidean distances in pixels of the original image. A figure is computed for each person first, then
averaged over persons. Its interval is a bootstrap over seeds, and over images within each person.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import keep
from synth2real import Budget, Comparison, Labelled, Route, Unlabelled, compare
from synth2real.adapt import DANN, METHODS, Teacher
from synth2real.comparison.comparison import Trial
from synth2real.randomize import METHODS as RANDOMIZE
from synth2real.randomize import Full
from synth2real.refine import SimGAN
from synth2real.settings import build
from synth2real.simulate import Simulator
from synth2real.tasks import Keypoints

RESAMPLES = 1000  # of the bootstrap


@dataclass(frozen=True)
class PointProtocol:
    """A simulator of eyes, unlabelled real eyes, and two separate sets of real labels: `dev` and `score`.

    Args:
        dev, score: labelled images, and the person in each image (N,).
        within: distance in pixels; the table has the share of images with at most this error.
        scale: pixels of the original image for one pixel of the training image.
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
    """The routes that every protocol compares, with one strength of the randomization."""
    policy = Full(strength=strength)
    return {
        "randomized": Route(randomize=policy),
        "refined": Route(randomize=policy, refine=SimGAN()),
        "dann": Route(randomize=policy, adapt=DANN()),
        "teacher": Route(randomize=policy, adapt=Teacher()),
        "combined": Route(refine=SimGAN(), randomize=policy, adapt=Teacher()),
    }


def chosen_routes(names: Sequence[str] | None, strength: float | None) -> dict[str, Route]:
    """The routes of these names; all if None. A name of `adapt.METHODS` gives that method with its own defaults."""
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
    """Error of each image with each seed, for each route: (seeds, N) float64."""

    def of(trial: Trial) -> Tensor:
        predicted = trial.run.model.predict(part.unlabelled()).values
        error: Tensor = (predicted - part.labels).norm(dim=1).double() * protocol.scale
        return error

    return {
        candidate.name: torch.stack([of(trial) for trial in candidate.trials]) for candidate in comparison.candidates
    }


def figures(error: Tensor, person: Tensor, within: float) -> dict[str, float]:
    """Median error and share of images within a distance: means over persons and seeds, with 95 % intervals."""
    generator = torch.Generator().manual_seed(0)
    groups = [error[:, person == who] for who in person.unique()]

    def both(parts: list[Tensor]) -> Tensor:
        return torch.stack([torch.stack([p.median(1).values.mean(), (p <= within).double().mean()]) for p in parts])

    def resampled() -> Tensor:
        seeds = torch.randint(len(error), (len(error),), generator=generator)
        images = [torch.randint(g.shape[1], (g.shape[1],), generator=generator) for g in groups]
        return both([g[seeds][:, i] for g, i in zip(groups, images, strict=True)]).mean(0)

    median, share = both(groups).mean(0).tolist()
    means = torch.stack([resampled() for _ in range(RESAMPLES)])
    spread = means.quantile(torch.tensor([0.025, 0.975]).double(), 0).T.tolist()
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


def bench(protocols: Mapping[str, Callable[[], PointProtocol]], description: str | None = None) -> None:
    """Compare the routes on one of the protocols (by default the first), each with every seed, and print the table."""
    arguments = parse(list(protocols), description)
    protocol = protocols[arguments.source]()
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
    print_table(protocol, comparison, arguments)


def parse(names: Sequence[str], description: str | None) -> argparse.Namespace:
    """Read the command line. `names` are the protocols to choose from."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=names, default=names[0])
    parser.add_argument("--score", action="store_true", help="read the score labels, and store the result")
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--n", type=int, default=Budget.n, help="number of rendered images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strength", type=float, help="of the randomization; by default that of the library")
    parser.add_argument("--routes", nargs="+", help="names of routes or of adapt methods; source only is always added")
    return parser.parse_args()


def print_table(protocol: PointProtocol, comparison: Comparison, arguments: argparse.Namespace) -> None:
    """Print one row for each route. With score labels, also append one line for each route to scores.jsonl."""
    part, person = protocol.score if arguments.score else protocol.dev
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
