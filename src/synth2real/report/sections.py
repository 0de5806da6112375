"""The contents of the report's sections, as plain values for the template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import yaml

from ..calibrate import Calibration
from ..comparison.comparison import SOURCE_ONLY, Comparison, RouteCandidate
from ..comparison.halving import stepless
from ..simulate import Range, Sampling
from ..tasks import Classification, Detection, Segmentation
from ..training.hardware import versions
from . import gallery, gaps
from .dense import boxes, masks
from .plots import dashes
from .ranking import METRICS, columns, form_of, number, percent

CLASS_WORDS = (
    "How much of the images each class takes, and how well it is found. A class whose predicted share of the target is "
    "far from its share of the source labels may have been lost, or reality has more or less of it.",
    "How many boxes an image has of each class, and how well they are found. A class of which far fewer boxes are "
    "predicted in the target than the source has may have been lost, or reality has fewer of them.",
)  # of masks, and of boxes


def everything(comparison: Comparison, few: dict[str, Any] | None) -> dict[str, Any]:
    """The variables of the template, without the plots; `few` is what few labels bought."""
    task, trials = comparison.task, [candidate.trials[0] for candidate in comparison.candidates]
    calibration = next((trial.run.calibration for trial in trials if trial.run.calibration is not None), None)
    shown, rows = columns(comparison), gaps.rows(comparison)
    after = next(column for column in shown if column.key == "gap_after")
    return {
        "verdict": verdict(comparison, few),
        "few_labels": few_labels(few),
        "advice": comparison.verdict,
        "refused": {candidate.name: candidate.refused for candidate in comparison.candidates if candidate.refused}
        | comparison.diverged,
        "facts": facts(comparison, few),
        "columns": shown,
        "rows": rows,
        "aggregates": comparison.aggregates,
        "baseline": comparison.baseline,
        "stages": gallery.stages(comparison),
        "dashes": {
            "training": dashes([trial.run.history.get("train", []) for trial in trials]),
            "refinement": dashes([trial.run.history.get("refine", []) for trial in trials]),
        },
        "class_rows": masks.class_table(comparison) or boxes.class_table(comparison),
        "class_words": CLASS_WORDS[isinstance(task, Detection)],
        "legend": boxes.legend(task) if isinstance(task, Detection) else masks.legend(comparison),
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


def verdict(comparison: Comparison, few: dict[str, Any] | None) -> str:
    """Which route was chosen and what it reaches on real data, in a few sentences."""
    rows = {row["name"]: row for row in comparison.rows()}
    name, key = comparison.chosen.name, f"{comparison.metric}_mean"
    begin = f"“{name}” was chosen from {len(rows)} routes. The choice used no real labels."
    if len(rows) == 1:
        begin = f"“{name}” was trained without real labels."
        if few is not None:
            begin = f"{begin} Then {few['count']} real labels corrected it."
    if comparison.test is None:
        return f"{begin} The result on real data is unknown, because no real test labels were given."
    count, reached, before = len(comparison.test), rows[name][key], rows.get(SOURCE_ONLY, rows[name])[key]
    if comparison.metric == "accuracy":
        result = f"The model classifies {percent(reached)} of {count} real test samples correctly."
        baseline = f" The source-only model reaches {percent(before)}."
    elif comparison.metric == "mean_iou":
        form = form_of(comparison.metric)
        result = f"The mean IoU of the masks of {count} real test images is {form(reached)}."
        baseline = f" The source-only model reaches {form(before)}."
    elif comparison.metric == "ap50":
        form = form_of(comparison.metric)
        result = f"AP50 of the boxes in {count} real test images is {form(reached)}."
        baseline = f" The source-only model reaches {form(before)}."
    else:
        unit = " degrees" if comparison.metric == "mean_degrees" else ""
        result = f"The mean error on {count} real test samples is {number(reached)}{unit}."
        baseline = f" The mean error of the source-only model is {number(before)}{unit}."
    has_baseline = name != SOURCE_ONLY and SOURCE_ONLY in rows
    return f"{begin} {result}{baseline if has_baseline else ''}{_fair_baseline(comparison, rows)}"


def _fair_baseline(comparison: Comparison, rows: dict[str, dict[str, Any]]) -> str:
    """What the baseline of the choice reaches; empty if it is the chosen route or source only."""
    name = comparison.baseline
    if name in (comparison.chosen.name, SOURCE_ONLY) or name not in rows:
        return ""
    shown = form_of(comparison.metric)(rows[name][f"{comparison.metric}_mean"])
    return f" “{name}”, the baseline of the choice, reaches {shown}."


def facts(comparison: Comparison, few: dict[str, Any] | None) -> dict[str, str]:
    """Data, training time, steps, seeds, machine and versions."""
    found = versions()
    stages = ", ".join(f"{name} {s:.1f}" for name, s in comparison.chosen.trials[0].run.seconds.items())
    test = comparison.test
    return {
        "source": f"{len(comparison.candidates[0].trials[0].run.rendered)} labelled samples",
        "target": f"{len(comparison.target)} samples without labels",
        "given": ", ".join(comparison.target.given_columns) or "nothing",
        "real labels": "none" if test is None else f"{len(test)}, used only to measure the result",
        **({} if few is None else {"few labels": f"{few['count']}, used only to correct the trained model"}),
        "seconds": f"{sum(candidate.spent for candidate in comparison.candidates):.0f} for all trainings"
        + (f"; first training of the chosen route: {stages}" if stages else ""),
        "steps": ", ".join(f"{candidate.name}: {steps_of(candidate)}" for candidate in comparison.candidates),
        "seeds": ", ".join(str(trial.seed) for trial in comparison.chosen.trials),
        "machine": f"{found.pop('machine')}, threads: {torch.get_num_threads()}",
        "versions": ", ".join(f"{name} {version}" for name, version in found.items()),
    }


def few_labels(few: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a few labels bought: a sentence, and rows of figures; None without few labels.

    Args:
        few: of `Correction.plain`.
    """
    if few is None:
        return None
    form = form_of(few["metric"])
    rows = {"labels": str(few["count"]), f"{METRICS.get(few['metric'], 'mean error')} before": form(few["before"])}
    if few["after"] is not None:
        low, high = map(form, few["interval"])
        rows |= {"after": form(few["after"]), "gain": f"{form(few['gain'])} ({low} to {high})"}
    if few["other_groups"] is not None:
        rows["after, for new groups"] = form(few["other_groups"])
    if few["groups"]:
        rows["corrected groups"] = ", ".join(few["groups"])
    rows["correction"] = ", ".join(f"{kind} {percent(share)}" for kind, share in few["shares"].items())
    return {"words": few["words"], "rows": rows}


