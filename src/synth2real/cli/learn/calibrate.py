"""`synth2real calibrate`: the parameter ranges of a simulator that match the real images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from rich.table import Table

from ...calibrate import METHODS, Calibration, Calibrator, Identification, Search, identify, method_of, sheet
from ...comparison.expected import search_seconds
from ...data.domains import Unlabelled
from ...data.reading.loading import load_unlabelled
from ...errors import InputError
from ...settings import build, name_of, to_dict
from ...simulate import Simulator, save_parameters, simulator
from ...simulate.distributions import plain, text
from ...storage import check_writable, make_folder, write_text
from .. import dry_run
from ..arguments import CalibrateArguments
from ..console import Result, bars, console
from ..inputs import feature_hardware, format_for, reading
from ..outputs import check_new_file, check_overwrite_or_resume
from ..provenance import keep_provenance
from ..set_option import assignments_of

FAILS = 0.05  # p-value below which a check fails
REPORT, PICTURES = ".report.yaml", ".unreached.png"  # suffixes of the files beside --out


def calibrate(args: CalibrateArguments) -> Result:
    """Calibrate, identify which parameters the images determine, write the result, and print the table."""
    check_overwrite_or_resume(args.overwrite, args.resume)
    check_new_file(args.out, "a YAML", (".yaml", ".yml"), args.overwrite or args.resume)
    search, hardware = method(args), feature_hardware(args)
    target = load_unlabelled(args.target, **reading(args), given=args.given, format=format_for(args.target, args))
    made = place(args, target)
    search.check(made, target)
    if args.dry_run:
        check_writable(args.out)
        check_study(args)
        lines = [f"{name_of(METHODS, search)}: {search.trials} trials of {search.images} images of {args.simulator}"]
        return dry_run.plan(lines, search_seconds(search, made, target, hardware), args.out)
    storage = study_storage(args)
    with bars(estimates=False) as shown:

        def report(done: int, trials: int, distance: float) -> None:
            shown.report("calibrate", done, trials, {"distance": distance})

        found = search.fit(made, target, storage=storage, resume=args.resume, on_trial=report, hardware=hardware)
    judged = identify(search, made, target, found)
    described = describe(args, search, target, found, judged)
    write(args, described, target, found, judged)
    keep_provenance("calibrate", args, args.out, made)
    console.print(table(made, found, judged))
    for line in summary(args, search, found, judged):
        console.print(line, soft_wrap=True)
    ranges = {name: plain(one) for name, one in found.ranges.items()}
    return {**described, "ranges": ranges, "out": args.out, "report": args.out.with_suffix(REPORT)}


def method(args: CalibrateArguments) -> Calibrator:
    """The method with its settings. An option such as --trials overrides the same setting in --set."""
    given: dict[str, Any] = {"trials": args.trials, "distance": args.distance, "seed": args.seed}
    given |= {"parameters": args.only or None, "features": args.features}
    values = assignments_of("calibrate", args.assign) | {
        name: value for name, value in given.items() if value is not None
    }
    by_distance = next((name for name in ("distance", "features") if given[name] is not None), None)
    if args.method not in (None, "search") and by_distance is not None:
        raise InputError(
            f"--{by_distance} is for a search by a distance, but --method is {args.method}. Leave one of them out"
        )
    return build(METHODS, args.method or method_of(values), values, stage="calibrate")


def place(args: CalibrateArguments, target: Unlabelled) -> Simulator:
    """The simulator, set to the target's size and channels."""
    if len(target.shape) != 3:
        raise InputError(f"{args.target}: holds features of shape {target.shape}, expected images")
    values: dict[str, Any] = {} if args.preset is None else {"preset": args.preset}
    return simulator(args.simulator, size=target.shape[1:], channels=target.shape[0], **values)


def study_storage(args: CalibrateArguments) -> str:
    """The database of the study, by default beside --out. With --overwrite an earlier SQLite file is deleted."""
    storage = named_storage(args)
    if "://" not in storage:
        path = Path(storage)
        make_folder(path.parent)
        if args.overwrite:
            path.unlink(missing_ok=True)
    make_folder(args.out.parent)
    return storage


def named_storage(args: CalibrateArguments) -> str:
    """The database that the options name."""
    return args.storage or str(args.out.with_suffix(".study.db"))


def check_study(args: CalibrateArguments) -> None:
    """Raise `InputError` if there is a study that is neither resumed nor replaced."""
    storage = named_storage(args)
    if "://" not in storage and Path(storage).is_file() and not (args.resume or args.overwrite):
        raise InputError(
            f"{storage}: contains a study already, expected a new storage. Pass --resume to continue it, or "
            "--overwrite, or choose another --storage"
        )


