"""`synth2real adapt`: a trained model is adapted to more real images without its source."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ...adapt import SOURCE_FREE_STAGE, SourceFree
from ...comparison.halving import timed_steps
from ...data.domains import Unlabelled
from ...errors import InputError, TrainingDiverged
from ...route.run_folder import LOG, METRICS, SETTINGS, RunFolder, read_settings
from ...select.adapted import judge
from ...settings import build, to_dict
from ...training.hardware import Hardware
from ...training.loop import Loop, Report, Trainer
from ...training.model import Model
from ...training.saved_model import load_model
from .. import dry_run
from ..arguments import AdaptArguments
from ..console import Result, bars, console
from ..few_labels import keep_correction, plain_few_labels, read_for_model
from ..inputs import images_for
from ..outputs import run_folder, say
from ..set_option import assignments_of


def adapt(args: AdaptArguments) -> Result:
    """Load the run and the target, adapt, write a run folder that `predict` reads, and say whether it helped."""
    if args.out.resolve() == args.run.resolve():
        raise InputError(
            f"--out {args.out} is the run itself, expected a new folder, because the run itself is not changed"
        )
    method = build_method(args)
    hardware = Hardware.detect(args.device)
    model = load_model(args.run, trust=args.trust, hardware=hardware)
    target = images_for(model, args.target, args)
    model.inputs_of(target, str(args.target))
    grouped = read_for_model(model, args, (args.target, target))
    loop = Loop(args.steps or method.steps(target), seed=args.seed, hardware=hardware)
    method.trainer(model, target, loop)  # refuses what it cannot adapt before anything is written
    folder = run_folder("adapt", args, settings(args, method, model, loop))
    if args.dry_run:
        once, step = timed_steps(
            lambda steps, done: method.trainer(model, target, replace(loop, steps=steps, on_step=done)).run()
        )
        lines = [f"{args.method}: {args.run} to {args.target} ({len(target)} samples), {loop.steps} steps"]
        return dry_run.plan(lines, once + step * loop.steps, args.out, ("the model", SETTINGS, METRICS, LOG))
    say(folder, f"{args.method}: {args.run} to {args.target} ({len(target)} samples), no source")
    say(
        folder,
        f"{loop.steps} steps of {loop.batch}, seed {loop.seed}, {loop.hardware.device} {loop.hardware.precision}",
    )
    with bars() as shown:
        counted = replace(loop, on_step=lambda step, steps: shown.step("adapt", step, steps))
        trainer = method.trainer(model, target, counted)

        def report(step: int, terms: dict[str, float]) -> None:
            folder.report("adapt", step, loop.steps, terms)
            shown.report("adapt", step, loop.steps, terms)

        algorithm: Any = trainer.algorithm
        run(folder, trainer, report, model, target)
    adapted = keep(folder, algorithm, model)
    judgement = judge(model, adapted, target)
    say(folder, judgement.words)
    adapted, correction = keep_correction(folder, adapted, grouped, target)
    folder.finish(adapted)
    say(folder, f"adapted; the run is in {args.out}")
    return {
        "method": args.method,
        "samples": len(target),
        "steps": trainer.step,
        "judgement": asdict(judgement),
        "few_labels": None if correction is None else correction.plain(),
        "out": args.out,
    }


def run(folder: RunFolder, trainer: Trainer, report: Report, before: Model, target: Unlabelled) -> None:
    """Train; if it diverges, the folder says so and has the last good weights."""
    algorithm: Any = trainer.algorithm
    try:
        trainer.run(report)
        algorithm.shipped().check_outputs(target, trainer.step)
    except TrainingDiverged as error:
        folder.diverged(error)
        if not error.taken:
            keep(folder, algorithm, before)
        raise


def build_method(args: AdaptArguments) -> SourceFree:
    """The method of that name with its settings."""
    return build(SOURCE_FREE_STAGE, args.method, assignments_of("adapt", args.assign), stage="--method")


def keep(folder: RunFolder, algorithm: Any, before: Model) -> Model:
    """Write the adapted model, and print the notes. The model converts images on load as the model before it."""
    model: Model = algorithm.shipped()
    model.conversion, model.layout = before.conversion, before.layout
    folder.finish(model)
    for note in algorithm.notes():
        folder.log(f"warning: {note}")
        console.warn(note)
    return model


def settings(args: AdaptArguments, method: SourceFree, model: Model, loop: Loop) -> dict[str, Any]:
    """What the run is made from, as plain data for `settings.yaml`."""
    return {
        "run": str(args.run),
        "target": str(args.target),
        "few_labels": plain_few_labels(args.few_labels, args.group),
        "label": read_settings(args.run).get("label"),
        "task": {"kind": model.task.kind, **model.task.settings()},
        "adapt": {"method": args.method, **to_dict(method)},
        "steps": loop.steps,
        "batch": loop.batch,
        "seed": loop.seed,
        **model.conversion.plain(),
        "hardware": loop.hardware.settings(),
    }
