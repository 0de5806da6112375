"""Options that several commands share, each written once; a command's own options are in `arguments.py`."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, cast, get_args

import typer

from ..engines import ENGINES

Resize = Literal["stretch", "crop", "letterbox", "tiles"]
Size = tuple[int, int]
Channels = Literal[1, 3]

SIMULATOR = "Name of a simulator, e.g. eyes; or module:Class, or the YAML file of a program."
REAL = "Folder or .npz of unlabelled real images."
METHODS = "`synth2real methods` lists them."
LARGEST = 2**26  # pixels of --size


def parse_size(text: str) -> Size:
    """Height and width in pixels from `HxW`, or from one number for both."""
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.lower())
    height, width = (int(found[1]), int(found[2] or found[1])) if found is not None else (0, 0)
    if not 0 < height * width <= LARGEST:
        raise typer.BadParameter(
            f"'{text[:50]}', expected height x width in pixels, such as 28x28 or 28, and at most {LARGEST} pixels in "
            "all"
        )
    return height, width


def parse_resize(text: str) -> Resize:
    """How images are brought to one size."""
    if text not in get_args(Resize):
        raise typer.BadParameter(
            f"'{text[:50]}', expected {', '.join(get_args(Resize)[:-1])} or {get_args(Resize)[-1]}"
        )
    return cast(Resize, text)


def parse_channels(text: str) -> Channels:
    """1 (grey) or 3 (colour)."""
    if text not in ("1", "3"):
        raise typer.BadParameter(f"{text}, expected 1 (grey) or 3 (colour)")
    return 1 if text == "1" else 3


def parse_part(text: str) -> str:
    """One of several parts, `I/N`."""
    if re.fullmatch(r"\d{1,6}/\d{1,6}", text) is None:
        raise typer.BadParameter(f"'{text[:50]}', expected I/N, one of N parts with I from 1 to N, such as 3/10")
    return text


def parse_engine(text: str) -> str:
    """The name of an engine that is installed."""
    if text not in ENGINES:
        raise typer.BadParameter(f"'{text[:50]}', expected one of: {', '.join(ENGINES)}")
    if text == "ray" and find_spec("ray") is None:
        raise typer.BadParameter("ray is not installed. Install it with: pip install 'synth2real[ray]'")
    return text


SourceArgument = Annotated[str, typer.Argument(help="Labelled folder or .npz, or the name of a simulator.")]
RunOut = Annotated[Path, typer.Option("--out", help="Run folder to write.")]
SimulatorArgument = Annotated[str, typer.Argument(metavar="SIMULATOR", help=SIMULATOR)]
RunArgument = Annotated[Path, typer.Argument(help="Run folder.")]
ModelArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or an .onnx of `synth2real export`.")]
RealTarget = Annotated[Path, typer.Option("--target", help=REAL)]

Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier output of this command in --out.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in --out after an interruption.")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Import the classes that the run folder names, also from the working folder.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all randomness.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, the last line of stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the result and errors only.")]

EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="processes|ray",
        parser=parse_engine,
        help="What runs the parts: processes of this machine, or Ray (needs synth2real[ray]).",
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Number of parts, or of trainings, at the same time.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Load and check everything, print the plan and its minutes, write nothing.")
]

Task = Annotated[
    str, typer.Option("--task", help="What to predict: classify, regress, keypoints, gaze, segment or detect.")
]
Labels = Annotated[
    tuple[str, ...],
    typer.Option("--label", help="Label column; of masks a region, of boxes a class. Repeat it for several."),
]
Given = Annotated[
    tuple[str, ...],
    typer.Option(
        "--given", metavar="COLUMN", help="Column of numbers known of both domains, an input of the model. Repeat it."
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        "--group", metavar="COLUMN", help="Column with the group (person, video) of each image. No split parts a group."
    ),
]
Test = Annotated[Path | None, typer.Option("--test", help="Labelled real data to score on. It never affects a choice.")]
FewLabels = Annotated[
    Path | None,
    typer.Option("--few-labels", help="1 to 200 labelled real samples. They correct the model and choose nothing."),
]
SizeOption = Annotated[
    Size | None,
    typer.Option("--size", metavar="HxW|N", parser=parse_size, help="Resize every image on load. N is short for NxN."),
]
ResizeOption = Annotated[
    Resize | None,
    typer.Option(
        "--resize",
        metavar="stretch|crop|letterbox|tiles",
        parser=parse_resize,
        help="How to bring images to --size: crop and letterbox keep the ratio of the sides; tiles cuts large images "
        "(segment, detect). Default: stretch; for classes crop, if the ratios differ.",
    ),
]
ChannelsOption = Annotated[
    Channels | None,
    typer.Option("--channels", metavar="1|3", parser=parse_channels, help="Convert on load: 1 is grey, 3 is colour."),
]
Depth = Annotated[
    int | None,
    typer.Option("--depth", metavar="BITS", help="Bits per pixel of images of more than 8 bits. By default detected."),
]
Background = Annotated[
    str, typer.Option("--background", metavar="COLOUR", help="Colour behind transparent pixels, e.g. black or #808080.")
]
Memory = Annotated[
    float | None,
    typer.Option(
        "--memory",
        metavar="GB",
        min=0,
        help="Most memory for one set of decoded images; a larger set stays on disk. Default: half of what is free.",
    ),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out unreadable images, and list them.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Format of the folder, e.g. coco; images for plain ones. By default found by what lies there.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="cpu|cuda|cuda:N|mps", help="Where to compute. By default a GPU if there is one."),
]
ZeroBased = Annotated[
    bool | None,
    typer.Option("--zero-based/--one-based", help="First index of svmlight files. By default it is detected."),
]

Network = Annotated[
    str | None,
    typer.Option(
        "--network",
        help="Feature extractor: its name, e.g. efficientnet-lite0; module:Class, timm:NAME, transformers:NAME or, for "
        "boxes, transformers-detr:NAME.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="pretrained|none|FILE",
        help="Initial weights of the feature extractor, .safetensors. By default pretrained, where there are such.",
    ),
]
Preset = Annotated[str | None, typer.Option("--preset", help="Preset of the simulator, e.g. infrared for eyes.")]
Params = Annotated[
    Path | None,
    typer.Option(
        "--params", help="YAML file of the simulator's ranges: `parameter: value` or `parameter: [low, high]`."
    ),
]
Images = Annotated[
    int | None, typer.Option("--n", min=1, help="Number of images to render from a simulator. Default: 8000.")
]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Training steps. By default they follow from the size of the data.")
]
