"""The command line: parses the options of a command, calls the library, prints."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from .commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point. An error that the user can mend is one message with exit code 2, never a traceback."""
    from ..errors import InputError, TrainingDiverged

    if str(Path.cwd()) not in sys.path:  # so that --network module:Class finds a module in the present folder
        sys.path.append(str(Path.cwd()))
    try:
        app()
    except (InputError, TrainingDiverged) as error:
        typer.echo(" ".join([f"error: {error}", *getattr(error, "__notes__", ())]), err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(f"error: {error}. Check that the path exists and can be read and written", err=True)
        sys.exit(2)
