"""`synth2real report`: the report of one run."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from ...comparison.comparison import TRIALS, Comparison, RouteCandidate
from ...comparison.comparison import compare as compare_routes
from ...comparison.evaluation import Evaluation
from ...comparison.named_routes import route_of
from ...data.domains import Labelled
from ...errors import InputError
from ...measure.distances import proxy_a_distance
from ...networks.named_code import check_code, named_in
from ...refine import load_refiner
from ...report import write_report
from ...report.gaps import as_pixels
from ...route.rejection import read_displacement
from ...route.route import Route, Rows
from ...route.run import Budget, Run
from ...route.run_folder import LOG, PARAMETERS, SETTINGS, read_few_labels, read_metrics, read_settings
from ...simulate import Simulator, load_parameters
from ...simulate.registry import DESCRIBED
from ...storage import check_writable, keep_record
from ...training.hardware import Hardware
from ...training.mapping import REFINER, Mapped
from ...training.saved_model import COMPARISON, load_model
from .. import dry_run
from ..arguments import ReportArguments, TestedData
from ..console import Result, console
from ..inputs import load_pair, load_test, read_both_groups, settle_task
from ..options import parse_channels, parse_resize, parse_size
from ..provenance import record_of


def report(args: ReportArguments) -> Result:
    """Load the run, or the trainings of a comparison, and the data again, measure, and write the page."""
    run, out = args.run, args.out
    if not (run / SETTINGS).is_file():
        raise InputError(f"{run}: found no {SETTINGS}, expected a run folder as `synth2real train --out` writes it")
    if out is not None and out.suffix.lower() != ".html":
        raise InputError(f"{out}: expected the name of an HTML file, such as {out.with_suffix('.html')}")
    path = out or run / "report.html"
    settings, hardware = read_settings(run), Hardware.detect(args.device)
    began = time.perf_counter()
    if "routes" in settings:
        check_trusted(run, settings, trust=args.trust)
        measured = again(run, settings, args.test, hardware)
    else:
        measured = as_comparison(run, args.test, hardware, trust=args.trust)
    if args.dry_run:
        check_writable(path)
        names = ", ".join(one.name for one in measured.candidates)
        return dry_run.plan([f"report of {run}: {names}"], time.perf_counter() - began, path)
    write_report(measured, path, read_few_labels(run if "routes" not in settings else run / "chosen"))
    keep_record(path, record_of("report", args, path))
    console.print(f"report: {path}", soft_wrap=True)
    return {"routes": [one.name for one in measured.candidates], "chosen": measured.chosen.name, "out": path}


def again(folder: Path, settings: dict[str, Any], test: Path | None, hardware: Hardware) -> Comparison:
    """A finished comparison from its stored trainings, scored on `test` or on its own test data. Nothing is trained."""
    if not (folder / COMPARISON).is_file() or not (folder / TRIALS).is_dir():
        raise InputError(
            f"{folder}: found no {COMPARISON} with the trainings in {TRIALS}, so the comparison has not ended. Repeat "
            "its command with --resume"
        )
    data = data_of(settings, None if settings["test"] is None else Path(settings["test"]))
    source, target, layout = load_pair(data)
    task = settle_task(data, source, target)
    groups = read_both_groups(data.group, (data.source[0], source), (data.target, target))
    found = compare_routes(
        {name: route_of(route, name) for name, route in settings["routes"].items()},
        source,
        target,
        test=load_test(data, task, layout),
        task=task,
        budget=Budget(n=settings["n"] or Budget.n, seed=settings["seed"], hardware=hardware),
        seeds=tuple(range(settings["seed"], settings["seed"] + settings["seeds"])),
        minutes=settings["minutes"],
        jobs=1,
        folder=folder,
        source_groups=groups[0],
        target_groups=groups[1],
    )
    labelled = None if test is None else load_test(replace(data, test=test), task, layout)
    return found if labelled is None else scored_on(labelled, found)


def scored_on(test: Labelled, comparison: Comparison) -> Comparison:
    """The comparison with the scores of all models on other labelled data."""
    for candidate in comparison.candidates:
        candidate.trials = [replace(one, test_metrics=one.run.model.evaluate(test)) for one in candidate.trials]
    aggregates = [replace(one, test_metrics=one.model.evaluate(test)) for one in comparison.aggregates]
    return replace(comparison, test=test, aggregates=aggregates)


def as_comparison(folder: Path, test: Path | None, hardware: Hardware, *, trust: bool) -> Comparison:
    """The run as a comparison of one route."""
    data, route, budget = read_run(folder, test, trust=trust)
    budget, model = replace(budget, hardware=hardware), load_model(folder, trust=trust, hardware=hardware)
    source, target, layout = load_pair(data)
    if isinstance(source, Simulator) and (folder / PARAMETERS).is_file():
        source = replace(source, **load_parameters(folder / PARAMETERS))
    labelled = load_test(data, model.task, layout)
    ours, theirs = read_both_groups(data.group, (data.source[0], source), (data.target, target))
    evaluation = Evaluation(source, target, labelled, model.task, budget, ours, theirs)
    target, theirs, rendered = evaluation.target, evaluation.target_groups, evaluation.original_source
    if isinstance(rendered, Simulator):
        rendered = rendered.labelled(budget.n, budget.seed, given=data.given)
    refiner = load_refiner(folder, trust=trust, hardware=hardware) if (folder / REFINER).is_dir() else None
    made = Run(
        model=model,
        history=history(folder),
        seconds={},
        rendered=rendered,
        refined=None if refiner is None else Mapped(refiner, rendered),
        calibration=None,
        refiner=refiner,
        displacement=read_displacement(folder),
    )
    log = (folder / LOG).read_text(encoding="utf-8", errors="replace") if (folder / LOG).is_file() else ""
    logged = re.search(r"trained in (\d+) s", log)
    seconds = float(logged[1]) if logged else 0.0
    # A single run has no source-only model, so the gap before is measured on pixels.
    before = proxy_a_distance(
        as_pixels(evaluation.whole_source.unlabelled()), as_pixels(target), groups=(None, evaluation.seen_groups)
    )
    trial = replace(evaluation.measured(made, budget.seed, budget.steps, seconds), gap_before=before)
    if isinstance(source, Labelled) and "group" not in read_settings(folder):  # `train` holds no source data out
        trial = replace(trial, source_metrics=dict.fromkeys(trial.source_metrics, float("nan")))
    candidate = RouteCandidate(named(route), route, [trial], chosen=True, spent=seconds)
    return Comparison([candidate], model.task, target, labelled, raw=evaluation.whole_source, target_groups=theirs)


def read_run(folder: Path, test: Path | None, *, trust: bool) -> tuple[TestedData, Route, Budget]:
    """What the settings of a run say: data, route and budget.

    Raises:
        InputError: the settings are not of a run, are damaged, or name code that is not trusted.
    """
    settings = read_settings(folder)
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
    check_trusted(folder, settings, trust=trust)
    try:
        data, route = data_of(settings, test), route_of(settings["route"], str(folder))
        return data, route, Budget(n=data.n or Budget.n, seed=data.seed, steps=int(settings["steps"]))
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, typer.BadParameter) as error:
        raise InputError(
            f"{folder / SETTINGS}: is damaged ({type(error).__name__}: {error}), expected the settings of a run. Train "
            "again with --overwrite"
        ) from None


def check_trusted(folder: Path, settings: dict[str, Any], *, trust: bool) -> None:
    """Raise `InputError` if the settings name code that is not trusted: a class, or a program that renders."""
    sources = [str(name) for name in (settings["source"], *(settings.get("more") or ()))]
    program = next((name for name in sources if name.endswith(DESCRIBED)), None)
    if program is not None and not trust:
        raise InputError(
            f"{folder}: its source is '{program}', a program that would run. If you trust whoever made this folder, "
            "pass --trust"
        )
    try:
        check_code([*named_in(settings.get("route", settings.get("routes"))), *sources], trust)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None


def data_of(settings: dict[str, Any], test: Path | None) -> TestedData:
    """The data of a run."""
    return TestedData(
        source=(str(settings["source"]), *map(str, settings.get("more") or ())),
        target=Path(settings["target"]),
        task=str(settings["task"]["kind"]),
        label=tuple(map(str, settings["label"] or ())),
        given=tuple(map(str, settings.get("given") or ())),
        test=test,
        group=settings.get("group"),
        preset=settings["preset"],
        params=Path(settings["params"]) if settings["params"] else None,
        n=int(settings["n"]) if settings["n"] else None,
        size=parse_size("x".join(map(str, settings["size"]))) if settings["size"] else None,
        resize=parse_resize(settings["resize"]) if settings["size"] and settings.get("resize") else None,
        channels=parse_channels(str(settings["channels"])) if settings["channels"] else None,
        depth=settings.get("depth"),
        background=settings.get("background", "white"),
        zero_based=settings["zero_based"],
        seed=int(settings["seed"]),
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
