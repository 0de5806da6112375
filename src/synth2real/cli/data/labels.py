"""What `check` finds in the labels of folders of other programs, before any image is loaded for a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...data.boxes.formats import boxes_format, has_objects
from ...data.formats import Format, format_of
from ...data.formats.native import IMAGES
from ...data.reading.discovery import files_below, is_image, metadata_tables
from ...data.reading.loading import is_hub
from ...measure.label_checks import check_labels, content_hash, shared
from ...simulate import is_simulator
from ...tasks import Detection
from ..arguments import CheckArguments
from ..console import Result, console
from ..inputs import format_for

FIRST = 5  # pairs of images that are named


def check_folders(args: CheckArguments) -> Result:
    """Warn of faults in the labels of source and test, and of images that two sets share. Empty without instances.

    The labels of the target are not looked at.
    """
    source = args.source[0]
    if is_simulator(source) or is_hub(source) or not Path(source).exists():
        return {}
    kind = _with_instances(Path(source), args.format, args.task)
    if kind is None:
        return {}
    hashes: dict[str, dict[str, str]] = {"source": {}}
    found: dict[str, Any] = {"source": _say("source", kind, Path(source), hashes["source"])}
    if args.target.is_dir():
        hashes["target"] = _hashes(args.target, format_of(args.target, format_for(args.target, args)))
    if args.test is not None and args.test.exists():
        of_test = _with_instances(args.test, format_for(args.test, args), args.task) or IMAGES
        hashes["test"] = {}
        found["test"] = _say("test", of_test, args.test, hashes["test"])
    return {"labels": found, "shared": _say_shared(hashes)}


def _with_instances(path: Path, name: str | None, task: str) -> Format | None:
    """The format of a folder with instances: another program's, or a table of this library with a column `objects`."""
    if task == Detection.kind and path.suffix.lower() != ".npz":
        return boxes_format(path, name)
    kind = format_of(path, name, native=metadata_tables)
    return IMAGES if kind is None and has_objects(path) else kind


def _hashes(target: Path, kind: Format | None) -> dict[str, str]:
    """The content hashes of the images of the target."""
    if kind is not None and not kind.pictures:
        return {one.name: content_hash(one.image) for one in kind.records(target)}
    files = [file for file in files_below(target) if is_image(file)]
    return {file.relative_to(target).as_posix(): content_hash(file) for file in files}


def _say(name: str, kind: Format, path: Path, hashes: dict[str, str]) -> list[dict[str, Any]]:
    found = check_labels(kind.records(path), hashed=hashes)
    for one in found:
        console.warn(f"{name}: {one.text}")
    return [one.plain() for one in found]


def _say_shared(hashes: dict[str, dict[str, str]]) -> dict[str, Any]:
    names = list(hashes)
    found = {}
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            pairs = shared(hashes[one], hashes[other])
            if pairs:
                first = ", ".join(f"{a} and {b}" for a, b in pairs[:FIRST])
                mend = "Remove them from one of the two"
                console.warn(f"{len(pairs):,} images of {one} are in {other}, too, byte for byte ({first}). {mend}")
                found[f"{one} and {other}"] = {"count": len(pairs), "first": [list(pair) for pair in pairs[:FIRST]]}
    return found
