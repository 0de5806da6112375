"""`synth2real render`: labelled images from a simulator."""

from __future__ import annotations

from typing import Any, cast

from ...engines import engine
from ...simulate import load_parameters, simulator
from ...simulate import render as render_images
from ...simulate.export import check_output, render_job, seconds_of
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
    if args.dry_run:
        job = render_job(
            made, args.n, args.out, args.seed, args.overwrite, args.masks, cast(Any, args.format), args.resume
        )
        check_output(job)
        height, width = made.size
        lines = [f"{args.n} images of {height}x{width} from {args.name}, as {job.format}"]
        return dry_run.plan(lines, seconds_of(job) / args.jobs, args.out)
    with engine(args.engine, args.jobs) as runs:
        render_images(
            made,
            args.n,
            args.out,
            args.seed,
            args.overwrite,
            args.masks,
            cast(Any, args.format),
            args.resume,
            runs,
        )
    keep_provenance("render", args, args.out, made)
    console.print(f"rendered {args.n} images to {args.out}", soft_wrap=True)
    return {"simulator": args.name, "images": args.n, "out": args.out}
