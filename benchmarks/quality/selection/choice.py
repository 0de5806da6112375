"""Compares the route that `compare` chooses within a budget with the best route in hindsight.

For each protocol, the default routes are compared as by the command `synth2real compare`: source only is one of them,
the method is successive halving, and no real label is used. Hindsight uses the same trained models. It picks the route
of least mean error on one half of the labelled samples and is scored on the other half. Then the halves change places.
The interval of the difference is a paired bootstrap over samples, with errors averaged over seeds.

With --keep, trainings are stored in a folder, and stored trainings are not repeated. For image classification, the
regret of each validator is then printed for each round: the difference between the best accuracy and that of the
candidate with the best score.

    python -m benchmarks.quality.selection.choice --protocols fonts pupils books:dvd --minutes 15 [--score]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.lib.machine import describe
from benchmarks.lib.points import PointProtocol
from benchmarks.lib.protocols import Protocol, digits, fonts, keep, mnist_to_usps, reversed_balance, usps_to_mnist
from benchmarks.quality.protocols.eyes import eyes
from benchmarks.quality.protocols.eyes import narrow as narrow_eyes
from benchmarks.quality.protocols.pupils import narrow as narrow_pupils
from benchmarks.quality.protocols.pupils import pupils
from benchmarks.quality.protocols.sentiment import PAIRS, sentiment
from benchmarks.quality.selection.hindsight import against_hindsight, errors, people
from benchmarks.quality.selection.unseen import PROTOCOLS as UNSEEN
from synth2real import Comparison, Labelled, compare, load_model
from synth2real.comparison.comparison import TRIALS
from synth2real.comparison.evaluation import HELD, HELD_SEED, some
from synth2real.comparison.named_routes import default_routes
from synth2real.comparison.trials import TRIAL
from synth2real.select.validators import Pool, labels_of, observe, validate
from synth2real.tasks import Classification

VALIDATORS = ("ensv", "bnm", "augmentation-consistency", "transfer-score", "mixval", "combined")
PROTOCOLS: dict[str, Callable[[], Protocol | PointProtocol]] = {
    "fonts": fonts,
    "digits": digits,
    "mnist-usps": mnist_to_usps,
    "usps-mnist": usps_to_mnist,
    "reversed": reversed_balance,
    "eyes": eyes,
    "eyes-narrow": narrow_eyes,
    "pupils": pupils,
    "pupils-narrow": narrow_pupils,
    **UNSEEN,
    **{pair: partial(sentiment, pair) for pair in PAIRS},
}


def compared(protocol: Protocol | PointProtocol, minutes: float, jobs: int, folder: Path | None) -> Comparison:
    """The comparison that `synth2real compare` runs on the protocol with its defaults."""
    task = protocol.task if isinstance(protocol, PointProtocol) else Classification(protocol.dev.classes)
    routes = default_routes(task, protocol.source, protocol.target)
    return compare(
        routes,
        protocol.source,
        protocol.target,
        task=task,
        minutes=minutes,
        jobs=jobs,
        folder=folder,
        on_route=lambda name, seed: print(f"{protocol.name}: {name}, seed {seed}", file=sys.stderr, flush=True),
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocols", nargs="+", choices=list(PROTOCOLS), default=list(PROTOCOLS))
    parser.add_argument("--minutes", type=float, default=15.0, help="budget of each comparison")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the trainings; each protocol has a subfolder")
    parser.add_argument("--score", action="store_true", help="read the score labels, and store the result")
    arguments = parser.parse_args(argv)
    for name in arguments.protocols:
        protocol = PROTOCOLS[name]()
        folder = arguments.keep and arguments.keep / name
        found = compared(protocol, arguments.minutes, arguments.jobs, folder)
        error = errors(found, protocol, arguments.score)
        beside = against_hindsight(error, found.chosen.name, people(protocol, arguments.score))
        line = {"protocol": f"choice, {name}", **beside}
        line |= {"source_only_error": float(error[found.candidates[0].name].mean()), "minutes": arguments.minutes}
        show(name, found, line, {route: float(values.mean()) for route, values in error.items()})
        if folder is not None and isinstance(protocol, Protocol) and len(protocol.target.shape) == 3:
            print("\n".join(rounds(folder / TRIALS, protocol, arguments.score)), flush=True)
        if arguments.score:
            keep({**line, "jobs": arguments.jobs})
    return 0


def rounds(folder: Path, protocol: Protocol, score: bool) -> list[str]:
    """One line for each round of a comparison: the best accuracy, and the regret of each validator."""
    source, labelled = protocol.source, protocol.score if score else protocol.dev
    held_out = some(source, HELD) if isinstance(source, Labelled) else source.labelled(HELD, HELD_SEED)
    kept: dict[int, list[Path]] = {}
    for file in sorted(folder.glob("*/model.yaml")):
        kept.setdefault(json.loads((file.parent / TRIAL).read_text())["steps"], []).append(file.parent)
    lines = []
    for steps, folders in sorted(kept.items()):
        models = [load_model(one) for one in folders]
        real = [float(model.evaluate(labelled)["accuracy"]) for model in models]
        pool = Pool(
            [observe(m, held_out, some(protocol.target)) for m in models],
            models[0].task,
            labels_of(held_out, models[0].task),
        )
        scores = {name: validate(name, pool) for name in VALIDATORS}
        selected = {name: real[each.index(max(each))] for name, each in scores.items()}
        regrets = ", ".join(f"{name} {max(real) - value:.3f}" for name, value in selected.items())
        lines.append(f"{len(models)} candidates of {steps} steps, best {max(real):.3f}; regret: {regrets}")
    return lines


def estimated(row: dict[str, Any], classes: bool) -> tuple[float, float, float] | None:
    """Estimate of a route with the limits of its interval, as an error also for classes; None if there is none."""
    if row["interval"] is None:
        return None
    value, (low, high) = row["estimate"], row["interval"]
    return (1 - value, 1 - high, 1 - low) if classes else (value, low, high)


def show(name: str, found: Comparison, line: dict[str, object], error: dict[str, float]) -> None:
    """Print the mean error, label-free score and estimate of each route, then the comparison with hindsight."""
    classes = isinstance(found.task, Classification)
    print(f"{name}, {line['minutes']:g} minutes; {describe()}")
    print(f"{'route':22} mean error   label-free   estimated {'error' if classes else found.metric:17} steps   seeds")
    estimates: list[tuple[tuple[float, ...], float]] = []  # estimate with interval, true error
    for row in found.ranking():
        if row["name"] in error:
            mark = "  <- chosen without real labels" if row["chosen"] else ""
            known = row["score_label_free"]
            score, steps = f"{'-' if known is None else f'{known:.4f}':<10}", f"{row['steps'] or 'default':<5}"
            estimate, real = estimated(row, classes), error[row["name"]]
            text = "" if estimate is None else "{:.3f} ({:.3f} to {:.3f})".format(*estimate)
            print(f"{row['name']:22} {real:<10.4f}   {score}   {text:27} {steps}   {len(row['seeds'])}{mark}")
            estimates += [] if estimate is None else [(estimate, real)]
    if classes and estimates:
        off = sum(abs(value - real) for (value, *_), real in estimates) / len(estimates)
        covered = sum(low <= real <= high for (_, low, high), real in estimates)
        print(
            f"mean absolute error of the estimates {off:.3f}; "
            f"{covered} of {len(estimates)} intervals contain the true error"
        )
    print(
        f"chosen {line['chosen_error']:.4f}, hindsight {line['hindsight_error']:.4f}: difference "
        f"{line['difference']:.4f} [{line['low']:.4f}, {line['high']:.4f}]",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
