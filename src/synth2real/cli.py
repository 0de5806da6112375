"""The command line: parses, calls the library, prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

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

Out = Annotated[Path, typer.Option("--out", help="Folder or file to write.")]
Seed = Annotated[int, typer.Option("--seed", help="Of everything random.")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Label column; repeat it where there are several.")]
Images = Annotated[int | None, typer.Option("--n", min=1, help="Images to render from a simulator, by default 8000.")]
SizeText = Annotated[str | None, typer.Option("--size", metavar="HxW", help="Resize every image on load.")]
Channels = Annotated[int | None, typer.Option("--channels", help="Convert on load: 1 grey, 3 colour.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out unreadable images, and list them.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what --out holds.")]
Preset = Annotated[str | None, typer.Option("--preset", help="Of the simulator, e.g. infrared for eyes.")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Of training; by default from the data's size.")]


@app.command()
def train(
    source: Annotated[str, typer.Argument(help="Labelled folder, .npz or .svmlight, or the name of a simulator.")],
    target: Annotated[Path, typer.Option("--target", help="Folder, .npz or .svmlight without labels.")],
    out: Out,
    task: Annotated[str, typer.Option("--task", help="classify, regress, keypoints or gaze.")] = "classify",
    label: Labels = None,
    randomize: Annotated[str | None, typer.Option("--randomize", help="photometric, geometric, full or none.")] = None,
    refine: Annotated[str, typer.Option("--refine", help="A method of `synth2real methods`, or none.")] = "none",
    adapt: Annotated[
        str, typer.Option("--adapt", help="source-only, dann, teacher, msda or another of `synth2real methods`.")
    ] = "source-only",
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Search the simulator's ranges first.")] = False,
    preset: Preset = None,
    n: Images = None,
    size: SizeText = None,
    channels: Channels = None,
    zero_based: Annotated[
        bool | None,
        typer.Option("--zero-based/--one-based", help="First index of svmlight files; by default as they suggest."),
    ] = None,
    seed: Seed = 0,
    steps: Steps = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="ROOM.FIELD=VALUE", help="A setting, e.g. adapt.preset=paper.")
    ] = None,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that --out holds.")] = False,
) -> None:
    """Train a model on labelled synthetic data for unlabelled real data."""
    from .commands import train as run

    run.train(
        run.Request(
            source=source,
            target=target,
            out=out,
            task=task,
            label=tuple(label or ()),
            rooms={
                "calibrate": "search" if calibrate else "none",
                "randomize": randomize,
                "refine": refine,
                "adapt": adapt,
            },
            assign=tuple(assign or ()),
            preset=preset,
            n=n,
            size=_size(size),
            channels=_channels(channels),
            zero_based=zero_based,
            seed=seed,
            steps=steps,
            skip_bad=skip_bad,
            overwrite=overwrite,
            resume=resume,
        )
    )


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    on: Annotated[Path, typer.Option("--on", help="Labelled folder, .npz or .svmlight.")],
    label: Annotated[list[str] | None, typer.Option("--label", help="Label column, where it has another name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    skip_bad: SkipBad = False,
) -> None:
    """Score a trained model on labelled real data."""
    from .commands.apply import evaluate as call

    call(run, on, tuple(label or ()), as_json, skip_bad)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    images: Annotated[Path, typer.Argument(help="Folder, image, .npz or .svmlight.")],
    out: Out,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column p_CLASS for each class.")
    ] = False,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Write predictions for images as CSV."""
    from .commands.apply import predict as call

    call(run, images, out, probabilities, skip_bad, overwrite)


@app.command()
def render(
    name: Annotated[str, typer.Argument(metavar="SIMULATOR", help="Name of a simulator, e.g. eyes.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of images.")],
    out: Out,
    size: SizeText = None,
    channels: Channels = None,
    preset: Preset = None,
    params: Annotated[Path | None, typer.Option("--params", help="YAML of `parameter: value or [low, high]`.")] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Write a mask of the regions beside each image.")] = False,
    format: Annotated[
        str | None, typer.Option("--format", help="folder, webdataset or parquet; by default from --out.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Render labelled images from a simulator."""
    from .simulate import load_parameters, simulator
    from .simulate import render as call

    settings: dict[str, Any] = {"channels": _channels(channels) or 1}
    if size is not None:
        settings["size"] = _size(size)
    if preset is not None:
        settings["preset"] = preset
    if params is not None:
        settings["ranges"] = load_parameters(params)
    call(simulator(name, **settings), n, out, seed, overwrite, masks, cast(Any, format))
    typer.echo(f"rendered {n} images to {out}", err=True)


@app.command()
def refine(
    source: Annotated[str, typer.Argument(help="Folder of images, labelled or not, or the name of a simulator.")],
    out: Out,
    target: Annotated[Path | None, typer.Option("--target", help="Folder or .npz of unlabelled real images.")] = None,
    method: Annotated[str | None, typer.Option("--method", help="One of `synth2real methods`, e.g. simgan.")] = None,
    apply: Annotated[
        Path | None, typer.Option("--apply", metavar="REFINED", help="Use the refiner saved there; learn nothing.")
    ] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="refine.FIELD=VALUE", help="A setting of the method.")
    ] = None,
    preset: Preset = None,
    n: Images = None,
    size: SizeText = None,
    channels: Channels = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="The same as --set refine.steps=N.")] = None,
    seed: Seed = 0,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Make synthetic images look real: learn how from both, and write them with their labels."""
    from .commands import refine as run

    run.refine(
        run.Request(
            source=source,
            out=out,
            target=target,
            method=method,
            apply=apply,
            assign=tuple(assign or ()),
            preset=preset,
            n=n,
            size=_size(size),
            channels=_channels(channels),
            seed=seed,
            steps=steps,
            skip_bad=skip_bad,
            overwrite=overwrite,
        )
    )


@app.command()
def turing(
    real: Annotated[Path, typer.Argument(help="Folder or .npz of real images.")],
    refined: Annotated[Path, typer.Argument(help="Folder or .npz of refined images.")],
    out: Annotated[Path, typer.Option("--out", help="HTML file to write; the key is written beside it.")],
    n: Annotated[int, typer.Option("--n", min=2, help="Images on the page, half of each kind.")] = 50,
    size: SizeText = None,
    channels: Channels = None,
    seed: Seed = 0,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Make a page on which a person judges which images are real."""
    from .commands.turing import turing as call

    call(real, refined, out, n, seed, _size(size), _channels(channels), skip_bad, overwrite)


@app.command()
def methods() -> None:
    """List what each room offers."""
    from .commands.apply import methods as call

    call()


@app.command()
def demo(
    out: Out = Path("demo"),
    fast: Annotated[bool, typer.Option("--fast", help="Fewer routes and steps, the same path.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Rendered digits to real handwriting: what each way across the gap is worth."""
    from .commands.demo import demo as call

    call(out, fast, overwrite)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) > 0 and int(width) > 0):
        raise typer.BadParameter(f"'{text}', expected height x width in pixels, such as 28x28", param_hint="--size")
    return int(height), int(width)


def _channels(number: int | None) -> Any:
    if number not in (None, 1, 3):
        raise typer.BadParameter(f"{number}, expected 1 (grey) or 3 (colour)", param_hint="--channels")
    return number


def main() -> None:
    """Entry point: errors that users can mend are one message and exit code 2, never a traceback."""
    from .errors import InputError, TrainingDiverged

    try:
        app()
    except (InputError, TrainingDiverged) as error:
        typer.echo(" ".join([f"error: {error}", *getattr(error, "__notes__", ())]), err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(f"error: {error}. Check that the path exists and can be read and written", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
