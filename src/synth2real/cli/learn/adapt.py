"""`synth2real adapt`: a trained model is adapted to more real images without its source."""

from __future__ import annotations

from typing import Any

from ...adapt import SOURCE_FREE, SourceFree
from ...data.loading import load_unlabelled
from ...errors import InputError, TrainingDiverged
from ...route.run_folder import RunFolder, read_settings
from ...settings import build, to_dict
from ...training.hardware import Hardware
from ...training.loop import Loop
from ...training.model import Model, load_model
from ..assignments import assignments_of
from ..console import bars, console, warnings_on_stderr
from ..requests import AdaptRequest


def adapt(request: AdaptRequest) -> None:
    """Load the run and the target, adapt, and write a run folder that `predict` and `evaluate` read."""
    if request.out.resolve() == request.run.resolve():
        raise InputError(
            f"--out {request.out} is the run itself, expected a new folder, because the run itself is not changed"
        )
    method = build_method(request)
    model = load_model(request.run)
    with warnings_on_stderr():
        target = load_unlabelled(
            request.target, size=model.resize, channels=model.channels, skip_bad=request.skip_bad, layout=model.layout
        )
    model.check(target.inputs, str(request.target))
    loop = Loop(request.steps or method.steps(target), seed=request.seed, hardware=Hardware.detect())
    trainer = method.trainer(model, target, loop)
    folder = RunFolder(request.out, settings(request, method, model, loop), overwrite=request.overwrite)

    def say(line: str) -> None:
        folder.log(line)
        console.print(line, soft_wrap=True)

    say(f"{request.method}: {request.run} to {request.target} ({len(target)} samples), no source")
    say(f"{loop.steps} steps of {loop.batch}, seed {loop.seed}, {loop.hardware.device} {loop.hardware.precision}")
    with bars() as shown:

        def report(step: int, terms: dict[str, float]) -> None:
            folder.report("adapt", step, loop.steps, terms)
            shown.report("adapt", step, loop.steps, terms)

        try:
            trainer.run(report)
        except TrainingDiverged:
            keep(folder, trainer.algorithm, model)
            raise
    keep(folder, trainer.algorithm, model)
    say(f"adapted; the run is in {request.out}")


def build_method(request: AdaptRequest) -> SourceFree:
    """The method of that name with its settings."""
    return build(SOURCE_FREE, request.method, assignments_of("adapt", request.assign), stage="--method")


def keep(folder: RunFolder, algorithm: Any, before: Model) -> None:
    """Write the adapted model. It converts images on load as the model before it."""
    model = algorithm.shipped()
    model.resize, model.channels, model.layout = before.resize, before.channels, before.layout
    folder.finish(model)


def settings(request: AdaptRequest, method: SourceFree, model: Model, loop: Loop) -> dict[str, Any]:
    """What the run is made from, as plain data for `settings.yaml`."""
    return {
        "run": str(request.run),
        "target": str(request.target),
        "label": read_settings(request.run).get("label"),
        "task": {"kind": model.task.kind, **model.task.settings()},
        "adapt": {"method": request.method, **to_dict(method)},
        "steps": loop.steps,
        "batch": loop.batch,
        "seed": loop.seed,
        "size": list(model.resize) if model.resize else None,
        "channels": model.channels,
        "hardware": loop.hardware.settings(),
    }