def steps_of(candidate: RouteCandidate) -> str:
    """Training steps of a candidate's first trial, or words if it has no number."""
    if stepless(candidate.route):
        return "none (closed-form solution)"
    return str(candidate.trials[0].steps or "default")


def confusions(comparison: Comparison) -> dict[str, list[list[tuple[int, float]]]]:
    """Confusion matrices of source only and the chosen route. Rows: true class. Columns: predicted class.

    Each cell is a pair: the count, and its share of the true class. Empty for values and without real labels.
    """
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
    """Title, explanation and images of the galleries: errors, uncertain images, outliers, displaced images."""
    what = "boxes" if isinstance(comparison.task, Detection) else "masks"
    wrong, uncertain = _explained(comparison)
    return [
        (
            f"{what.capitalize()} on real images",
            f"Real images without labels, and the {what} of the chosen route. Evenly spaced, not chosen.",
            gallery.found_in_target(comparison),
        ),
        ("Largest errors", f"Real test images {wrong}", gallery.mistakes(comparison)),
        (
            "Most uncertain",
            f"Real images without labels{uncertain} If you can label some images, start here.",
            gallery.doubts(comparison),
        ),
        (
            "Outliers",
            "Real images that differ strongly from the other real images and from the synthetic ones. The comparison "
            "uses only shape, tones, edges and colour. Remove images that belong to neither domain.",
            gallery.outliers(comparison),
        ),
        (
            "Labels moved by refinement",
            "Synthetic images before refinement (left) and after it (right), of the first route that refines. Their "
            "edges, or the answers of a model of the source, have moved farthest. If an object is no longer where its "
            "label says, set refine.reject, or choose another refiner.",
            gallery.displacements(comparison),
        ),
    ]


def _explained(comparison: Comparison) -> tuple[str, str]:
    """How the sentences on the largest errors and on the most uncertain images go on, by the task."""
    if isinstance(comparison.task, Classification):
        return (
            "that the chosen route classifies wrongly. The most confident predictions come first.",
            ". The average confidence of all routes is lowest for them. Such an image may be near a class boundary, "
            f"hard to read, or of a class that the source lacks. {_doubt(comparison)}",
        )
    if isinstance(comparison.task, Segmentation):
        return (
            "with the lowest intersection over union (IoU) of the chosen route. Left: the labels. Right: the predicted "
            "masks.",
            ", and the masks of the chosen route. By the probabilities of all routes together, their expected IoU is "
            f"lowest. {_doubt(comparison)}",
        )
    if isinstance(comparison.task, Detection):
        return (
            "in which the fewest boxes of labels and chosen route overlap by half. Left: the labels. Right: the "
            "predicted boxes.",
            f", and the boxes of the chosen route. The routes agree least on them. {_doubt(comparison)}",
        )
    return (
        "with the largest prediction errors of the chosen route.",
        ". The predictions of the routes differ most for them.",
    )


def _doubt(comparison: Comparison) -> str:
    """How many target images are uncertain, as a sentence."""
    if comparison.in_doubt is None:
        if comparison.task.dense:
            return "The models have not learnt the source, so their probabilities say little."
        return "The models have not learnt the source, so it is not known which images are of such a class."
    return f"{len(comparison.in_doubt)} of {len(comparison.target)} target images are uncertain."


@dataclass(frozen=True)
class Found:
    """The range of a parameter before and after calibration.

    Args:
        name, unit, description: of the parameter.
        before, after: the two ranges as text.
        old, new: the same ranges as start and length, in percent of the parameter's limits.
    """

    name: str
    unit: str
    description: str
    before: str
    after: str
    old: Range
    new: Range


def ranges(calibration: Calibration) -> list[Found]:
    """The ranges that calibration found, together with the ranges before it."""
    known = {parameter.name: parameter for parameter in calibration.simulator.parameters}
    found = []
    for name, new in calibration.ranges.items():
        p, old = known[name], calibration.ranges_before[name]
        bars = [_percent_of(p.limits, p.range(one)) for one in (old, new)]
        found.append(Found(name, p.unit, p.description, _text(old), _text(new), bars[0], bars[1]))
    return found


def _percent_of(limits: Range, part: Range) -> Range:
    scale = 100 / (limits[1] - limits[0])
    return (part[0] - limits[0]) * scale, (part[1] - part[0]) * scale


def _text(values: Sampling) -> str:
    return f"{number(values[0])} to {number(values[1])}" if isinstance(values, tuple) else str(values)
