"""One source beside several: rendered digits, MNIST, and both, to USPS. `python benchmarks/several.py [--score]`.

Rows are routes with their defaults: source only, randomized, DANN whose critic tells every source from every other,
DANN whose critic tells the target alone (as if the sources were one), and the teacher. Columns are sources. There are
as many rendered digits as written ones, so both together are twice as many.
"""

from __future__ import annotations

import argparse
import sys
from statistics import mean, stdev

from machine import describe
from protocols import keep, mnist_to_usps

from synth2real import Budget, Labelled, Route
from synth2real.adapt import DANN, Teacher
from synth2real.data.multi_source import join
from synth2real.randomize import Full
from synth2real.simulate import Digits

SIDE = 16  # of USPS
ROUTES = {
    "source-only": Route(),
    "randomized": Route(randomize=Full()),
    "dann": Route(randomize=Full(), adapt=DANN()),
    "dann, discriminates=target": Route(randomize=Full(), adapt=DANN(discriminates="target")),
    "teacher": Route(randomize=Full(), adapt=Teacher()),
}
PER_SOURCE = ("dann, discriminates=target",)  # routes that one source makes no other of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="read the score labels, and keep the result")
    parser.add_argument("--routes", nargs="+", choices=list(ROUTES), default=list(ROUTES))
    parser.add_argument("--steps", type=int, help="of training; the library's default otherwise")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    protocol = mnist_to_usps()
    part, labels = (protocol.score, "score") if arguments.score else (protocol.dev, "dev")
    written = protocol.source
    assert isinstance(written, Labelled)
    rendered = Digits(size=(SIDE, SIDE)).labelled(len(written), seed=0)
    sources = {"rendered": rendered, "mnist": written, "both": join([rendered, written], ["rendered", "mnist"])}
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