def write(
    args: CalibrateArguments, described: Result, target: Unlabelled, found: Calibration, judged: Identification
) -> None:
    """Write the ranges, the report beside them, and a sheet of the real images that no rendered image matches."""
    farthest = torch.tensor(judged.farthest)
    sheet(target.inputs[farthest], judged.nearest, args.out.with_suffix(PICTURES))
    write_text(args.out.with_suffix(REPORT), yaml.safe_dump(described, sort_keys=False, default_flow_style=None))
    save_parameters({**found.simulator.ranges, **found.ranges}, args.out, found.simulator.correlations)


def describe(
    args: CalibrateArguments, search: Calibrator, target: Unlabelled, found: Calibration, judged: Identification
) -> Result:
    """The content of the report, as plain data."""
    by_name = {one.name: one for one in judged.constraints}
    parameters = {
        name: {
            "before": plain(found.ranges_before[name]),
            "after": plain(found.ranges[name]),
            "standard_error": round(by_name[name].error, 4),
            "verdict": by_name[name].verdict,
            "like": by_name[name].like or None,
        }
        for name in found.ranges
    }
    return {
        "simulator": args.simulator,
        "target": str(args.target),
        "calibrate": {"method": name_of(METHODS, search), **to_dict(search)},
        "distance": {"before": found.before, "after": found.after},
        "discrepancy": found.discrepancy,
        "checks": found.checks,
        "parameters": parameters,
        "given": {name: plain(one) for name, one in found.given.items()},
        "correlations": found.correlations,
        "combinations": [
            {"sum": str(one), "coefficients": one.coefficients, "standard_error": round(one.error, 4)}
            for one in judged.combinations
        ],
        "unreached": {
            "share": judged.unreached,
            "pictures": args.out.with_suffix(PICTURES).name,
            "farthest": [target.names[i] if target.names else i for i in judged.farthest],
        },
    }


def table(made: Simulator, found: Calibration, judged: Identification) -> Table:
    """One row per parameter: its range before and after, and whether the real images determine or give it."""
    shown = Table(
        "parameter", "unit", "before", "after", "standard error of the centre", "identified by the real images"
    )
    units = {parameter.name: parameter.unit for parameter in made.parameters}
    for one in judged.constraints:
        verdict = one.verdict if one.verdict != "not" else "not constrained"
        shown.add_row(
            one.name,
            units[one.name],
            text(found.ranges_before[one.name]),
            text(found.ranges[one.name]),
            f"{one.error:.2f} of the range",
            verdict + (f", not separable from {one.like}" if one.like else ""),
        )
    for name, sampling in found.given.items():
        shown.add_row(name, units[name], text(made.sampling(name)), text(sampling), "", "given with the real images")
    return shown


def summary(args: CalibrateArguments, search: Calibrator, found: Calibration, judged: Identification) -> list[str]:
    """The distance, the checks, the share of real images without a match, and the files written."""
    by, seen, effort = "sliced-wasserstein", "", f"{search.trials} trials"
    if isinstance(search, Search):
        by = search.distance
        seen = "" if search.features is None else f", on features: {search.features}"
    lines = [f"distance ({by}{seen}): {found.before:.4f} -> {found.after:.4f} in {effort}"]
    if not found.moved:
        lines.append(
            f"no ranges with a smaller distance were found in {effort}, so all ranges stay unchanged. "
            "Try fewer parameters (--only), more trials, or the other --method"
        )
    if found.correlations:
        pairs = ", ".join(f"{pair} {value:+.2f}" for pair, value in found.correlations.items())
        lines.append(f"correlations: {pairs}")
    lines += [
        f"constrained together, but not alone: {one} (standard error {one.error:.2f} of the range)"
        for one in judged.combinations
    ]
    if found.discrepancy is not None:
        lines.append(
            "difference between the mean real image and the closest mean rendered image: "
            f"{found.discrepancy:.2f} standard deviations"
        )
    for name, value in (found.checks or {}).items():
        outcome = "fails" if value < FAILS else "holds"
        lines.append(f"{name.replace('_', ' ').replace(' based', '-based')}: {outcome} (p = {value:.2g})")
    return [
        *lines,
        f"{judged.unreached:.0%} of the real images are not covered by the simulator: "
        f"{args.out.with_suffix(PICTURES)} shows the farthest, each beside its nearest rendered image",
        f"ranges: {args.out}; report: {args.out.with_suffix(REPORT)}",
    ]
