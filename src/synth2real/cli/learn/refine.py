"""`synth2real refine`: from a folder of synthetic images to a folder of refined images."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from ...data.domains import Unlabelled
from ...data.loading import Channels, Size, load_unlabelled
from ...errors import InputError
from ...refine import METHODS, load_refiner
from ...refine.folder import RefineJob, refine_folder
from ...settings import build
from ...simulate import Simulator, is_simulator, simulator
from ...training.mapping import Mapping
from ..assignments import assignments_of
from ..console import bars, console, warnings_on_stderr
from ..inputs import check_for_simulators
from ..requests import RefineRequest


def refine(request: RefineRequest) -> None:
    """Train a refiner, or load one, and write the refined folder."""
    if (request.apply is None) == (request.target is None):
        found = "neither" if request.apply is None else "both"
        raise InputError(
            f"--target and --apply: found {found}, expected one: real images to train on, or a saved refiner"
        )
    check_for_simulators(request.source, request.n, request.preset)
    with warnings_on_stderr():
        job = apply_job(request) if request.apply is not None else learn_job(request)
        start = time.perf_counter()
        with bars() as shown:
            steps = getattr(job.refiner, "all_steps", 0)
            count = refine_folder(job, lambda step, terms: shown.report("refine", step, steps, terms))
    seconds = time.perf_counter() - start
    line = f"refined {count} images by {job.refiner.name} in {seconds:.0f} s to {request.out}"
    console.print(line, soft_wrap=True)


def learn_job(request: RefineRequest) -> RefineJob:
    """The job that trains a refiner on the target."""
    assert request.target is not None
    refiner = method(request)
    target = load_unlabelled(request.target, size=request.size, channels=request.channels, skip_bad=request.skip_bad)
    if len(target.shape) != 3:
        raise InputError(f"{request.target}: holds features of shape {target.shape}, expected images")
    source = place(request, target.shape)
    return refine_job(request, source, refiner, target, request.size, request.channels)


def apply_job(request: RefineRequest) -> RefineJob:
    """The job that applies a saved refiner. Images are converted to the size and channels of its training."""
    assert request.apply is not None
    given: dict[str, object] = {"--method": request.method, "--steps": request.steps, "--set": request.assign or None}
    given |= {"--size": request.size, "--channels": request.channels}
    wrong = next((name for name, value in given.items() if value is not None), None)
    if wrong is not None:
        raise InputError(
            f"{wrong}: a saved refiner (--apply) keeps its own, so the option has no effect. Leave {wrong} out"
        )
    refiner = load_refiner(request.apply)
    channels, height, width = refiner.shape
    source = place(request, refiner.shape)
    return refine_job(request, source, refiner, None, (height, width), 1 if channels == 1 else 3)


def refine_job(
    request: RefineRequest,
    source: Path | Simulator,
    refiner: Mapping,
    target: Unlabelled | None,
    size: Size | None,
    channels: Channels | None,
) -> RefineJob:
    """The library's job for a request."""
    return RefineJob(
        source=source,
        named=request.source,
        out=request.out,
        refiner=refiner,
        target=target,
        target_named=str(request.target or ""),
        n=request.n or RefineJob.n,
        size=size,
        channels=channels,
        seed=request.seed,
        skip_bad=request.skip_bad,
        overwrite=request.overwrite,
    )


def method(request: RefineRequest) -> Mapping:
    """The method of that name with its settings."""
    if request.method is None:
        raise InputError(f"--method: found none, expected one of: {', '.join(METHODS)}")
    values = assignments_of("refine", request.assign)
    if request.steps is not None:
        known = METHODS.get(request.method)
        if known is not None and "steps" not in {field.name for field in dataclasses.fields(known)}:  # type: ignore[arg-type]
            raise InputError(f"--steps {request.steps}: refine {request.method} takes no steps. Leave it out")
        values["steps"] = request.steps
    return build(METHODS, request.method, values, stage="refine")


def place(request: RefineRequest, shape: tuple[int, ...]) -> Path | Simulator:
    """The simulator of that name, set to images of `shape`, or the folder."""
    if not is_simulator(request.source):
        return Path(request.source)
    values: dict[str, Any] = {} if request.preset is None else {"preset": request.preset}
    return simulator(request.source, size=shape[1:], channels=shape[0], **values)
