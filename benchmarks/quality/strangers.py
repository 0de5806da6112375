"""Compares routes on 20 small drawn gaps, as `synth2real compare --budget 1.5` does on a stranger's images.

The gaps are drawn by a script with a function `gap(seed)`: renders on a plain background as the source, cluttered
photographs as the target, and 500 other photographs to score by. 12 gaps have classes, 4 have points, 4 have values.
The environment variable SYNTH2REAL_GAPS names the script. Without it, it is ../shared/strangers.py beside the
repository. The labels of the photographs never reach a training or the choice.

For each gap the output has the score of the chosen route, of the baseline (source only, with the same randomization),
of unrandomized source only and of the best route; and whether the estimate's interval contains the score. Each gap is
stored as one line in --keep; stored gaps are not repeated.

    python -m benchmarks.quality.strangers --keep strangers.jsonl [--gaps 0 7 12] [--minutes 1.5] [--seed 0]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from benchmarks.lib.machine import describe
from synth2real import Labelled, Unlabelled, compare
from synth2real.comparison.candidates import SOURCE_ONLY
from synth2real.comparison.named_routes import default_routes
from synth2real.route.route import default_task
from synth2real.route.run import Budget
from synth2real.select.estimates.base import ONE_CLASS
from synth2real.select.validators import most_frequent
from synth2real.tasks import Classification

GAPS = Path(__file__).parents[3] / "shared" / "strangers.py"
COLUMNS = {"points": ("part_x", "part_y"), "values": ("angle",)}


def drawing() -> ModuleType:
    """The module that draws the gaps. Ends the program if it is not there."""
    path = Path(os.environ.get("SYNTH2REAL_GAPS", GAPS))
    specification = importlib.util.spec_from_file_location("strangers", path) if path.is_file() else None
    if specification is None or specification.loader is None:
        sys.exit(f"{path}: no such file, expected a script with gap(seed). Set SYNTH2REAL_GAPS to it")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def domains(drawn: dict[str, Any]) -> tuple[Labelled, Unlabelled, Labelled]:
    """Source, target and test of a drawn gap."""
    names = tuple(f"part {i}" for i in range(len(drawn["balance"]))) if drawn["kind"] == "classes" else ()

    def images(part: str) -> Tensor:
        return torch.from_numpy(drawn[part]).permute(0, 3, 1, 2).contiguous()

    def labelled(part: str) -> Labelled:
        labels = torch.from_numpy(drawn[f"{part}_labels"])
        if names:
            return Labelled(images(part), labels.long(), names)
        return Labelled(images(part), labels.float(), columns=COLUMNS[drawn["kind"]])

    return labelled("source"), Unlabelled(images("target")), labelled("test")


def measured(seed: int, drawn: dict[str, Any], minutes: float, training_seed: int) -> dict[str, Any]:
    """The result of the comparison on one gap."""
    source, target, test = domains(drawn)
    task, start = default_task(source), time.perf_counter()
    found = compare(
        default_routes(task, source, target),
        source,
        target,
        test=test,
        task=task,
        minutes=minutes,
        seeds=(training_seed, training_seed + 1, training_seed + 2),
        budget=Budget(seed=training_seed),
    )
    seconds = time.perf_counter() - start
    rows = {row["name"]: row for row in found.ranking() if row["steps"] is not None}
    shares = {}
    if isinstance(task, Classification):
        answers = {one.name: one.trials[0].target for one in found.candidates}
        shares = {name: most_frequent(each)[1] / len(each) for name, each in answers.items()}
    keys = ("score_label_free", "estimate", "interval", "test_score", "steps", "refused")
    return {
        "gap": seed,
        "kind": drawn["kind"],
        "classes": len(drawn["balance"]) if drawn["kind"] == "classes" else None,
        "targets": len(target),
        "seed": training_seed,
        "minutes": minutes,
        "seconds": seconds,
        "metric": found.metric,
        "chosen": found.chosen.name,
        "baseline": found.baseline,
        "verdict": found.verdict,
        "notes": found.notes,
        "largest_share": shares,
        "routes": {name: {key: row[key] for key in keys} for name, row in rows.items()},
        "machine": describe(),
    }


def gain(line: dict[str, Any], name: str) -> float:
    """Score of a route minus that of the baseline: accuracy in points, or error in percent of the baseline's error."""
    own, base = (line["routes"][one]["test_score"] for one in (name, line["baseline"]))
    return float(100 * (own - base) if line["metric"] == "accuracy" else 100 * (base - own) / base)


def shown(line: dict[str, Any]) -> str:
    """One line of the table."""
    routes, chosen = line["routes"], line["chosen"]
    best = max(routes, key=lambda name: gain(line, name))
    numbers = [routes[name]["test_score"] for name in (chosen, line["baseline"], SOURCE_ONLY, best)]
    interval = routes[chosen]["interval"]
    estimate = "-" if interval is None else f"{routes[chosen]['estimate']:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
    flag = " CONSTANT" if line["largest_share"].get(chosen, 0) >= ONE_CLASS else ""
    return (
        f"{line['gap']:3} {line['kind']:8} {line['classes'] or '':3} {line['targets']:5}  {chosen:18}"
        + "".join(f"{number:8.3f}" for number in numbers)
        + f"  {best:18} {gain(line, chosen):+6.1f}  {estimate:20} {routes[chosen]['steps']:5} steps{flag}"
    )


def summary(lines: Sequence[dict[str, Any]]) -> list[str]:
    """What the issue of a choice is over all gaps: gains over the baseline, and the coverage of the estimates."""
    gains = [gain(line, line["chosen"]) for line in lines]
    best = [max(gain(line, name) for name in line["routes"]) for line in lines]
    estimated = [
        row["interval"][0] <= row["test_score"] <= row["interval"][1]
        for line in lines
        for row in line["routes"].values()
        if row["interval"] is not None
    ]
    constant = sum(line["largest_share"].get(line["chosen"], 0) >= ONE_CLASS for line in lines)
    return [
        f"{len(lines)} gaps: chosen minus baseline {mean(gains):+.2f} in the mean, {min(gains):+.2f} in the worst; "
        f"best in hindsight {mean(best):+.2f}",
        f"constant predictions chosen: {constant}; intervals that contain the score: {sum(estimated)} of "
        f"{len(estimated)}",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gaps", nargs="+", type=int, default=list(range(20)))
    parser.add_argument("--minutes", type=float, default=1.5, help="budget of each comparison")
    parser.add_argument("--seed", type=int, default=0, help="first seed of the trainings")
    parser.add_argument("--keep", type=Path, required=True, help="file of the results, one JSON line for each gap")
    arguments = parser.parse_args(argv)
    module = drawing()
    stored = arguments.keep.read_text().splitlines() if arguments.keep.is_file() else []
    kept = {(line["gap"], line["seed"], line["minutes"]): line for line in map(json.loads, stored)}
    print("gap kind classes targets chosen | score: chosen, baseline, source only, best | gain | estimate")
    lines = []
    for seed in arguments.gaps:
        key = (seed, arguments.seed, arguments.minutes)
        if key not in kept:
            kept[key] = measured(seed, module.gap(seed), arguments.minutes, arguments.seed)
            with arguments.keep.open("a") as file:
                file.write(json.dumps(kept[key]) + "\n")
        lines.append(kept[key])
        print(shown(kept[key]), flush=True)
    print("\n".join(summary(lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
