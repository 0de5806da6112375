"""Exporters of installed packages (entry points `synth2real.exporters`): further kinds of files.

An exporter is a function `exporter(model, path, facts)`, which writes the file `path` (of a temporary name until it is
whole) from a trained `Model` in evaluation mode on the CPU. `facts` are plain data that stand in an `.onnx`, too: class
names, units and sizes. It is registered under the suffix of its files without the point.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..plugins import Registry
from ..training.model import Model

Exporter = Callable[[Model, Path, dict[str, Any]], object]
EXPORTERS: Registry[Exporter] = Registry(
    "exporters", {}, callable, "a function exporter(model, path, facts)", reserved=("onnx", "pt2")
)


def exporter_of(path: Path) -> str | None:
    """The name of the exporter for a file; None if no installed package writes such files."""
    name = path.suffix.lower().removeprefix(".")
    return name if name in EXPORTERS else None


def run_exporter(name: str, model: Model, path: Path, facts: dict[str, Any]) -> None:
    """Write a file with the exporter `name`.

    Raises:
        InputError: the exporter is faulty, fails, or writes no file.
    """
    export = EXPORTERS[name]
    try:
        export(model, path, facts)
    except (InputError, OSError):
        raise
    except Exception as error:  # of a foreign package
        raise InputError(f"the exporter '{name}' fails ({type(error).__name__}: {error}). Mend its package") from None
    if not path.is_file():
        raise InputError(f"the exporter '{name}' has written no file, expected one at the given path. Mend its package")
