"""Parts of a rendered set: `render --part I/N` writes one, on any machine, and `render --join` puts all together.

Images are rendered in pieces of a fixed number of images, each with a seed of its own. So the images and labels of a
part have the bits, and the names, that they have in the whole. `part.json` says which part it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Self

from ..data.reading.class_names import natural_key
from ..engines import Span
from ..errors import InputError
from ..storage import check_complete
from .encoding import Encoded, Row
from .objects import ANNOTATIONS, read_annotations

PART, TABLE = "part.json", "metadata.jsonl"
SAID = 10  # missing parts that are named


@dataclass(frozen=True)
class Part:
    """One of several parts of a set.

    Args:
        number: from 1 on.
        of: number of parts.

    Raises:
        InputError: `number` is not 1 to `of`.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The part of `I/N`. Raise `InputError` if the text is another one."""
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal()):
            raise InputError(f"--part {text}: expected I/N with I from 1 to N, such as 3/10")
        return cls(int(number), int(of))

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise InputError(f"--part {self}: expected I/N with I from 1 to N, such as 1/{max(1, self.of)}")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def whole(self) -> bool:
        """Whether it is the only one."""
        return self.of == 1

    def span(self, n: int, size: int, whole: str = "") -> Span:
        """The images of the part of `n` images.

        They are cut between pieces of `size`; or within them, if there are fewer pieces than parts.

        Args:
            n: number of images of all parts.
            size: images of a piece.
            whole: what a piece is that is never cut, for messages.

        Raises:
            InputError: there are fewer images than parts, or fewer pieces that are never cut.
        """
        if -(-n // size) < self.of and not whole:
            size = 1
        pieces = -(-n // size)
        if pieces < self.of:
            what = f"{pieces} {whole}" if whole else f"{n} images"
            raise InputError(f"--part {self}: found {what}, expected as many as parts or more. Take fewer parts")
        first, end = ((i * pieces // self.of) * size for i in (self.number - 1, self.number))
        return Span(first, min(end, n))


def part_text(part: Part, span: Span, rendered_from: dict[str, Any]) -> str:
    """The content of `part.json`: which images of which set are in the folder."""
    said = {"part": part.number, "of": part.of, "images": [span.first, span.end], "rendered_from": rendered_from}
    return json.dumps(said, indent=2) + "\n"


def check_parts(folder: Path, rendered_from: dict[str, Any]) -> list[tuple[Span, Path]]:
    """The folders of all parts, in the order of their images.

    Args:
        folder: with the folders of the parts.
        rendered_from: all that determines the images and labels of the whole.

    Raises:
        InputError: a part is missing, incomplete, there twice, or of another set.
    """
    found: dict[int, tuple[Span, Path]] = {}
    count = 1
    for place in sorted(folder.iterdir(), key=lambda one: natural_key(one.name)) if folder.is_dir() else []:
        if place.is_dir() and not place.name.startswith("."):
            check_complete(place)
        if not (place / PART).is_file():
            continue
        part, span = _read(place / PART, rendered_from)
        if found and part.of != count:
            other = next(iter(found.values()))[1]
            raise InputError(
                f"{place}: is one of {part.of} parts, and {other} one of {count}, expected one cut. Remove one"
            )
        if part.number in found:
            other = found[part.number][1]
            raise InputError(f"{place}: is part {part}, and so is {other}, expected one. Remove one")
        found[part.number], count = (span, place), part.of
    if not found:
        raise InputError(f"{folder}: found no part, expected folders that `render --part I/N` has written. Render them")
    missing = [str(Part(i, count)) for i in range(1, count + 1) if i not in found]
    if missing:
        more = ", ..." if len(missing) > SAID else ""
        raise InputError(
            f"{folder}: found {len(found)} of {count} parts, missing are {', '.join(missing[:SAID])}{more}. Render "
            "them with the same arguments: --part I/N"
        )
    return [found[number] for number in sorted(found)]


def _read(file: Path, rendered_from: dict[str, Any]) -> tuple[Part, Span]:
    """Which part it is, and its images."""
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        part, span = Part(held["part"], held["of"]), Span(*held["images"])
        before = dict(held["rendered_from"])
    except (ValueError, TypeError, KeyError, InputError):
        raise InputError(f"{file}: is damaged, expected what `render --part` writes. Render the part again") from None
    for key, value in json.loads(json.dumps(rendered_from)).items():
        if before.get(key) != value:
            raise InputError(
                f"{file.parent}: was rendered with {key} {before.get(key)}, but --join found {value}. Give the same "
                "arguments, or render the part again"
            )
    return part, span


def joined(folder: Path, rendered_from: dict[str, Any], first: int, objects: bool) -> Iterator[Encoded]:
    """The images of all parts, as they were rendered, from the number `first` on.

    Args:
        folder, rendered_from: as in `check_parts`.
        first: image from which on they are wanted.
        objects: whether the annotations of objects are wanted.

    Raises:
        InputError: as `check_parts`; or an image, a mask or a row of a part is missing.
    """
    for span, place in check_parts(folder, rendered_from):
        if span.end > first:
            skipped = max(0, first - span.first)
            yield from islice(_images_of(place, span, rendered_from["masks"], objects), skipped, None)


def _images_of(place: Path, span: Span, masks: bool, objects: bool) -> Iterator[Encoded]:
    annotated = read_annotations(place / ANNOTATIONS, span) if objects else repeat(None)
    count = 0
    names = map("{:06d}".format, range(span.first, span.end))
    for name, row, objects_of in zip(names, _rows(place), annotated, strict=False):
        if row.pop("file_name", None) != f"{name}.png":
            break
        mask = _bytes(place / f"{name}_mask.png") if masks else None
        yield Encoded(_bytes(place / f"{name}.png"), mask, row, objects_of)
        count += 1
    if count != len(span):
        raise InputError(
            f"{place / TABLE}: has {count} of the rows of {span}, expected all, in order. Render the part again"
        )


def _rows(place: Path) -> Iterator[Row]:
    try:
        with (place / TABLE).open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{place / TABLE}: cannot be read ({error}). Render the part again") from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}). Render the part again") from None
