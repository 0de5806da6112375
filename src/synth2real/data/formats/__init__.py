"""Formats: labelled images as other programs write them, found by what lies in a folder, and read as records.

A format is one file with a `Format`, and one line in `FORMATS`. Packages register further ones under the entry point
group `synth2real.formats`, in the same form. A module is imported when its format is looked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from ...errors import InputError
from ...plugins import Registry
from .base import Format

NATIVE = "images"  # --format of what the library writes itself: class folders, metadata tables, plain images
FORMATS = {
    "coco": "synth2real.data.formats.coco:COCO",
    "solo": "synth2real.data.formats.solo:SOLO",
    "replicator": "synth2real.data.formats.replicator:REPLICATOR",
    "blenderproc": "synth2real.data.formats.blenderproc:BLENDERPROC",
    "labelme": "synth2real.data.formats.labelme:LABELME",
    "yolo": "synth2real.data.formats.yolo:YOLO",
    "voc": "synth2real.data.formats.voc:VOC",
    "huggingface": "synth2real.data.formats.hub:HUGGING_FACE",
    "webdataset": "synth2real.data.formats.webdataset:WEBDATASET",
    "parquet": "synth2real.data.formats.parquet:PARQUET_FILES",
    "unityeyes": "synth2real.datasets.eye_records:UNITY_EYES",
    "mpiigaze": "synth2real.datasets.eye_records:MPII_GAZE",
}  # name -> module:attribute; a format may stand on a room above this one

__all__ = ["FORMATS", "NAMED", "NATIVE", "Format", "find_format", "format_names", "format_of", "formats"]


NAMED: Registry[Format] = Registry(
    "formats",
    FORMATS,
    lambda found: isinstance(found, Format),
    "an object of synth2real.data.formats.Format",
    reserved=(NATIVE,),
)


def format_names() -> list[str]:
    """What --format takes: the built-in formats, those of installed packages, and `images`."""
    return [NATIVE, *NAMED]


def find_format(name: str) -> Format:
    """The format of this name.

    Raises:
        InputError: there is none, or the package that registers it cannot be imported.
    """
    if name not in NAMED:
        raise InputError(f"--format '{name}' is unknown, expected one of: {', '.join(format_names())}")
    return NAMED[name]


def formats() -> Iterator[Format]:
    """All formats. A faulty one of an installed package is named in a warning, and left out."""
    return (one for _, one in NAMED.working())


def format_of(path: Path, name: str | None = None, native: Callable[[Path], object] = lambda _: False) -> Format | None:
    """The format of a folder or file, by what lies in it; None if it is none of them, or of the library itself.

    Args:
        path: the folder or file.
        name: of the format, from --format; then nothing is looked for.
        native: whether the folder is of the library itself; asked only where the marks of a format are there.

    Raises:
        InputError: there is no format of that name, or the marks of several formats are there.
    """
    if name is not None:
        return None if name == NATIVE else find_format(name)
    found = [one for one in formats() if _finds(one, path)]
    if not found or native(path):
        return None
    if len(found) > 1:
        raise InputError(
            f"{path}: is of several formats: {' and '.join(f'{one.name} ({one.about})' for one in found)}. "
            f"Name one: --format {found[0].name} (format= in Python); or --format {NATIVE} for its image files alone"
        )
    return found[0]


def _finds(one: Format, path: Path) -> bool:
    try:
        return one.found(path)
    except Exception as error:  # of a foreign package; a format that cannot look is not there
        warnings.warn(f"the format '{one.name}' cannot look at {path}: {type(error).__name__}: {error}", stacklevel=3)
        return False
