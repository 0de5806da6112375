"""`synth2real turing`: a page on which a person judges which images are real."""

from __future__ import annotations

from ...data.loading import load_unlabelled
from ...report.turing import write_turing_test
from ..console import console, warnings_on_stderr
from ..outputs import check_new_file
from ..requests import TuringRequest


def turing(request: TuringRequest) -> None:
    """Load both kinds of images and write the page and its key."""
    check_new_file(request.out, "an HTML", (".html",), request.overwrite)
    with warnings_on_stderr():
        real, refined = (
            load_unlabelled(path, size=request.size, channels=request.channels, skip_bad=request.skip_bad)
            for path in (request.real, request.refined)
        )
    key = write_turing_test(real, refined, request.out, request.n, request.seed)
    console.print(f"open {request.out} in a browser; the key is in {key}", soft_wrap=True)
