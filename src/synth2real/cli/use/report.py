"""`synth2real report`: the report of one run."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...comparison.comparison import Comparison, RouteCandidate
from ...comparison.evaluation import Evaluation, Refined
from ...comparison.named_routes import route_of
from ...data.domains import Labelled
from ...errors import InputError
from ...measure.distances import proxy_a_distance
from ...refine import load_refiner
from ...report import write_report
from ...report.gaps import as_pixels
from ...route.route import Budget, Route, Rows, Run
from ...route.run_folder import LOG, PARAMETERS, SETTINGS, read_metrics, read_settings
from ...simulate import Simulator, load_parameters
from ...training.mapping import REFINER
from ...training.saved_model import load_model
from ..arguments import ReportArguments, TestedData
from ..console import console, warnings_on_stderr
from ..inputs import load_pair, load_test, read_both_groups


def report(args: ReportArguments) -> None:
    """Load the run and its data again, measure, and write the page."""
    run, out = args.run, args.out
    if not (run / SETTINGS).is_file():
        raise InputError(f"{run}: found no {SETTINGS}, expected a run folder as `synth2real train --out` writes it")
    if out is not None and out.suffix.lower() != ".html":
        raise InputError(f"{out}: expected the name of an HTML file, such as {out.with_suffix('.html')}")
    path = out or run / "report.html"
    with warnings_on_stderr():
        measured = as_comparison(run, args.test)
        write_report(measured, path)
    console.print(f"report: {path}", soft_wrap=True)


def as_comparison(folder: Path, test: Path | None) -> Comparison:
    """The run as a comparison of one route."""
    settings = read_settings(folder)
    if "routes" in settings:
        raise InputError(
            f"{folder}: this is the folder of a comparison, expected a run folder. Use {folder / 'chosen'}"
        )
    if "source" not in settings:
        raise InputError(
            f"{folder}: its {SETTINGS} names no source and no target. The demo writes such runs and its own report. "
            "Expected a run of `synth2real train` or the chosen one of `compare`"
        )
    if "route" not in settings:
        raise InputError(
            f"{folder}: its {SETTINGS} names no route; it is an aggregate, which is in the report of its comparison. "
            "Expected a run of `synth2real train` or the chosen one of `compare`"
        )
    data = data_of(settings, test)
    source, target, layout = load_pair(data)
    if isinstance(source, Simulator) and (folder / PARAMETERS).is_file():
        source = source.with_ranges(**load_parameters(folder / PARAMETERS))
    model = load_model(folder)
    labelled = load_test(data, model.task, layout)
    route = route_of(settings["route"], str(folder))
    budget = Budget(n=settings["n"] or Budget.n, seed=settings["seed"], steps=settings["steps"])
    ours, theirs = read_both_groups(data.group, (data.source[0], source), (data.target, target))
    evaluation = Evaluation(source, target, labelled, model.task, budget, ours, theirs)
    rendered = source if isinstance(source, Labelled) else source.labelled(budget.n, budget.seed)
    refiner = load_refiner(folder) if (folder / REFINER).is_dir() else None
    made = Run(
        model=model,
        history=history(folder),
        seconds={},
        rendered=rendered,
        refined=None if refiner is None else Refined(refiner, rendered.inputs),
        calibration=None,
        refiner=refiner,
    )
    logged = re.search(r"trained in (\d+) s", (folder / LOG).read_text() if (folder / LOG).is_file() else "")
    seconds = float(logged[1]) if logged else 0.0
    # A single run has no source-only model, so the gap before is measured on pixels.
    before = proxy_a_distance(
        as_pixels(evaluation.whole_source.unlabelled()), as_pixels(target), groups=(None, evaluation.seen_groups)
    )
    trial = replace(evaluation.measured(made, budget.seed, budget.steps, seconds), gap_before=before)
    if isinstance(source, Labelled) and "group" not in settings:  # `train` holds no source data out
        trial = replace(trial, source_metrics=dict.fromkeys(trial.source_metrics, float("nan")))
    candidate = RouteCandidate(named(route), route, [trial], chosen=True, spent=seconds)
    return Comparison([candidate], model.task, target, labelled, raw=evaluation.whole_source, target_groups=theirs)


def data_of(settings: dict[str, Any], test: Path | None) -> TestedData:
    """The data of a run."""
    return TestedData(
        source=(settings["source"], *(settings.get("more") or ())),
        target=Path(settings["target"]),
        task=settings["task"]["kind"],
        label=tuple(settings["label"] or ()),
        test=test,
        group=settings.get("group"),
        preset=settings["preset"],
        params=Path(settings["params"]) if settings["params"] else None,
        n=settings["n"],
        size=tuple(settings["size"]) if settings["size"] else None,
        channels=settings["channels"],
        zero_based=settings["zero_based"],
        seed=settings["seed"],
        skip_bad=True,
    )


def history(folder: Path) -> dict[str, Rows]:
    """The losses of each stage, from the metrics file."""
    stages: dict[str, Rows] = defaultdict(list)
    for row in read_metrics(folder):
        stages[row.pop("stage")].append(row)
    return dict(stages)


def named(route: Route) -> str:
    """The methods of a route in order."""
    stages = route.describe()
    methods = [stages[stage]["method"] for stage in stages if stages[stage] is not None and stage != "widen"]
    return " + ".join(methods)
