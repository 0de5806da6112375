"""The command line: parses the options of a command, calls the library, prints."""

from __future__ import annotations

import io
import sys

import typer

from . import processes
from .commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point. An error that the user can mend is one message with exit code 2, never a traceback."""
    from ..errors import InputError, ProcessError, TrainingDiverged, WriteError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be in the terminal's encoding
    processes.be_silent()
    try:
        app()
    except (InputError, ProcessError, TrainingDiverged, WriteError) as error:
        notes: list[str] = getattr(error, "__notes__", [])
        said = " ".join([f"{str(error).rstrip('.')}.", *notes]) if notes else str(error)
        typer.echo(f"error: {said}", err=True)
        sys.exit(2)
    except OSError as error:
        said = f"{error.filename}: {error.strerror.lower()}" if error.filename and error.strerror else str(error)
        typer.echo(f"error: {said}. Check that the path exists and can be read and written", err=True)
        sys.exit(2)
