"""The visual Turing test: one offline page of real and refined images, shuffled, for a person to judge."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import torch

from ..data.domains import Unlabelled
from ..errors import InputError
from ..route.realism import check_alike
from .images import SHEET_SIDE, thumbnails

SIDE = 3 * SHEET_SIDE  # largest side of an image on the page, pixels


def write_turing_test(real: Unlabelled, refined: Unlabelled, path: Path, n: int = 50, seed: int = 0) -> Path:
    """Write the page, and beside it the key, which the page does not hold: a CSV of `test`, `image`, `truth`, `file`.

    All images are encoded anew and alike, so that neither format nor name tells them apart. The page counts, saves the
    answers as a file, and scores them once it is given the key.

    Args:
        real, refined: images of one shape.
        path: of the page, ending in `.html`.
        n: images on the page, half of each kind.
        seed: of the draw and the order.

    Returns:
        The path of the key.

    Raises:
        InputError: images of differing shapes, fewer than `n` / 2 of a kind, or `n` odd or below 2.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if n < 2 or n % 2:
        raise InputError(f"--n {n}: expected an even number of images, half of them real")
    check_alike(real.inputs, refined.inputs)
    few = next(((what, z) for what, z in (("real", real), ("refined", refined)) if len(z) < n // 2), None)
    if few is not None:
        raise InputError(f"--n {n} needs {n // 2} {few[0]} images, found {len(few[1])}. Give more, or a smaller --n")
    generator = torch.Generator().manual_seed(seed)
    drawn = [z.subset(torch.randperm(len(z), generator=generator)[: n // 2]) for z in (real, refined)]
    order = torch.randperm(n, generator=generator)
    sources = [source for z in drawn for source in thumbnails(z.inputs[torch.arange(n // 2)], SIDE)]
    names = [name for z in drawn for name in (z.names or [""] * (n // 2))]
    shown = [sources[i] for i in order]
    test = hashlib.sha256("".join(shown).encode()).hexdigest()[:12]
    key = path.with_suffix(".key.csv")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    html = environment.get_template("turing.html").render(images=shown, test=test, key=key.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with key.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["test", "image", "truth", "file"])
        truths = ["real" if i < n // 2 else "refined" for i in order.tolist()]
        writer.writerows([test, place + 1, truths[place], names[i]] for place, i in enumerate(order.tolist()))
    path.write_text(html, encoding="utf-8")
    return key
