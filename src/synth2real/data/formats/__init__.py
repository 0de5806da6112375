"""Formats: labelled images as other programs write them, found by what lies in a folder, and read as records.

A format is one file with a `Format`, and one line in `FORMATS`. Packages register further ones under the entry point
group `synth2real.formats`, in the same form. A module is imported when its format is looked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from ...errors import InputError
from .base import Format

GROUP = "synth2real.formats"  # entry point group in which packages register their formats
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

__all__ = ["FORMATS", "GROUP", "NATIVE", "Format", "find_format", "format_names", "format_of", "formats"]


def format_names() -> list[str]:
    """What --format takes: the built-in formats, those of installed packages, and `images`."""
    return [NATIVE, *FORMATS, *(one.name for one in _registered())]


def find_format(name: str) -> Format:
    """The format of this name.

    Raises:
        InputError: there is none, or the package that registers it cannot be imported.
    """
    if name in FORMATS:
        return _imported(FORMATS[name])
    plugin = next((one for one in _registered() if one.name == name), None)
    if plugin is None:
        raise InputError(f"--format '{name}' is unknown, expected one of: {', '.join(format_names())}")
    try:
        return _checked(plugin)
    except Exception as error:  # of a foreign package
        raise InputError(f"--format '{name}': {_faulty(plugin, error)}. Mend or remove the package") from None


def formats() -> Iterator[Format]:
    """All formats. A faulty one of an installed package is named in a warning, and left out."""
    for place in FORMATS.values():
        yield _imported(place)
    for plugin in _registered():
        try:
            yield _checked(plugin)
        except Exception as error:  # of a foreign package
            warnings.warn(f"left out a format: {_faulty(plugin, error)}", stacklevel=2)


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


def _registered() -> list[EntryPoint]:
    """Formats of installed packages, without those that take the name of a built-in one."""
    return [one for one in entry_points(group=GROUP) if one.name not in (*FORMATS, NATIVE)]


def _imported(place: str) -> Format:
    module, _, attribute = place.partition(":")
    found: Format = getattr(import_module(module), attribute)
    return found


def _checked(plugin: EntryPoint) -> Format:
    found: Any = plugin.load()
    if not isinstance(found, Format):
        raise TypeError(f"is {type(found).__name__}, expected a synth2real.data.formats.Format")
    return found


def _faulty(plugin: EntryPoint, error: Exception) -> str:
    of = "" if plugin.dist is None else f" of the package {plugin.dist.name}"
    return f"'{plugin.name}' ({plugin.value}){of} {type(error).__name__}: {error}"
