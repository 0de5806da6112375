"""Gaze on MPIIGaze from rendered eyes: methods of the SimGAN paper, routes of this library, and a geometric model.

    python -m benchmarks.quality.gaze_mpiigaze --mpiigaze MPIIGaze --unityeyes imgs

--mpiigaze is the unpacked archive; `synth2real.datasets.mpiigaze` documents where to get it. --unityeyes is the folder
of images rendered by UnityEyes. The defaults are `MPIIGaze` and `UnityEyes/imgs` in the cache folder. A missing source
is skipped. Without MPIIGaze nothing is run. As in the paper, routes adapt to the unlabelled test images. Errors are
in degrees on the authors' evaluation subset; --by-person adds the mean of each person below a row.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.lib.machine import describe
from synth2real import Budget, InputError, Labelled, Route
from synth2real.adapt import DANN, DAREGRAM, RSD, Teacher
from synth2real.data.domains import Inputs, to_float
from synth2real.datasets import mpiigaze, unityeyes
from synth2real.datasets.mpii_gaze import People
from synth2real.randomize import Full
from synth2real.refine import SimGAN
from synth2real.simulate import SIMULATORS, simulator
from synth2real.storage import cache_folder
from synth2real.tasks import Gaze
from synth2real.tasks.directions import degrees_between, to_angles, to_vectors
from synth2real.tasks.eyeball_model import EyeballModel

# Shrivastava et al. (2017): trained on UnityEyes, mean error in degrees on MPIIGaze.
PAPER = {"nearest neighbours": 9.9, "source only": 11.2, "simgan": 7.8, "simgan, no history": 12.2}
NEIGHBOURS = 50
SIZE = (36, 60)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return 0. If the data is missing, print the expected files instead, and also return 0."""
    options = parse(arguments)
    try:
        people = mpiigaze(options.mpiigaze, people=options.people)
    except InputError as error:
        print(f"skipped: {error}")
        return 0
    test = people.data
    print(f"{len(test)} eyes of {len(people.names)} people; {describe('scipy')}")
    shown = people if options.by_person else None
    print(f"{'source':10} {'method':20} {'mean':>6} {'median':>7} {'within 7':>9} {'paper':>6}")
    for centre in ("frame", "images"):
        estimates = by_person(test, people.person, EyeballModel(centre=centre))
        row("none", f"eyeball, {centre}", estimates, test, shown)
    for name, source in sources(options):
        row(name, "nearest neighbours", neighbours(source, test.inputs), test, shown)
        for method, route in routes(options.refine_steps).items():
            if method in (options.routes or routes(1)):
                budget = Budget(steps=options.steps, seed=options.seed)
                model = route.run(source, test.unlabelled(), task=Gaze.of(source), budget=budget).model
                row(name, method, model.predict(test.unlabelled()).values, test, shown)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the options; None stands for those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpiigaze", type=Path, help="the unpacked archive")
    parser.add_argument("--unityeyes", type=Path, default=cache_folder() / "UnityEyes" / "imgs")
    parser.add_argument("--people", nargs="+", help="such as p00; by default all")
    parser.add_argument("--by-person", action="store_true", help="print the mean angle of each person below each row")
    parser.add_argument("--n", type=int, default=20000, help="synthetic images of each source")
    parser.add_argument("--routes", nargs="+", help="names of the routes; all by default")
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--refine-steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def sources(options: argparse.Namespace) -> Iterator[tuple[str, Labelled]]:
    """The synthetic data sets that are available. Prints a line for each missing one."""
    try:
        yield "unityeyes", unityeyes(options.unityeyes, limit=options.n)
    except InputError as error:
        print(f"unityeyes skipped: {error}")
    if "eyes" in SIMULATORS:
        yield "eyes", simulator("eyes", size=SIZE).labelled(options.n, options.seed, "gaze")
    else:
        print(f"eyes skipped: found no simulator of that name, expected one of: {', '.join(SIMULATORS)}")


def routes(refine_steps: int) -> dict[str, Route]:
    """The routes of the paper, then others of this library."""
    pretrain = refine_steps // 10  # steps of the critic alone, before the adversarial training
    return {
        "source only": Route(),
        "simgan": Route(refine=SimGAN(steps=refine_steps, pretrain_critic=pretrain)),
        "simgan, no history": Route(refine=SimGAN(steps=refine_steps, pretrain_critic=pretrain, history=0)),
        "randomized": Route(randomize=Full()),
        "dann": Route(randomize=Full(), adapt=DANN()),
        "rsd": Route(randomize=Full(), adapt=RSD()),
        "daregram": Route(randomize=Full(), adapt=DAREGRAM()),
        "teacher": Route(randomize=Full(), adapt=Teacher()),
        "combined": Route(
            randomize=Full(), refine=SimGAN(steps=refine_steps, pretrain_critic=pretrain), adapt=Teacher()
        ),
    }


def neighbours(source: Labelled, target: Inputs) -> Tensor:
    """Pitch and yaw (N, 2): the mean direction of the nearest source images, by distance of pixels."""

    def pixels(inputs: Inputs) -> Tensor:
        parts = torch.arange(len(inputs)).split(2000)
        return torch.cat([to_float(inputs[part]).flatten(1).half() for part in parts])

    known, vectors = pixels(source.inputs), to_vectors(source.labels)
    means = []
    for part in pixels(target).split(500):
        near = torch.cdist(part.float(), known.float()).topk(min(NEIGHBOURS, len(known)), largest=False).indices
        means.append(vectors[near].mean(1))
    return to_angles(torch.cat(means))


def by_person(test: Labelled, person: Tensor, model: EyeballModel) -> Tensor:
    """Estimates (N, 2) of the eyeball model. Those of a person use only that person's images."""
    found = torch.empty(len(test), 2)
    for one in person.unique():
        index = (person == one).nonzero()[:, 0]
        found[index] = model.estimate(test.inputs[index])
    return found


def row(source: str, method: str, predictions: Tensor, test: Labelled, people: People | None) -> None:
    """Print one row of the table, and below it the mean angle of each person, if `people` are given."""
    found = Gaze().metrics(predictions, test.labels)
    paper = f"{PAPER[method]:.1f}" if source == "unityeyes" and method in PAPER else "-"
    numbers = f"{found['mean_degrees']:6.2f} {found['median_degrees']:7.2f} {found['within_7_degrees']:9.3f}"
    print(f"{source:10} {method:20} {numbers} {paper:>6}", flush=True)
    if people is not None:
        errors = degrees_between(predictions, test.labels)
        means = (f"{name} {errors[people.person == i].nanmean():.2f}" for i, name in enumerate(people.names))
        print(f"{'':11}{', '.join(means)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
