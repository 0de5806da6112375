"""`synth2real turing`: a page on which a person judges which images are real."""

from __future__ import annotations

from pathlib import Path

from ...data.loading import Channels, Size, load_unlabelled
from ...errors import InputError
from ...report.turing import write_turing_test
from ..console import console, warnings_on_stderr


def turing(
    real: Path,
    refined: Path,
    out: Path,
    n: int,
    seed: int,
    size: Size | None,
    channels: Channels | None,
    skip_bad: bool,
    overwrite: bool,
) -> None:
    """Load both kinds of images and write the page and its key."""
    if out.suffix.lower() != ".html":
        raise InputError(f"{out}: expected the name of an HTML file, such as {out.with_suffix('.html')}")
    if out.exists() and not overwrite:
        raise InputError(f"{out}: exists already, expected a new file. Choose another --out, or pass --overwrite")
    with warnings_on_stderr():
        domains = [load_unlabelled(z, size=size, channels=channels, skip_bad=skip_bad) for z in (real, refined)]
    key = write_turing_test(domains[0], domains[1], out, n, seed)
    console.print(f"open {out} in a browser; the key is in {key}", soft_wrap=True)
