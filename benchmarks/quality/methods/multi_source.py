"""Compares one source with several: rendered digits, MNIST, and both together, to USPS.

Each row is a route with its defaults: source only, randomized, two variants of DANN, and the teacher. The critic of the
first DANN distinguishes all sources from each other. The critic of the second distinguishes only the target from the
sources, as if they were one source. Each column is a source. The number of rendered digits equals that of MNIST digits,
so both together have twice as many.

    python -m benchmarks.quality.methods.multi_source [--score] [--routes dann teacher] [--steps N] [--seeds 3]
"""

from __future__ import annotations

import argparse
import sys
from statistics import mean, stdev

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import keep, mnist_to_usps
from synth2real import Budget, Labelled, Route
from synth2real.adapt import DANN, Teacher
from synth2real.data.multi_source import join
from synth2real.randomize import Full
from synth2real.simulate import Digits

SIDE = 16  # pixels of a USPS image
ROUTES = {
    "source-only": Route(),
    "randomized": Route(randomize=Full()),
    "dann": Route(randomize=Full(), adapt=DANN()),
    "dann, discriminates=target": Route(randomize=Full(), adapt=DANN(discriminates="target")),
    "teacher": Route(randomize=Full(), adapt=Teacher()),
}
PER_SOURCE = ("dann, discriminates=target",)  # with one source these routes equal `dann`


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="read the score labels, and store the result")
    parser.add_argument("--routes", nargs="+", choices=list(ROUTES), default=list(ROUTES))
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    protocol = mnist_to_usps()
    part, labels = (protocol.score, "score") if arguments.score else (protocol.dev, "dev")
    mnist = protocol.source
    assert isinstance(mnist, Labelled)
    rendered = Digits(size=(SIDE, SIDE)).labelled(len(mnist), seed=0)
    sources = {"rendered": rendered, "mnist": mnist, "both": join([rendered, mnist], ["rendered", "mnist"])}
    rows: dict[str, list[str]] = {name: [] for name in arguments.routes}
    for called, source in sources.items():
        for name in arguments.routes:
            if name in PER_SOURCE and called != "both":
                rows[name].append("as dann")
                continue
            print(f"{called}: {name}", file=sys.stderr, flush=True)
            found = []
            for seed in range(arguments.seeds):
                budget = Budget(steps=arguments.steps, seed=seed)
                model = ROUTES[name].run(source, protocol.target, budget=budget).model
                found.append(float(model.evaluate(part)["accuracy"]))
            spread = f" ± {100 * stdev(found):.1f}" if len(found) > 1 else ""
            rows[name].append(f"{100 * mean(found):.1f}{spread}")
            if arguments.score:
                setting = {"steps": arguments.steps, "seeds": arguments.seeds, "accuracy": found}
                keep({"protocol": "several to usps", "source": called, "name": name, **setting})
    print(f"to usps, {labels} labels, accuracy in percent, {arguments.seeds} seeds; {describe()}")
    print("route".ljust(20) + "".join(called.ljust(14) for called in sources).rstrip())
    for name, cells in rows.items():
        print(name.ljust(20) + "".join(cell.ljust(14) for cell in cells).rstrip())


if __name__ == "__main__":
    main()
