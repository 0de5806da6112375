"""Gaze on MPIIGaze from rendered eyes: the table of the SimGAN paper, of this library's routes, and of no learning.

    python benchmarks/gaze_mpiigaze.py --mpiigaze MPIIGaze --unityeyes imgs

MPIIGaze is the unpacked archive (`synth2real.datasets.mpiigaze` says where it is from), UnityEyes the folder of that
program's renderings; by default `MPIIGaze` and `UnityEyes/imgs` in the cache folder. A source that is absent is left
out, and without MPIIGaze nothing is run. Routes adapt to the images that they are scored on, without their labels, as
the paper's refiner does; every figure is the mean error in degrees on the authors' evaluation subset.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from machine import describe
from torch import Tensor

from synth2real import Budget, InputError, Labelled, Route
from synth2real.adapt import DANN, Teacher
from synth2real.data.domains import Inputs, to_float
from synth2real.datasets import mpiigaze, unityeyes
from synth2real.datasets.download import cache_folder
from synth2real.randomize import Full
from synth2real.refine import SimGAN
from synth2real.simulate import SIMULATORS, simulator
from synth2real.tasks import Gaze
from synth2real.tasks.directions import to_angles, to_vectors
from synth2real.tasks.eyeball_model import EyeballModel

# Shrivastava et al. (2017): trained on UnityEyes, mean error in degrees on MPIIGaze.
PAPER = {"nearest neighbours": 9.9, "source only": 11.2, "simgan": 7.8, "simgan, no history": 12.2}
NEIGHBOURS = 50
SIZE = (36, 60)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0 where it was run, and where data is absent, with a line that says what is expected."""
    options = parse(arguments)
    try:
        people = mpiigaze(options.mpiigaze, people=options.people)
    except InputError as error:
        print(f"skipped: {error}")
        return 0
    test = people.data
    print(f"{len(test)} eyes of {len(people.names)} people; {describe('scipy')}")
    print(f"{'source':10} {'method':20} {'mean':>6} {'median':>7} {'within 7':>9} {'paper':>6}")
    for centre in ("frame", "images"):
        estimates = by_person(test, people.person, EyeballModel(centre=centre))
        row("none", f"eyeball, {centre}", estimates, test)
    for name, source in sources(options):
        row(name, "nearest neighbours", neighbours(source, test.inputs), test)
        for method, route in routes(options.refine_steps).items():
            if method in (options.routes or routes(1)):
                budget = Budget(steps=options.steps, seed=options.seed)
                model = route.run(source, test.unlabelled(), task=Gaze.of(source), budget=budget).model
                row(name, method, model.predict(test.unlabelled()).values, test)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, from the command line where None are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpiigaze", type=Path, help="the unpacked archive")
    parser.add_argument("--unityeyes", type=Path, default=cache_folder() / "UnityEyes" / "imgs")
    parser.add_argument("--people", nargs="+", help="such as p00; all by default")
    parser.add_argument("--n", type=int, default=20000, help="synthetic images of each source")
    parser.add_argument("--routes", nargs="+", help="names of the routes; all by default")
    parser.add_argument("--steps", type=int, help="of training; the library's default otherwise")
    parser.add_argument("--refine-steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def sources(options: argparse.Namespace) -> Iterator[tuple[str, Labelled]]:
    """The synthetic eyes that are there; a line for each that is not."""
    try:
        yield "unityeyes", unityeyes(options.unityeyes, limit=options.n)
    except InputError as error:
        print(f"unityeyes skipped: {error}")
    if "eyes" in SIMULATORS:
        yield "eyes", simulator("eyes", size=SIZE).labelled(options.n, options.seed, "gaze")
    else:
        print(f"eyes skipped: there is no simulator of that name, only {', '.join(SIMULATORS)}")


def routes(refine_steps: int) -> dict[str, Route]:
    """The paper's rows, then what else this library has."""
    alone = refine_steps // 10  # the critic's, before the game
    return {
        "source only": Route(),
        "simgan": Route(refine=SimGAN(steps=refine_steps, pretrain_critic=alone)),
        "simgan, no history": Route(refine=SimGAN(steps=refine_steps, pretrain_critic=alone, history=0)),
        "randomized": Route(randomize=Full()),
        "dann": Route(randomize=Full(), adapt=DANN()),
        "teacher": Route(randomize=Full(), adapt=Teacher()),
    }


def neighbours(source: Labelled, target: Inputs) -> Tensor:
    """Pitch and yaw (N, 2): the mean direction of the nearest images of the source by their pixels."""

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
    """Estimates (N, 2), each person's from that person's images alone."""
    found = torch.empty(len(test), 2)
    for one in person.unique():
        index = (person == one).nonzero()[:, 0]
        found[index] = model.estimate(test.inputs[index])
    return found


def row(source: str, method: str, predictions: Tensor, test: Labelled) -> None:
    """One line of the table."""
    found = Gaze().metrics(predictions, test.labels)
    paper = f"{PAPER[method]:.1f}" if source == "unityeyes" and method in PAPER else "-"
    numbers = f"{found['mean_degrees']:6.2f} {found['median_degrees']:7.2f} {found['within_7_degrees']:9.3f}"
    print(f"{source:10} {method:20} {numbers} {paper:>6}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
