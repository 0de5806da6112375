"""`synth2real render`: labelled images from a simulator."""

from __future__ import annotations

from typing import Any

from ...engines import engine
from ...simulate import load_parameters, simulator
from ...simulate import render as render_images
from ...simulate.export import check_output, render_job, seconds_of
from ...simulate.parts import Part
from .. import dry_run
from ..arguments import RenderArguments
from ..console import Result, console
from ..outputs import check_overwrite_or_resume
from ..provenance import keep_provenance


def render(args: RenderArguments) -> Result:
    """Render the images and write them."""
    settings: dict[str, Any] = {}
    if args.channels is not None:
        settings["channels"] = args.channels
    if args.size is not None:
        settings["size"] = args.size
    if args.preset is not None:
        settings["preset"] = args.preset
    if args.params is not None:
        settings |= load_parameters(args.params)
    check_overwrite_or_resume(args.overwrite, args.resume)
    made = simulator(args.name, **settings)
    how: dict[str, Any] = {
        "overwrite": args.overwrite,
        "masks": args.masks,
        "format": args.format,
        "resume": args.resume,
        "part": None if args.part is None else Part.of_text(args.part),
        "join": args.join,
    }
    job = render_job(made, args.n, args.out, args.seed, **how)
    count = len(job.span)
    if args.dry_run:
        check_output(job)
        height, width = made.size
        lines = [f"{count} images of {height}x{width} from {args.name}, as {job.format}"]
        return dry_run.plan(lines, seconds_of(job) / args.jobs, args.out)
    with engine(args.engine, args.jobs) as runs:
        render_images(made, args.n, args.out, args.seed, engine=runs, **how)
    keep_provenance("render", args, args.out, made)
    said = f"rendered {count} images to {args.out}"
    if args.part is not None:
        said = f"rendered {job.span} of {args.n}, part {args.part}, to {args.out}"
    elif args.join is not None:
        said = f"put together {count} images of the parts in {args.join}, to {args.out}"
    console.print(said, soft_wrap=True)
    return {"simulator": args.name, "images": count, "out": args.out}
