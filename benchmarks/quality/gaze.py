"""Gaze in degrees on real eyes of one person, from rendered eyes: the table of the SimGAN paper, and beyond.

Errors are angles on the *dev* days of the protocol *gaze*, with --score on its *score* days. The columns are the mean
with a 95 % interval (a bootstrap over seeds and images), the share within 3, 5, 7 and 10 degrees (the cumulative
curve), and the mean angle with 5, 10 and 50 few labels: real labels of dev days that correct the trained model. Each
is a mean over --draws random draws. Scored on score days, they are drawn from all dev days; scored on dev days, from
the first half of the days, and the other days are scored.

Without training: `constant` is the median of the rendered labels; `neighbours` averages the 50 nearest rendered images;
`model-based` fits an ellipse to the iris. `--given` adds the head's angles as inputs of each network.

    python -m benchmarks.quality.gaze [--score] [--steps N] [--seeds 2] [--routes dann teacher] [--given]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from benchmarks.lib.gaze import HEAD, GazeProtocol, gaze_protocol
from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import keep
from benchmarks.quality.gaze_mpiigaze import neighbours
from synth2real import Budget, FewLabels, Labelled, Route, Unlabelled
from synth2real.adapt import DANN, DAREGRAM, RSD, Teacher
from synth2real.randomize import Full
from synth2real.refine import SimGAN
from synth2real.simulate import Eyes
from synth2real.tasks import Gaze
from synth2real.tasks.directions import degrees_between
from synth2real.tasks.eyeball_model import EyeballModel
from synth2real.training.correction import correct
from synth2real.training.model import Model

WITHIN = (3, 5, 7, 10)
RESAMPLES = 1000
SOURCE = Eyes(label="gaze")


def routes() -> dict[str, Route]:
    """The routes of the table."""
    policy = Full()
    return {
        "source only": Route(),
        "randomized": Route(randomize=policy),
        "refined": Route(randomize=policy, refine=SimGAN()),
        "refined, no history": Route(randomize=policy, refine=SimGAN(history=0)),
        "refined, global critic": Route(randomize=policy, refine=SimGAN(local=False)),
        "refined, no self-regularisation": Route(randomize=policy, refine=SimGAN(regularisation=0)),
        "dann": Route(randomize=policy, adapt=DANN()),
        "rsd": Route(randomize=policy, adapt=RSD()),
        "daregram": Route(randomize=policy, adapt=DAREGRAM()),
        "teacher": Route(randomize=policy, adapt=Teacher()),
        "combined": Route(randomize=policy, refine=SimGAN(), adapt=Teacher()),
    }


def untrained(part: Labelled, rendered: Labelled) -> dict[str, Tensor]:
    """Pitch and yaw (N, 2) of the estimates that train no network."""
    return {
        "constant": rendered.labels.median(0).values.expand(len(part), -1),
        "neighbours": neighbours(rendered, part.inputs),
        "model-based": EyeballModel(centre="images").estimate(part.inputs),
    }


def trained(
    chosen: Mapping[str, Route], rendered: Labelled, target: Unlabelled, arguments: argparse.Namespace
) -> Iterator[tuple[str, list[Model], float]]:
    """Each route with its models, one for each seed, and the mean seconds of a run."""
    for name, route in chosen.items():
        started = time.perf_counter()
        models = [
            route.run(rendered, target, task=Gaze(), budget=Budget(steps=arguments.steps, seed=seed)).model
            for seed in range(arguments.seeds)
        ]
        yield name, models, (time.perf_counter() - started) / arguments.seeds


def figures(errors: Tensor) -> dict[str, float]:
    """Mean angle with its interval, median, and shares within some degrees, of errors (seeds, N)."""
    generator = torch.Generator().manual_seed(0)
    seeds, images = errors.shape

    def resampled() -> Tensor:
        s = torch.randint(seeds, (seeds,), generator=generator)
        return errors[s][:, torch.randint(images, (images,), generator=generator)].mean()

    low, high = torch.stack([resampled() for _ in range(RESAMPLES)]).quantile(torch.tensor([0.025, 0.975]).double())
    within = {f"within_{degrees}": float((errors <= degrees).double().mean()) for degrees in WITHIN}
    mean, median = float(errors.mean()), float(errors.median(1).values.mean())
    return {"mean_degrees": mean, "low": float(low), "high": float(high), "median_degrees": median, **within}


def corrected(model: Model, protocol: GazeProtocol, labels: int, arguments: argparse.Namespace) -> float:
    """Mean angle after the correction by `labels` few labels, over random draws."""
    days = protocol.dev_day.unique()
    known = protocol.dev_day >= 0 if arguments.score else (protocol.dev_day[:, None] == days[: len(days) // 2]).any(1)
    pool = known.nonzero()[:, 0]
    part = protocol.score if arguments.score else protocol.dev.subset((~known).nonzero()[:, 0])
    part = part if arguments.given else without_given(part)
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(arguments.draws):
        drawn = protocol.dev.subset(pool[torch.randperm(len(pool), generator=generator)[:labels]])
        drawn = drawn if arguments.given else without_given(drawn)
        few = FewLabels.of(drawn)
        predicted = correct(model, few, part.unlabelled(), curve=False).model.predict(part.unlabelled()).values
        found.append(degrees_between(predicted, part.labels).mean())
    return float(torch.stack(found).mean())


def without_given(data: Labelled) -> Labelled:
    """The same data without the head's angles."""
    return Labelled(data.inputs, data.labels, columns=data.columns)


