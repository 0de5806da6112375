"""Measures what refinement does to images, to labels, and to a model trained on the refined images.

Each row is a refiner with its defaults. The row `none` is the images as rendered. Columns:

    C2ST           two-sample accuracy: the held-out accuracy of a network that classifies images as real or refined;
                   0.5 if it cannot distinguish them
    KID            kernel distance to the real images, times 1,000, on the features of a network trained on the images
                   as rendered
    displacement   label displacement: distance in pixels between the points that this network predicts before and after
                   refinement; an upper bound of how far refinement moves the labels
    error          error on real images of a network trained only on these images: median in pixels, or the share of
                   wrong classes

`--protocol eyes` is regression (a point), `digits` and `fonts` are classification. Aligning images is reported to help
regression less than classification (ImSty, 2023). The error is on the dev labels, or with --score on the score labels.

    python -m benchmarks.quality.methods.refiners [--protocol eyes] [--methods simgan] [--score]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from benchmarks.lib.machine import describe
from benchmarks.lib.points import PointProtocol
from benchmarks.lib.protocols import Protocol, digits, fonts
from benchmarks.quality.protocols.eyes import eyes
from synth2real import Budget, Labelled, Model, Route
from synth2real.refine import METHODS
from synth2real.route.realism import kid, label_displacement, machine_turing_test
from synth2real.route.run import Run
from synth2real.tasks import Keypoints

PROTOCOLS: dict[str, Callable[[], Protocol | PointProtocol]] = {"eyes": eyes, "digits": digits, "fonts": fonts}
USUAL = (
    "histogram",
    "fourier",
    "reinhard",
    "style",
    "simgan",
)  # cyclegan and cut take several times as long


@dataclass(frozen=True)
class Row:
    """Figures of one refiner with one seed. `displacement` is None for classification."""

    c2st: float
    kid: float
    displacement: float | None
    error: float


def error(protocol: Protocol | PointProtocol, model: Model, score: bool) -> float:
    """Error of a model on real images: the median in pixels, or the share of wrong classes."""
    if isinstance(protocol, Protocol):
        return 1 - float(model.evaluate(protocol.score if score else protocol.dev)["accuracy"])
    part, _ = protocol.score if score else protocol.dev
    return float((model.predict(part.unlabelled()).values - part.labels).norm(dim=1).median()) * protocol.scale


def measured(protocol: Protocol | PointProtocol, run: Run, detector: Model, score: bool, seed: int) -> Row:
    """The figures of a run. `detector` is a model trained on the images as rendered."""
    before, after = run.rendered.inputs, run.rendered.inputs if run.refined is None else run.refined
    real = protocol.target.inputs
    return Row(
        machine_turing_test(real, after, seed=seed),
        kid(real, after, detector),
        label_displacement(detector, before, after) if isinstance(detector.task, Keypoints) else None,
        error(protocol, run.model, score),
    )


def cells(rows: Sequence[Row]) -> list[str]:
    """Cells of a row: means over seeds, and the standard deviation of the error."""
    displacements = [row.displacement for row in rows if row.displacement is not None]
    spread = f" ± {stdev(row.error for row in rows):.3f}" if len(rows) > 1 else ""
    return [
        f"{mean(row.c2st for row in rows):.3f}",
        f"{1000 * mean(row.kid for row in rows):.2f}",
        f"{mean(displacements):.2f}" if displacements else "-",
        f"{mean(row.error for row in rows):.3f}{spread}",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=list(PROTOCOLS), default="eyes")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(USUAL))
    parser.add_argument("--score", action="store_true", help="read the score labels")
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--n", type=int, default=Budget.n, help="number of rendered images")
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
    print("refiner".ljust(12) + "".join(head.ljust(15) for head in ("C2ST", "KID", "displacement")) + "error")
    for name, rows in found.items():
        print(name.ljust(12) + "".join(cell.ljust(15) for cell in cells(rows)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
