"""Label shift: how much a method gains from an estimate of the target's class shares.

    python -m benchmarks.quality.methods.label_shift [--score] [--shares 0.5 0.25 0.1] [--priors source estimated mlls]

The protocol is MNIST to USPS. All classes of the source have equal shares. With share s, the target keeps the fraction
s of the samples of the first five classes, and the fraction 1 - s of the others. At 0.5 there is no shift; at 0.1 the
other classes have nine times as many samples. Each row is a setting of `target_prior`; one more row is randomization
alone. Each column is a share.
"""

from __future__ import annotations

import argparse
import sys
from statistics import mean, stdev

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import keep, unbalanced
from synth2real import Budget, Route
from synth2real.adapt import AdaMatch, Teacher
from synth2real.randomize import Full

METHODS = {"teacher": Teacher, "adamatch": AdaMatch}
PRIORS = ("source", "none", "estimated", "mlls")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="read the score labels, and store the result")
    parser.add_argument("--method", choices=list(METHODS), default="teacher")
    parser.add_argument("--shares", nargs="+", type=float, default=[0.5, 0.25, 0.1])
    parser.add_argument("--priors", nargs="+", choices=PRIORS, default=list(PRIORS))
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    kind = METHODS[arguments.method]
    routes = {"randomized": Route(randomize=Full())}
    routes |= {prior: Route(randomize=Full(), adapt=kind(target_prior=prior)) for prior in arguments.priors}
    rows: dict[str, list[str]] = {name: [] for name in routes}
    for share in arguments.shares:
        protocol = unbalanced(0.5, share)
        part = protocol.score if arguments.score else protocol.dev
        for name, route in routes.items():
            print(f"{protocol.name}: {name}", file=sys.stderr, flush=True)
            found = []
            for seed in range(arguments.seeds):
                budget = Budget(steps=arguments.steps, seed=seed)
                run = route.run(protocol.source, protocol.target, budget=budget)
                found.append(100 * float(run.model.evaluate(part)["accuracy"]))
            spread = f" ± {stdev(found):.1f}" if len(found) > 1 else ""
            rows[name].append(f"{mean(found):.1f}{spread}")
            if arguments.score:
                setting = {"steps": arguments.steps, "accuracy": [value / 100 for value in found]}
                keep({"protocol": protocol.name, "name": f"{arguments.method}, prior {name}", **setting})
    labels = "score" if arguments.score else "dev"
    print(f"mnist to usps, {arguments.method}, {labels} labels, {arguments.seeds} seeds; {describe()}")
    print("prior".ljust(14) + "".join(f"share {share:g}".ljust(14) for share in arguments.shares).rstrip())
    for name, cells in rows.items():
        print(name.ljust(14) + "".join(cell.ljust(14) for cell in cells).rstrip())


if __name__ == "__main__":
    main()
