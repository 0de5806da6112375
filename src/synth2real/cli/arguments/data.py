"""What the commands that render and inspect data are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    METHODS,
    Channels,
    Device,
    Format,
    Group,
    Labels,
    Overwrite,
    Params,
    Preset,
    Resume,
    Seed,
    SimulatorArgument,
    Size,
    SourceArgument,
    Task,
    Trust,
    parse_channels,
    parse_part,
    parse_size,
)
from .shared import Parallel, Reading, TestedData, Writing


@dataclass(frozen=True, kw_only=True)
class RenderArguments(Parallel, Writing):
    """Render labelled images from a simulator."""

    name: SimulatorArgument
    n: Annotated[int, typer.Option("--n", min=1, help="Number of images.")]
    out: Annotated[Path, typer.Option("--out", help="Folder, or .parquet file, to write.")]
    size: Annotated[
        Size | None, typer.Option("--size", metavar="HxW", parser=parse_size, help="Height and width of the images.")
    ] = None
    channels: Annotated[
        Channels | None,
        typer.Option("--channels", metavar="1|3", parser=parse_channels, help="1 renders grey, 3 colour."),
    ] = None
    preset: Preset = None
    params: Params = None
    masks: Annotated[bool, typer.Option("--masks", help="Write a mask of the regions beside each image.")] = False
    format: Annotated[
        str | None, typer.Option("--format", help="folder, webdataset or parquet. By default it follows from --out.")
    ] = None
    seed: Seed = 0
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            metavar="I/N",
            parser=parse_part,
            help="Write the part I of N parts of the images, on any machine.",
        ),
    ] = None
    join: Annotated[
        Path | None,
        typer.Option("--join", metavar="FOLDER", help="Put together the parts in FOLDER, in place of rendering."),
    ] = None
    resume: Resume = False
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class ShowArguments(Reading):
    """Show what a randomization does to images and to their labels."""

    source: SourceArgument
    out: Annotated[Path, typer.Option("--out", help="PNG file to write.")]
    randomize: Annotated[str, typer.Option("--randomize", help=f"A randomization policy. {METHODS}")] = "full"
    strength: Annotated[float | None, typer.Option("--strength", help="The same as --set randomize.strength=X.")] = None
    assign: Annotated[
        tuple[str, ...], typer.Option("--set", metavar="randomize.FIELD=VALUE", help="A setting of the policy.")
    ] = ()
    task: Task = "classify"
    label: Labels = ()
    n: Annotated[int, typer.Option("--n", min=1, help="Number of images, one row each.")] = 6
    versions: Annotated[int, typer.Option("--versions", min=1, help="Randomized versions of each image.")] = 7
    preset: Preset = None
    params: Params = None
    seed: Seed = 0
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class CheckArguments(TestedData):
    """Inspect the data before any training. Reports balance, near-duplicates, outliers and expected minutes."""


@dataclass(frozen=True, kw_only=True)
class ConvertArguments(Writing):
    """Write labelled images in another format.

    The labels of every task go along; what the format cannot hold is said.
    """

    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder or file of labelled images, of any format.")]
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")]
    to: Annotated[str, typer.Option("--to", help="coco, yolo, imagefolder, parquet or webdataset.")]
    crop_instances: Annotated[
        bool, typer.Option("--crop-instances", help="Cut out every instance: an image for each, with its labels.")
    ] = False
    format: Format = None
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class GapArguments(Reading):
    """Measure how far two domains lie apart. Each distance has a 95 % interval."""

    source: Annotated[str, typer.Argument(help="Folder or .npz, labelled or not, or the name of a simulator.")]
    target: Annotated[Path, typer.Argument(help="Folder or .npz of real images.")]
    features: Annotated[
        Path | None, typer.Option("--features", metavar="RUN", help="Compare the features of a run, not pixels.")
    ] = None
    n: Annotated[
        int | None, typer.Option("--n", min=1, help="Number of images to render from a simulator. Default: 1000.")
    ] = None
    group: Group = None
    device: Device = None
    trust: Trust = False
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class TuringArguments(Reading):
    """Make a page on which a person judges which images are real."""

    real: Annotated[Path, typer.Argument(help="Folder or .npz of real images.")]
    refined: Annotated[Path, typer.Argument(help="Folder or .npz of refined images.")]
    out: Annotated[
        Path, typer.Option("--out", help="HTML file to write. The answers are written beside it, to NAME.key.csv.")
    ]
    n: Annotated[int, typer.Option("--n", min=2, help="Images on the page, half of each kind.")] = 50
    seed: Seed = 0
    overwrite: Overwrite = False
