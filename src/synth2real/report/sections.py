"""What the report says, section by section, as plain values for the template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import yaml

from ..calibrate import Calibration
from ..comparison.comparison import SOURCE_ONLY, Comparison, RouteCandidate
from ..comparison.halving import stepless
from ..simulate import Range
from ..tasks import Classification
from ..training.hardware import versions
from . import gallery, gaps
from .plots import dashes
from .ranking import columns, number, percent


def everything(comparison: Comparison) -> dict[str, Any]:
    """All sections but the plots, by the names that the template gives them."""
    task, trials = comparison.task, [candidate.trials[0] for candidate in comparison.candidates]
    calibration = next((trial.run.calibration for trial in trials if trial.run.calibration is not None), None)
    shown, rows = columns(comparison), gaps.rows(comparison)
    after = next(column for column in shown if column.key == "gap_after")
    return {
        "verdict": verdict(comparison),
        "advice": comparison.verdict,
        "refused": {candidate.name: candidate.refused for candidate in comparison.candidates if candidate.refused}
        | comparison.diverged,
        "facts": facts(comparison),
        "columns": shown,
        "rows": rows,
        "aggregates": comparison.aggregates,
        "stages": gallery.stages(comparison),
        "dashes": {
            "training": dashes([trial.run.history.get("train", []) for trial in trials]),
            "refinement": dashes([trial.run.history.get("refine", []) for trial in trials]),
        },
        "classes": task.classes if isinstance(task, Classification) else (),
        "confusions": confusions(comparison),
        "gaps": {row["name"]: after.text(row) for row in rows if row["gap_after"] is not None},
        "galleries": galleries(comparison),
        "chosen": comparison.chosen.name,
        "plotted": " and ".join(dict.fromkeys((comparison.candidates[0].name, comparison.chosen.name))),
        "calibration": calibration,
        "ranges": [] if calibration is None else ranges(calibration),
        "settings": {
            candidate.name: yaml.safe_dump(candidate.route.describe(), sort_keys=False)
            for candidate in comparison.candidates
        },
    }


def verdict(comparison: Comparison) -> str:
    """Which route was chosen and what it reaches, in one sentence."""
    rows = {row["name"]: row for row in comparison.rows()}
    name, key = comparison.chosen.name, f"{comparison.metric}_mean"
    begin = f"Among {len(rows)} routes, “{name}” was chosen without a single real label"
    if len(rows) == 1:
        begin = f"“{name}” was trained without a single real label"
    if comparison.test is None:
        return f"{begin}; none was given either to measure how well it does on real data."
    count, reached, before = len(comparison.test), rows[name][key], rows.get(SOURCE_ONLY, rows[name])[key]
    if comparison.metric == "accuracy":
        tells, against = f"it names {percent(reached)} of {count} real samples correctly", percent(before)
    else:
        unit = " degrees" if comparison.metric == "mean_degrees" else ""
        tells, against = f"on {count} real samples it errs by {number(reached)}{unit} on average", number(before)
    where = (
        ""
        if name == SOURCE_ONLY or SOURCE_ONLY not in rows
        else f", where training on the source alone gives {against}"
    )
    return f"{begin}: {tells}{where}."


def facts(comparison: Comparison) -> dict[str, str]:
    """On what, with which seeds, on which machine."""
    found = versions()
    stages = ", ".join(f"{name} {s:.1f}" for name, s in comparison.chosen.trials[0].run.seconds.items())
    test = comparison.test
    return {
        "source": f"{len(comparison.candidates[0].trials[0].run.rendered)} labelled samples",
        "target": f"{len(comparison.target)} samples without labels",
        "real labels": "none" if test is None else f"{len(test)}, for scoring only",
        "seconds": f"{sum(candidate.spent for candidate in comparison.candidates):.0f} of all trainings"
        + (f"; the chosen one's first: {stages}" if stages else ""),
        "steps": ", ".join(f"{candidate.name} {steps_of(candidate)}" for candidate in comparison.candidates),
        "seeds": ", ".join(str(trial.seed) for trial in comparison.chosen.trials),
        "machine": f"{found.pop('machine')}, threads: {torch.get_num_threads()}",
        "versions": ", ".join(f"{name} {version}" for name, version in found.items()),
    }


def steps_of(candidate: RouteCandidate) -> str:
    """Of the training of an entry's first trial, in words where there were none."""
    if stepless(candidate.route):
        return "none, in closed form"
    return str(candidate.trials[0].steps or "by default")


def confusions(comparison: Comparison) -> dict[str, list[list[tuple[int, float]]]]:
    """For source only and the chosen route: count and share of the true class; rows true, columns predicted."""
    task, test = comparison.task, comparison.test
    if test is None or not isinstance(task, Classification):
        return {}
    truth, found = task.align(test), {}
    for candidate in (comparison.candidates[0], comparison.chosen):
        guesses = candidate.trials[0].run.model.predict(test.unlabelled()).values.argmax(1)
        counts = torch.bincount(truth * task.outputs + guesses, minlength=task.outputs**2).view(task.outputs, -1)
        shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
        pairs = zip(counts.tolist(), shares.tolist(), strict=True)
        found[candidate.name] = [list(zip(*row, strict=True)) for row in pairs]
    return found


def galleries(comparison: Comparison) -> list[tuple[str, str, list[gallery.Picture]]]:
    """Title, explanation and pictures of what the chosen route is wrong about, and of what it doubts."""
    if isinstance(comparison.task, Classification):
        wrong = "Real images that the chosen route gave the wrong class, the surest first."
        count = len(comparison.in_doubt)
        doubted = (
            "Real images without labels that all routes together are least sure of: near a border, hard to read, or of "
            f"no class of the source; {count} of {len(comparison.target)} in all. The first to label, if any."
        )
    else:
        wrong = "Real images on which the chosen route is farthest from the label."
        doubted = "Real images without labels on which the routes differ most: the first to label, if any."
    return [
        ("Most wrong", wrong, gallery.mistakes(comparison)),
        ("Most in doubt", doubted, gallery.doubts(comparison)),
        (
            "Unlike all others",
            "Real images that are far from all others and from the synthetic ones, by form, tones, edges and colour "
            "alone. Where they belong to neither domain, leave them out.",
            gallery.outliers(comparison),
        ),
    ]


@dataclass(frozen=True)
class Found:
    """A parameter's range before the search and after; `old` and `new`: start and length in percent of its limits."""

    name: str
    unit: str
    description: str
    before: str
    after: str
    old: Range
    new: Range


def ranges(calibration: Calibration) -> list[Found]:
    """The ranges that a search found, beside those before it."""
    known = {parameter.name: parameter for parameter in calibration.simulator.parameters}
    found = []
    for name, new in calibration.ranges.items():
        p, old = known[name], calibration.ranges_before[name]
        bars = [_percent_of(p.limits, one) for one in (old, new)]
        found.append(Found(name, p.unit, p.description, _text(old), _text(new), bars[0], bars[1]))
    return found


def _percent_of(limits: Range, part: Range) -> Range:
    scale = 100 / (limits[1] - limits[0])
    return (part[0] - limits[0]) * scale, (part[1] - part[0]) * scale


def _text(values: Range) -> str:
    return f"{number(values[0])} to {number(values[1])}"
