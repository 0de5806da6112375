"""`synth2real convert`: a folder of labelled images in another format."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from ...data.formats import Format, format_of
from ...data.formats.domains import with_sizes
from ...data.formats.native import IMAGES
from ...data.formats.record import Record, image_bytes
from ...data.formats.shared.crops import crops
from ...data.formats.shared.summary import Summary
from ...data.formats.writing import Writer, find_writer
from ...data.reading.discovery import metadata_tables
from ...data.reading.progress import counted
from ...errors import InputError
from ...storage import building, check_writable, is_free
from .. import dry_run
from ..arguments import ConvertArguments
from ..config_file import COMMAND, CONFIG
from ..console import Result, console
from ..provenance import keep_provenance

TIMED = 100  # images that a dry run reads


def convert(args: ConvertArguments) -> Result:
    """Read the images twice: what they hold, then to write them. Say what the format cannot hold."""
    writer = find_writer(args.to)
    replaced = check_output(args)
    if not args.source.exists():
        raise InputError(f"{args.source}: no such folder or file. Check the spelling")
    kind = format_of(args.source, args.format, native=metadata_tables) or IMAGES
    summary = Summary.of(records(kind, args))
    if summary.images == 0:
        cut = " that can be cut out" if args.crop_instances else ""
        raise InputError(f"{args.source}: is read as {kind.about}, which holds no image{cut}, expected at least one")
    line = f"{args.source}: {kind.about}, {summary.line()}"
    lost = writer.lost(summary)
    if args.dry_run:
        lines = [line, *(f"{writer.about} cannot hold: {one}" for one in lost)]
        return dry_plan(args, kind, writer, lines, summary)
    console.print(line, soft_wrap=True)
    write(args, kind, writer, summary, replaced)
    for one in lost:
        console.warn(f"not written, as {writer.about} cannot hold it: {one}")
    console.print(f"converted {summary.images:,} images to {args.out}", soft_wrap=True)
    return {
        "format": kind.name,
        "to": writer.name,
        "images": summary.images,
        "instances": summary.counts["instances"],
        "classes": summary.classes,
        "lost": lost,
        "out": args.out,
    }


def records(kind: Format, args: ConvertArguments) -> Iterator[Record]:
    """The records of the input, or their instances cut out. Raise `InputError` if labels lie wrong in an image."""
    found = with_sizes(args.source, kind.records(args.source))
    return crops(found) if args.crop_instances else found


def write(args: ConvertArguments, kind: Format, writer: Writer, summary: Summary, replaced: list[str]) -> None:
    """Write the output. After an error nothing of it is left, and an earlier one is there again."""
    made_from = {"source": str(args.source), "to": args.to}
    with building(args.out, "convert", made_from, replaces=replaced) as made:
        try:
            every = counted(records(kind, args), args.source, summary.images)
            writer.write(every, summary, args.out)
        except BaseException:
            made.discard()
            raise
    keep_provenance("convert", args, args.out)


def dry_plan(args: ConvertArguments, kind: Format, writer: Writer, lines: list[str], summary: Summary) -> Result:
    """Check the output, time the reading of some images, and say the plan."""
    check_writable(args.out)
    began = time.perf_counter()
    some = [len(image_bytes(one.image)[0]) for one in islice(records(kind, args), TIMED)]
    seconds = (time.perf_counter() - began) * summary.images / max(1, len(some))
    return dry_run.plan(lines, seconds, args.out, (writer.about,))


def check_output(args: ConvertArguments) -> list[str]:
    """Names in the output folder that belong to an earlier output of this command.

    Raises:
        InputError: the output is a file, lies in the input or holds it, or must not be replaced.
    """
    out = args.out
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file, expected a folder to write to")
    source, place = args.source.resolve(), out.resolve()
    if source == place or source in place.parents or place in source.parents:
        raise InputError(f"{out}: lies in {args.source} or holds it, expected another folder. Choose another OUT")
    if is_free(out, overwrite=args.overwrite):
        return []
    if not _is_ours(out):
        raise InputError(
            f"{out}: the folder holds files that `convert` did not write, but --overwrite replaces only an earlier "
            f"output of `convert`, with its {CONFIG}. Choose another OUT"
        )
    return [path.name for path in out.iterdir()]


def _is_ours(out: Path) -> bool:
    try:
        content: Any = yaml.safe_load((out / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(content, dict) and content.get(COMMAND) == "convert"
