"""`synth2real turing`: a page on which a person judges which images are real."""

from __future__ import annotations

from ...data.reading.loading import load_unlabelled
from ...report.turing import write_turing_test
from ..arguments import TuringArguments
from ..console import Result, console
from ..inputs import format_for, reading
from ..outputs import check_new_file


def turing(args: TuringArguments) -> Result:
    """Load both kinds of images and write the page and its key."""
    check_new_file(args.out, "an HTML", (".html",), args.overwrite)
    how = {**reading(args), "masks": False}
    real, refined = (load_unlabelled(path, **how, format=format_for(path, args)) for path in (args.real, args.refined))
    key = write_turing_test(real, refined, args.out, args.n, args.seed)
    console.print(f"open {args.out} in a browser; the key is in {key}", soft_wrap=True)
    return {"real": len(real), "refined": len(refined), "images": args.n, "out": args.out, "key": key}
