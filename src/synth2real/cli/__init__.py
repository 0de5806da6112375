"""The command line: parses the options of a command, calls the library, prints."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from .commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point. An error that the user can mend is one message with exit code 2, never a traceback."""
    from ..errors import InputError, TrainingDiverged, WriteError

    if str(Path.cwd()) not in sys.path:  # so that --network module:Class finds a module in the present folder
        sys.path.append(str(Path.cwd()))
    try:
        app()
    except (InputError, TrainingDiverged, WriteError) as error:
        *before, last = [str(error), *getattr(error, "__notes__", ())]
        typer.echo("error: " + ". ".join([*(part.rstrip(".") for part in before), last]), err=True)
        sys.exit(2)
    except OSError as error:
        said = f"{error.filename}: {error.strerror.lower()}" if error.filename and error.strerror else error
        typer.echo(f"error: {said}. Check that the path exists and can be read and written", err=True)
        sys.exit(2)
