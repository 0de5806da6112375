"""Compares every adaptation method with its defaults.

Each row is a method and each column a protocol. A cell has the mean accuracy over seeds, the number of seeds, and the
seconds of one run. Each finished run is stored at once as a line of benchmarks/results/adapt_methods.jsonl, or of
benchmarks/results/scores.jsonl with --score. A stored run with the same route, steps and seed is not repeated, so you
can stop the benchmark at any time and start it again.

    python -m benchmarks.quality.methods.adapt_methods [--score] [--methods dann teacher] [--show]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import RESULTS, SCORES, Protocol, digits, fonts, keep, mnist_to_usps, usps_to_mnist
from synth2real import Budget, Route
from synth2real.adapt import METHODS
from synth2real.randomize import METHODS as RANDOMIZE

DEV = RESULTS / "adapt_methods.jsonl"
PROTOCOLS: Mapping[str, Callable[[], Protocol]] = {
    "mnist-usps": mnist_to_usps,
    "usps-mnist": usps_to_mnist,
    "digits": digits,
    "fonts": fonts,
}
KEY = ("protocol", "name", "steps", "seed", "part", "route")


@dataclass(frozen=True)
class Plan:
    """One requested run: the key that identifies it, and its route."""

    key: dict[str, Any]
    route: Route


def route(method: str, randomize: str = "own") -> Route:
    """The method with all its defaults.

    With `randomize="own"`, the randomization is the method's own, as in `train --adapt`. Source only has no
    randomization of its own. The gain of a method over source only then includes the gain of its randomization.

    Args:
        method: a name of `adapt.METHODS`.
        randomize: `own`, `none`, or a name of `randomize.METHODS`.
    """
    policy = METHODS[method].default_randomization if randomize == "own" else randomize
    return Route(randomize=None if policy in (None, "none") else RANDOMIZE[policy](), adapt=METHODS[method]())


def plans(arguments: argparse.Namespace) -> Iterator[Plan]:
    """Every requested run. All methods of one seed come before the next seed, so an unfinished table is still fair."""
    part = "score" if arguments.score else "dev"
    for seed in range(arguments.seeds):
        for protocol in arguments.protocols:
            for name in arguments.methods:
                chosen = route(name, arguments.randomize)
                key = {"protocol": protocol, "name": name, "steps": arguments.steps, "seed": seed, "part": part}
                yield Plan({**key, "route": chosen.describe()}, chosen)


def kept(file: Path) -> dict[str, dict[str, Any]]:
    """Read the lines of this benchmark by their key. An incomplete line, left by a crash, is skipped."""
    found = {}
    for text in file.read_text().splitlines() if file.exists() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if all(name in line for name in KEY):
            found[known_by(line)] = line
    return found


def known_by(line: Mapping[str, Any]) -> str:
    return json.dumps({name: line[name] for name in KEY}, sort_keys=True)


def take(plan: Plan, protocol: Protocol, file: Path) -> None:
    """Run a plan and append its result to `file`."""
    start = time.perf_counter()
    budget = Budget(steps=plan.key["steps"], seed=plan.key["seed"])
    model = plan.route.run(protocol.source, protocol.target, budget=budget).model
    seconds = time.perf_counter() - start
    accuracy = model.evaluate(protocol.score if plan.key["part"] == "score" else protocol.dev)["accuracy"]
    keep({**plan.key, "accuracy": accuracy, "seconds": round(seconds, 1)}, file)


def table(requested: Sequence[Plan], lines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lines of the table: one row for each method, one column for each protocol.

    A cell has the accuracy in percent (mean and standard deviation over seeds) and the seconds.
    """
    cells: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for plan in requested:
        found = lines.get(known_by(plan.key))
        cells.setdefault((plan.key["name"], plan.key["protocol"]), []).extend([found] if found else [])
    methods, protocols = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
    rows = ["method".ljust(16) + "".join(name.ljust(24) for name in protocols)]
    rows += [name.ljust(16) + "".join(_cell(cells[name, column]).ljust(24) for column in protocols) for name in methods]
    return [row.rstrip() for row in rows]


def _cell(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return "-"
    values = [100 * line["accuracy"] for line in found]
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread} ({len(values)} x {mean(line['seconds'] for line in found):.0f} s)"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="read the score labels, and store the result")
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument(
        "--randomize", choices=["own", "none", *RANDOMIZE], default="own", help="own: that of each method"
    )
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--show", action="store_true", help="print the table of the stored runs, and run nothing")
    arguments = parser.parse_args(argv)
    file = SCORES if arguments.score else DEV
    requested = list(plans(arguments))
    loaded = {} if arguments.show else {name: PROTOCOLS[name]() for name in arguments.protocols}
    for plan in requested if loaded else ():
        if known_by(plan.key) not in kept(file):
            print("{protocol}: {name}, seed {seed}".format(**plan.key), file=sys.stderr)
            take(plan, loaded[plan.key["protocol"]], file)
    print(f"{'score' if arguments.score else 'dev'} labels; {'stored runs' if arguments.show else describe()}")
    print("\n".join(table(requested, kept(file))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
