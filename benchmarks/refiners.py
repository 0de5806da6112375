"""What refinement does, to images, to labels and to what is trained on them: `python benchmarks/refiners.py`.

A row a refiner, with its defaults, beside the images as rendered (`none`):

    told     how often a network tells real images from these, held out of its training; 0.5 where they pass for real
    KID      times 1,000, of these from real ones, on the features of a network that was trained on those as rendered
    moved    pixels by which that network finds the point elsewhere than before (it bounds what labels have moved)
    error    of a network trained on these alone, on real images: median pixels, or the share of classes missed

`--protocol eyes` finds a point, `digits` and `fonts` are classes: aligning images is said to help regression less than
classification (ImSty, 2023). Labels are those of the dev part; with --score those that state figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from eyes import eyes
from machine import describe
from points import PointProtocol
from protocols import Protocol, digits, fonts

from synth2real import Budget, Labelled, Model, Route
from synth2real.refine import METHODS
from synth2real.route.realism import kid, label_displacement, machine_turing_test
from synth2real.route.route import Run
from synth2real.tasks import Keypoints

PROTOCOLS: dict[str, Callable[[], Protocol | PointProtocol]] = {"eyes": eyes, "digits": digits, "fonts": fonts}
USUAL = ("histogram", "fourier", "reinhard", "style", "simgan")  # cyclegan and cut take several times as long


@dataclass(frozen=True)
class Row:
    """What one refiner has done with one seed."""

    told: float
    kid: float
    moved: float | None
    error: float


def error(protocol: Protocol | PointProtocol, model: Model, score: bool) -> float:
    """Of a model on real images: the median in pixels, or the share of classes missed."""
    if isinstance(protocol, Protocol):
        return 1 - float(model.evaluate(protocol.score if score else protocol.dev)["accuracy"])
    part, _ = protocol.score if score else protocol.dev
    return float((model.predict(part.unlabelled()).values - part.labels).norm(dim=1).median()) * protocol.scale


def measured(protocol: Protocol | PointProtocol, run: Run, detector: Model, score: bool, seed: int) -> Row:
    """The figures of a run, by a detector that was trained on the images as they were."""
    before, after = run.rendered.inputs, run.rendered.inputs if run.refined is None else run.refined
    real = protocol.target.inputs
    return Row(
        machine_turing_test(real, after, seed=seed),
        kid(real, after, detector),
        label_displacement(detector, before, after) if isinstance(detector.task, Keypoints) else None,
        error(protocol, run.model, score),
    )


def cells(rows: Sequence[Row]) -> list[str]:
    """Means over seeds, and the deviation of the error."""
    moved = [row.moved for row in rows if row.moved is not None]
    spread = f" ± {stdev(row.error for row in rows):.3f}" if len(rows) > 1 else ""
    return [
        f"{mean(row.told for row in rows):.3f}",
        f"{1000 * mean(row.kid for row in rows):.2f}",
        f"{mean(moved):.2f}" if moved else "-",
        f"{mean(row.error for row in rows):.3f}{spread}",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=list(PROTOCOLS), default="eyes")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(USUAL))
    parser.add_argument("--score", action="store_true", help="read the score labels")
    parser.add_argument("--steps", type=int, help="of training; the library's default otherwise")
    parser.add_argument("--n", type=int, default=Budget.n, help="rendered images")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args(argv)
    protocol = PROTOCOLS[arguments.protocol]()
    task = protocol.task if isinstance(protocol, PointProtocol) else None
    found: dict[str, list[Row]] = {}
    for seed in range(arguments.seeds):
        budget = Budget(steps=arguments.steps, n=arguments.n, seed=seed)
        source = protocol.source
        source = source if isinstance(source, Labelled) else source.labelled(budget.n, seed)
        plain = Route().run(source, protocol.target, task=task, budget=budget)
        for name in ("none", *arguments.methods):
            print(f"{protocol.name}: {name}, seed {seed}", file=sys.stderr, flush=True)
            run = plain
            if name != "none":
                run = Route(refine=METHODS[name]()).run(source, protocol.target, task=task, budget=budget)
            found.setdefault(name, []).append(measured(protocol, run, plain.model, arguments.score, seed))
    part = "score" if arguments.score else "dev"
    print(
        f"{protocol.name}, {part} labels, {arguments.seeds} seeds, {arguments.steps or 'default'} steps; {describe()}"
    )
    print("refiner".ljust(12) + "".join(head.ljust(9) for head in ("told", "KID", "moved")) + "error")
    for name, rows in found.items():
        print(name.ljust(12) + "".join(cell.ljust(9) for cell in cells(rows)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
