"""`synth2real refine`: from a folder of synthetic images to a folder of refined images."""

from __future__ import annotations

import copy
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ...comparison.expected import rendering
from ...comparison.halving import PROBE, applying, refining
from ...data.domains import Unlabelled, evenly
from ...data.fitting import TILES
from ...data.reading.loading import load_unlabelled
from ...data.reading.pixels import Conversion
from ...engines import engine
from ...errors import InputError
from ...refine import STAGE, load_refiner
from ...refine.base import TrainedMapping
from ...refine.displacement import Displacement
from ...refine.folder import DESCRIPTION, RefineJob, check_out, refine_folder, take_part
from ...route.run import Budget
from ...settings import build
from ...simulate import Simulator, is_simulator, simulator
from ...storage import check_writable
from ...training.hardware import Hardware
from ...training.loop import Loop
from ...training.mapping import REFINER, Mapping
from ...training.saved_model import load_model
from .. import dry_run, processes
from ..arguments import RefineArguments
from ..console import Result, bars, console
from ..inputs import check_for_simulators, format_for, reading
from ..outputs import check_overwrite_or_resume
from ..provenance import keep_provenance
from ..set_option import assignments_of


def refine(args: RefineArguments) -> Result:
    """Train a refiner, or load one, and write the refined folder."""
    if (args.apply is None) == (args.target is None):
        found = "neither" if args.apply is None else "both"
        raise InputError(
            f"--target and --apply: found {found}, expected one: real images to train on, or a saved refiner"
        )
    check_for_simulators(args.source, args.n, args.preset)
    check_overwrite_or_resume(args.overwrite, args.resume)
    check_share(args.reject)
    if args.resize == TILES:
        raise InputError(
            "--resize tiles: refined images keep the size of the source, expected stretch, crop or letterbox. To learn "
            "from large images, cut them out first"
        )
    job = apply_job(args) if args.apply is not None else learn_job(args)
    if args.dry_run:
        return dry_plan(args, job)
    if not processes.first():
        take_part(job)
        return {}
    gpus = 0 if job.hardware is None else job.hardware.own_gpus
    with engine(args.engine, args.jobs, gpus, torch.get_num_threads()) as runs:
        return done(args, replace(job, engine=runs))


def done(args: RefineArguments, job: RefineJob) -> Result:
    """Write the refined folder, and say what was made."""
    start = time.perf_counter()
    steps = 0 if args.apply is not None else getattr(job.refiner, "all_steps", 0)
    with bars() as shown:
        made = refine_folder(
            job,
            lambda step, terms: shown.report("refine", step, steps, terms),
            lambda step, steps: shown.step("refine", step, steps),
        )
    keep_provenance("refine", args, args.out, job.source if isinstance(job.source, Simulator) else None)
    seconds = time.perf_counter() - start
    line = f"refined {made.images} images by {job.refiner.name} in {seconds:.0f} s to {args.out}"
    console.print(line, soft_wrap=True)
    console.print(moved(made.displacement), soft_wrap=True)
    return {
        "method": job.refiner.name,
        "images": made.images,
        "steps": steps,
        "displacement": made.displacement.summary(),
        "out": args.out,
    }


def moved(found: Displacement) -> str:
    """How far labels have moved, in a line."""
    values = found.summary()
    return f"label displacement: median {values['median']}, worst {values['worst']} ({found.measure})"


def check_share(share: float | None) -> None:
    """Raise `InputError` if a share of images cannot be left out."""
    if share is not None and not 0 <= share < 1:
        raise InputError(f"--reject {share:g}: expected a share of the images, 0 to below 1, such as 0.05")


