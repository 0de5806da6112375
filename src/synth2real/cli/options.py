"""The command line: the application, and the options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """The commands, each of which Ctrl-C ends with one line and exit code 130 (typer alone says nothing)."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            typer.echo(f"interrupted{stop}", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    help="Train on synthetic data, work on real data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SIMULATOR = "Name of a simulator, e.g. eyes; or module:Class, or the YAML file of a program."

Out = Annotated[Path, typer.Option("--out", help="Folder or file to write.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Label column; repeat it where there are several.")]
Images = Annotated[int | None, typer.Option("--n", min=1, help="Images to render from a simulator, by default 8000.")]
SizeText = Annotated[str | None, typer.Option("--size", metavar="HxW", help="Resize every image on load.")]
Channels = Annotated[int | None, typer.Option("--channels", help="Convert on load: 1 grey, 3 colour.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out unreadable images, and list them.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what --out holds.")]
Preset = Annotated[str | None, typer.Option("--preset", help="Of the simulator, e.g. infrared for eyes.")]
Params = Annotated[
    Path | None, typer.Option("--params", help="Ranges of the simulator, YAML of `parameter: value or [low, high]`.")
]
ZeroBased = Annotated[
    bool | None,
    typer.Option("--zero-based/--one-based", help="First index of svmlight files; by default as they suggest."),
]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Of training; by default from the data's size.")]

Group = Annotated[
    str | None, typer.Option("--group", metavar="COLUMN", help="Person or video of each image: kept whole in splits.")
]


def size_of(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) > 0 and int(width) > 0):
        raise typer.BadParameter(f"'{text}', expected height x width in pixels, such as 28x28", param_hint="--size")
    return int(height), int(width)


def channels_of(number: int | None) -> Any:
    if number not in (None, 1, 3):
        raise typer.BadParameter(f"{number}, expected 1 (grey) or 3 (colour)", param_hint="--channels")
    return number
