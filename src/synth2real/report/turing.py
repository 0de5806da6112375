"""The visual Turing test: an offline page on which a person judges shuffled images as real or refined."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import torch

from ..data.domains import Unlabelled
from ..errors import InputError
from ..route.realism import check_alike
from ..storage import make_folder, whole
from .images import SHEET_SIDE, thumbnails

SIDE = 3 * SHEET_SIDE  # longer side of an image on the page, in pixels


def write_turing_test(real: Unlabelled, refined: Unlabelled, path: Path, n: int = 50, seed: int = 0) -> Path:
    """Write the page, and next to it the key: a CSV with the columns `test`, `image`, `truth`, `file`.

    The page does not contain the key. All images are encoded again in the same way, so that neither format nor name
    shows which are real. The page counts the answers and saves them as a file. It scores them when the user opens the
    key.

    Args:
        real, refined: images. All have the same shape.
        path: of the page. It ends in `.html`.
        n: number of images on the page. Half are real and half are refined.
        seed: of the sampling and the order.

    Returns:
        The path of the key.

    Raises:
        InputError: the shapes differ, there are fewer than `n` / 2 images of a kind, or `n` is odd or below 2.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if n < 2 or n % 2:
        raise InputError(f"--n {n}: expected an even number of images, half of them real")
    check_alike(real.inputs, refined.inputs)
    few = next(((what, z) for what, z in (("real", real), ("refined", refined)) if len(z) < n // 2), None)
    if few is not None:
        raise InputError(
            f"--n {n} needs {n // 2} {few[0]} images, found {len(few[1])}. Give more images or a smaller --n"
        )
    generator = torch.Generator().manual_seed(seed)
    sampled = [z.subset(torch.randperm(len(z), generator=generator)[: n // 2]) for z in (real, refined)]
    order = torch.randperm(n, generator=generator)
    sources = [source for z in sampled for source in thumbnails(z.inputs[torch.arange(n // 2)], SIDE)]
    names = [name for z in sampled for name in (z.names or [""] * (n // 2))]
    shown = [sources[i] for i in order]
    test = hashlib.sha256("".join(shown).encode()).hexdigest()[:12]
    key = path.with_suffix(".key.csv")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    html = environment.get_template("turing.html").render(images=shown, test=test, key=key.name)
    make_folder(path.parent)
    truths = ["real" if i < n // 2 else "refined" for i in order.tolist()]
    with whole(path) as page, whole(key) as table:  # both or none
        page.write_text(html, encoding="utf-8", errors="surrogateescape")
        with table.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["test", "image", "truth", "file"])
            writer.writerows([test, place + 1, truths[place], names[i]] for place, i in enumerate(order.tolist()))
    return key