def dry_plan(args: RefineArguments, job: RefineJob) -> Result:
    """Check the output, time the refiner on a few images, and say the plan."""
    check_out(job)
    check_writable(args.out)
    seconds, count = 0.0, job.n
    if isinstance(job.source, Simulator):
        made, each = rendering(job.source, Budget(n=job.n, seed=job.seed))
        seconds = each * job.n
    else:
        images = load_unlabelled(job.source, **asdict(job.conversion), masks=False)
        count = len(images)
        made = images.labelled(torch.zeros(count, dtype=torch.int64), ("unread",))
    few = made.subset(evenly(len(made), PROBE))
    steps = 0
    if job.target is None:
        seconds += applying(job.refiner, few, count)
    else:
        job.refiner.check(few)
        some = job.target.subset(evenly(len(job.target), PROBE))
        loop = Loop(steps=1, batch=job.batch, seed=job.seed, hardware=job.hardware or Hardware.detect())
        steps = getattr(job.refiner, "all_steps", 0)
        once, step = refining(job.refiner, few, some, loop, count)
        seconds += once + step * steps
    lines = [f"{job.refiner.name}: {count} images of {args.source}, {steps} training steps"]
    return dry_run.plan(lines, seconds, args.out, ("the images", DESCRIPTION, f"{REFINER}/"))


def learn_job(args: RefineArguments) -> RefineJob:
    """The job that trains a refiner on the target."""
    assert args.target is not None
    hardware = Hardware.detect(args.device)  # refuses a device before anything is read
    refiner = method(args)
    target = load_unlabelled(args.target, **reading(args), format=format_for(args.target, args))
    if len(target.shape) != 3:
        raise InputError(f"{args.target}: holds features of shape {target.shape}, expected images")
    source = place(args, target.shape)
    return refine_job(args, source, refiner, target, Conversion(**reading(args)), hardware)


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
    hardware = Hardware.detect(args.device)
    refiner = load_refiner(args.apply, trust=args.trust, hardware=hardware)
    channels, height, width = refiner.shape
    source = place(args, refiner.shape)
    how = replace(Conversion(**reading(args, (height, width))), channels=1 if channels == 1 else 3)
    return refine_job(args, source, refiner, None, how, hardware)


def refine_job(
    args: RefineArguments,
    source: Path | Simulator,
    refiner: Mapping,
    target: Unlabelled | None,
    conversion: Conversion,
    hardware: Hardware,
) -> RefineJob:
    """The library's job for these arguments."""
    if args.reject is not None:
        refiner = copy.copy(refiner)
        refiner.reject = args.reject
    return RefineJob(
        source=source,
        named=args.source,
        out=args.out,
        refiner=refiner,
        target=target,
        target_named=str(args.target or ""),
        n=args.n or RefineJob.n,
        conversion=conversion,
        seed=args.seed,
        overwrite=args.overwrite,
        resume=args.resume,
        hardware=hardware,
        judge=None if args.judge is None else load_model(args.judge, trust=args.trust, hardware=hardware),
        judge_named=str(args.judge or ""),
    )


def method(args: RefineArguments) -> Mapping:
    """The method of that name with its settings."""
    if args.method is None:
        raise InputError(f"--method: found none, expected one of: {', '.join(STAGE)}")
    values = assignments_of("refine", args.assign)
    if args.reject is not None and "reject" in values:
        raise InputError("--reject and --set refine.reject exclude each other: found both, expected one")
    if args.steps is not None:
        return lasting(args.method, values, args.steps)
    return build(STAGE, args.method, values, stage="refine")


def lasting(name: str, values: dict[str, Any], steps: int) -> Mapping:
    """The method with its settings, and with this number of steps in all."""
    if "steps" in values:
        raise InputError("--steps and --set refine.steps exclude each other: found both, expected one")
    refiner = build(STAGE, name, values, stage="refine")
    if not isinstance(refiner, TrainedMapping):
        raise InputError(f"--steps {steps}: refine {name} takes no steps. Leave it out")
    return refiner.lasting(steps)


def place(args: RefineArguments, shape: tuple[int, ...]) -> Path | Simulator:
    """The simulator of that name, set to images of `shape`, or the folder."""
    if not is_simulator(args.source):
        return Path(args.source)
    values: dict[str, Any] = {} if args.preset is None else {"preset": args.preset}
    return simulator(args.source, size=shape[1:], channels=shape[0], **values)
