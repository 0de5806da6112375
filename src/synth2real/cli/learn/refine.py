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
from ..arguments import RefineArguments
from ..console import bars, console, warnings_on_stderr
from ..inputs import check_for_simulators
from ..outputs import check_overwrite_or_resume
from ..set_option import assignments_of


def refine(args: RefineArguments) -> None:
    """Train a refiner, or load one, and write the refined folder."""
    if (args.apply is None) == (args.target is None):
        found = "neither" if args.apply is None else "both"
        raise InputError(
            f"--target and --apply: found {found}, expected one: real images to train on, or a saved refiner"
        )
    check_for_simulators(args.source, args.n, args.preset)
    check_overwrite_or_resume(args.overwrite, args.resume)
    with warnings_on_stderr():
        job = apply_job(args) if args.apply is not None else learn_job(args)
        start = time.perf_counter()
        with bars() as shown:
            steps = getattr(job.refiner, "all_steps", 0)
            count = refine_folder(job, lambda step, terms: shown.report("refine", step, steps, terms))
    seconds = time.perf_counter() - start
    line = f"refined {count} images by {job.refiner.name} in {seconds:.0f} s to {args.out}"
    console.print(line, soft_wrap=True)


def learn_job(args: RefineArguments) -> RefineJob:
    """The job that trains a refiner on the target."""
    assert args.target is not None
    refiner = method(args)
    target = load_unlabelled(args.target, size=args.size, channels=args.channels, skip_bad=args.skip_bad)
    if len(target.shape) != 3:
        raise InputError(f"{args.target}: holds features of shape {target.shape}, expected images")
    source = place(args, target.shape)
    return refine_job(args, source, refiner, target, args.size, args.channels)


def apply_job(args: RefineArguments) -> RefineJob:
    """The job that applies a saved refiner. Images are converted to the size and channels of its training."""
    assert args.apply is not None
    given: dict[str, object] = {
        "--method": args.method,
        "--steps": args.steps,
        "--set": args.assign or None,
    }
    given |= {"--size": args.size, "--channels": args.channels}
    wrong = next((name for name, value in given.items() if value is not None), None)
    if wrong is not None:
        raise InputError(
            f"{wrong}: a saved refiner (--apply) keeps its own, so the option has no effect. Leave {wrong} out"
        )
    refiner = load_refiner(args.apply, trust=args.trust)
    channels, height, width = refiner.shape
    source = place(args, refiner.shape)
    return refine_job(args, source, refiner, None, (height, width), 1 if channels == 1 else 3)


def refine_job(
    args: RefineArguments,
    source: Path | Simulator,
    refiner: Mapping,
    target: Unlabelled | None,
    size: Size | None,
    channels: Channels | None,
) -> RefineJob:
    """The library's job for these arguments."""
    return RefineJob(
        source=source,
        named=args.source,
        out=args.out,
        refiner=refiner,
        target=target,
        target_named=str(args.target or ""),
        n=args.n or RefineJob.n,
        size=size,
        channels=channels,
        seed=args.seed,
        skip_bad=args.skip_bad,
        overwrite=args.overwrite,
        resume=args.resume,
    )


def method(args: RefineArguments) -> Mapping:
    """The method of that name with its settings."""
    if args.method is None:
        raise InputError(f"--method: found none, expected one of: {', '.join(METHODS)}")
    values = assignments_of("refine", args.assign)
    if args.steps is not None:
        known = METHODS.get(args.method)
        if known is not None and "steps" not in {field.name for field in dataclasses.fields(known)}:  # type: ignore[arg-type]
            raise InputError(f"--steps {args.steps}: refine {args.method} takes no steps. Leave it out")
        values["steps"] = args.steps
    return build(METHODS, args.method, values, stage="refine")


def place(args: RefineArguments, shape: tuple[int, ...]) -> Path | Simulator:
    """The simulator of that name, set to images of `shape`, or the folder."""
    if not is_simulator(args.source):
        return Path(args.source)
    values: dict[str, Any] = {} if args.preset is None else {"preset": args.preset}
    return simulator(args.source, size=shape[1:], channels=shape[0], **values)