def main() -> None:
    arguments = parse()
    protocol = gaze_protocol()
    part = protocol.score if arguments.score else protocol.dev
    given = HEAD if arguments.given else ()
    target = protocol.target if arguments.given else Unlabelled(protocol.target.inputs)
    part = part if arguments.given else without_given(part)
    rendered = SOURCE.labelled(arguments.n, 0, given=given)
    kind = "score" if arguments.score else "dev"
    print(f"gaze, {kind} days, {len(part)} images, {arguments.seeds} seeds; {describe()}")
    shares = "  ".join(f"<={degrees}" for degrees in WITHIN)
    few = "  ".join(f"{labels:>5}" for labels in arguments.few)
    print(f"{'route':32} mean degrees [95 %]   median  {shares}   few labels: {few}   seconds")
    for name, values in untrained(part, rendered).items():
        show(name, degrees_between(values, part.labels)[None], [], 0.0, arguments)
    chosen = {name: route for name, route in routes().items() if name in (arguments.routes or routes())}
    for name, models, seconds in trained(chosen, rendered, target, arguments):
        errors = torch.stack(
            [degrees_between(model.predict(part.unlabelled()).values, part.labels) for model in models]
        )
        after = [
            sum(corrected(model, protocol, labels, arguments) for model in models) / len(models)
            for labels in arguments.few
        ]
        show(name, errors, after, seconds, arguments)


def show(name: str, errors: Tensor, after: list[float], seconds: float, arguments: argparse.Namespace) -> None:
    """Print one row. With score labels, also append a line to scores.jsonl."""
    found = figures(errors)
    shares = "  ".join(f"{found[f'within_{degrees}']:.2f}" for degrees in WITHIN)
    few = "  ".join(f"{value:5.2f}" for value in after)
    mean = f"{found['mean_degrees']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
    print(
        f"{name:32} {mean:21} {found['median_degrees']:.2f}    {shares}               {few}   {seconds:.0f}", flush=True
    )
    if arguments.score:
        settings = {key: getattr(arguments, key) for key in ("steps", "n", "seeds", "given", "draws")}
        labels = {f"with_{n}_labels": value for n, value in zip(arguments.few, after, strict=False)}
        keep({"protocol": "gaze", "name": name, **found, **labels, **settings, "seconds": round(seconds)})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="use the labels of the score days, and store the result")
    parser.add_argument("--given", action="store_true", help="the head's angles are inputs of the networks")
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--n", type=int, default=Budget.n, help="number of rendered images")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--few", type=int, nargs="*", default=[5, 10, 50], help="numbers of few labels")
    parser.add_argument("--draws", type=int, default=20, help="random draws of few labels")
    parser.add_argument("--routes", nargs="+", help="names of the routes; all by default")
    return parser.parse_args()


if __name__ == "__main__":
    main()
