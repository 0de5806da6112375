"""Compares the randomization strength chosen without real labels with the best strength in hindsight.

The simulator has ranges a fifth as wide, which makes the gap large. The protocol *digits* has no simulator and is not
changed. One model is trained for each strength of `randomize.Full`, and one without randomization. `compare` chooses
one from their predictions on the unlabelled target. Hindsight picks the strength of least mean error on one half of the
labelled images and is scored on the other half. Then the halves change places, so hindsight gains nothing from chance.

The interval of the difference is a paired bootstrap over images, with errors averaged over seeds. If the images have
persons, there is a second interval over persons, and the table has the mean error of each person.

    python -m benchmarks.quality.selection.strength --protocol fonts [--score]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from benchmarks.lib.machine import describe
from benchmarks.lib.points import PointProtocol
from benchmarks.lib.protocols import Protocol, digits, fonts, keep
from benchmarks.quality.protocols.eyes import eyes
from benchmarks.quality.protocols.pupils import NARROW, pupils
from benchmarks.quality.selection.hindsight import against_hindsight, errors, people
from synth2real import Budget, Route, compare
from synth2real.randomize import Full
from synth2real.simulate import Simulator

STRENGTHS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
PROTOCOLS: dict[str, Callable[[], Protocol | PointProtocol]] = {
    "fonts": fonts,
    "digits": digits,
    "eyes": eyes,
    "pupils": pupils,
}


def narrow(name: str) -> Protocol | PointProtocol:
    """The protocol with ranges of its simulator, if it has one, a fifth as wide."""
    protocol = PROTOCOLS[name]()
    if isinstance(protocol.source, Simulator):
        return replace(protocol, source=protocol.source.widened(NARROW))
    return protocol


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=list(PROTOCOLS), default="fonts")
    parser.add_argument("--score", action="store_true", help="read the score labels, and store the result")
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--n", type=int, default=Budget.n, help="number of rendered images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS)
    arguments = parser.parse_args()
    protocol, kind = narrow(arguments.protocol), "score" if arguments.score else "dev"
    comparison = compare(
        {f"{strength:g}": Route(randomize=Full(strength=strength)) for strength in arguments.strengths},
        protocol.source,
        protocol.target,
        task=protocol.task if isinstance(protocol, PointProtocol) else None,
        budget=Budget(steps=arguments.steps, n=arguments.n),
        seeds=tuple(range(arguments.seeds)),
        repeat="all",
        on_route=lambda name, seed: print(f"{arguments.protocol}: {name}, seed {seed}", file=sys.stderr, flush=True),
    )
    error = errors(comparison, protocol, arguments.score)
    person = people(protocol, arguments.score)
    found = against_hindsight(error, comparison.chosen.name, person)
    unit = "px" if isinstance(protocol, PointProtocol) else "share wrong"
    print(f"{arguments.protocol}, narrow source, {kind} labels, {arguments.seeds} seeds; {describe()}")
    print(f"{'strength':14} mean error ({unit})   label-free")
    for row in comparison.rows():
        mark = "  <- chosen without real labels" if row["chosen"] else ""
        each = error[row["name"]].mean(0)
        print(f"{row['name']:14} {float(each.mean()):<24.4f} {row['score_label_free']:.4f}{mark}{by(each, person)}")
    print(
        f"chosen {found['chosen']}: {found['chosen_error']:.4f}; hindsight {' and '.join(found['hindsight'])}: "
        f"{found['hindsight_error']:.4f}; difference {found['difference']:.4f} "
        f"[{found['low']:.4f}, {found['high']:.4f}]"
        + ("" if person is None else f", over persons [{found['low_people']:.4f}, {found['high_people']:.4f}]")
    )
    if arguments.score:
        settings = {name: getattr(arguments, name) for name in ("steps", "n", "seeds", "strengths")}
        keep({"protocol": f"strength, {arguments.protocol}", **found, **settings, "unit": unit})


def by(error: Tensor, person: Tensor | None) -> str:
    """Mean error of each person as text; empty if there are no persons."""
    if person is None:
        return ""
    return "   by person: " + ", ".join(f"{who}: {float(error[person == who].mean()):.2f}" for who in person.unique())


if __name__ == "__main__":
    main()
