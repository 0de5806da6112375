"""`synth2real export`: a trained model as one file that runs without synth2real."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...data.reading.loading import load_unlabelled
from ...deploy import Exported, export_model
from ...deploy.export import check_path
from ...errors import InputError
from ...route.run_folder import read_settings
from ...storage import check_writable, keep_record
from ...training.hardware import Hardware
from ...training.saved_model import load_model
from .. import dry_run
from ..arguments import ExportArguments
from ..console import Result, console
from ..inputs import reading_of
from ..provenance import record_of


def export(args: ExportArguments) -> Result:
    """Write the file, and say how it was checked and what int8 changed."""
    if args.int8 != (args.calibrate is not None):
        raise InputError(
            "--int8 and --calibrate TARGET need each other: found one, expected both or none. The ranges of the "
            "integers follow from unlabelled real images"
        )
    check_path(args.to, overwrite=args.overwrite, int8=args.int8)
    cpu = Hardware.detect("cpu")  # an exported graph is traced, checked and quantised there
    model, run = load_model(args.run, trust=args.trust, hardware=cpu), read_settings(args.run)
    if args.check is not None and not args.check.exists():
        raise InputError(f"--check {args.check}: no such folder or file, expected real images")
    images = args.check or target_of(run)
    target = None
    if args.calibrate is not None:
        target = load_unlabelled(args.calibrate, **reading_of(model, skip_bad=args.skip_bad))
        model.inputs_of(target, str(args.calibrate))
    if args.dry_run:
        check_writable(args.to)
        began = time.perf_counter()
        with TemporaryDirectory() as folder:
            export_model(model, Path(folder) / args.to.name, images=images, calibrate=target, run=run)
        return dry_run.plan([f"{args.run} as one file"], time.perf_counter() - began, args.to)
    made = export_model(model, args.to, images=images, calibrate=target, run=run, overwrite=args.overwrite)
    keep_record(made.path, record_of("export", args, made.path))
    for note in made.notes:
        console.warn(note)
    for line in lines(made, images):
        console.print(line, soft_wrap=True)
    return {"out": made.path, **plain(made, images)}


def target_of(run: dict[str, Any]) -> Path | None:
    """The target of a run, if it is still where it was."""
    target = run.get("target")
    return Path(target) if target is not None and Path(target).exists() else None


def lines(made: Exported, images: Path | None) -> list[str]:
    """What was made, in words."""
    checked = made.checked
    of = images or "noise (the target of the run was not found; name real images with --check)"
    said = (
        "not checked: the file is of an exporter of an installed package"
        if checked is None
        else f"checked: {checked.count} inputs of {of} have the same answers as the run within {checked.largest:.1e}"
    )
    return [
        said,
        *([made.quantised.words] if made.quantised is not None else []),
        f"exported: {made.path} ({made.path.stat().st_size / 1e6:.2f} MB)",
    ]


def plain(made: Exported, images: Path | None) -> Result:
    """The same as plain data."""
    checked, int8 = made.checked, made.quantised
    return {
        "bytes": made.path.stat().st_size,
        "checked": None
        if checked is None
        else {"count": checked.count, "largest_difference": checked.largest, "images": images},
        "int8": None
        if int8 is None
        else {
            "count": int8.count,
            "changed": int8.changed,
            "mean_change": int8.mean_change,
            "bytes_before": int8.before,
        },
    }
