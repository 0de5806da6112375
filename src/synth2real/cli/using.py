"""Commands that look at data, and those that use what was learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from .options import (
    SIMULATOR,
    Channels,
    Group,
    Images,
    Labels,
    Out,
    Overwrite,
    Params,
    Preset,
    Seed,
    SizeText,
    SkipBad,
    ZeroBased,
    app,
    channels_of,
    size_of,
)


@app.command()
def check(
    source: Annotated[str, typer.Argument(help="Labelled folder or .npz, or the name of a simulator.")],
    target: Annotated[Path, typer.Option("--target", help="Folder or .npz of unlabelled real images.")],
    test: Annotated[Path | None, typer.Option("--test", help="Labelled real data.")] = None,
    task: Annotated[str, typer.Option("--task", help="classify, regress, keypoints or gaze.")] = "classify",
    label: Labels = None,
    group: Group = None,
    preset: Preset = None,
    n: Images = None,
    size: SizeText = None,
    channels: Channels = None,
    zero_based: ZeroBased = None,
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Look at the data before any training: balance, copies, strangers, expected minutes."""
    from .data.check import Request
    from .data.check import check as call

    call(
        Request(
            source=source,
            target=target,
            test=test,
            task=task,
            label=tuple(label or ()),
            group=group,
            preset=preset,
            n=n,
            size=size_of(size),
            channels=channels_of(channels),
            zero_based=zero_based,
            skip_bad=skip_bad,
            as_json=as_json,
        )
    )


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run folder, as train and compare write it.")],
    test: Annotated[Path | None, typer.Option("--test", help="Labelled real data to score on.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="HTML file; by default report.html in the run.")] = None,
) -> None:
    """Write the report of a run: its images, losses, features, mistakes and doubts."""
    from .use.report import report as call

    call(run, test, out)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    on: Annotated[Path, typer.Option("--on", help="Labelled folder, .npz or .svmlight.")],
    label: Annotated[list[str] | None, typer.Option("--label", help="Label column, where it has another name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    skip_bad: SkipBad = False,
) -> None:
    """Score a trained model on labelled real data."""
    from .use.apply import evaluate as call

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
    from .use.apply import predict as call

    call(run, images, out, probabilities, skip_bad, overwrite)


@app.command()
def render(
    name: Annotated[str, typer.Argument(metavar="SIMULATOR", help=SIMULATOR)],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of images.")],
    out: Out,
    size: SizeText = None,
    channels: Channels = None,
    preset: Preset = None,
    params: Params = None,
    masks: Annotated[bool, typer.Option("--masks", help="Write a mask of the regions beside each image.")] = False,
    format: Annotated[
        str | None, typer.Option("--format", help="folder, webdataset or parquet; by default from --out.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Render labelled images from a simulator."""
    from ..simulate import load_parameters, simulator
    from ..simulate import render as call

    settings: dict[str, Any] = {"channels": channels_of(channels) or 1}
    if size is not None:
        settings["size"] = size_of(size)
    if preset is not None:
        settings["preset"] = preset
    if params is not None:
        settings["ranges"] = load_parameters(params)
    call(simulator(name, **settings), n, out, seed, overwrite, masks, cast(Any, format))
    typer.echo(f"rendered {n} images to {out}", err=True)


@app.command()
def show(
    source: Annotated[str, typer.Argument(help="Labelled folder or .npz, or the name of a simulator.")],
    out: Annotated[Path, typer.Option("--out", help="PNG file to write.")],
    randomize: Annotated[str, typer.Option("--randomize", help="A policy of `synth2real methods`.")] = "full",
    task: Annotated[str, typer.Option("--task", help="classify, regress, keypoints or gaze.")] = "classify",
    label: Labels = None,
    strength: Annotated[
        float | None, typer.Option("--strength", help="The same as --set randomize.strength=S.")
    ] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="randomize.FIELD=VALUE", help="A setting of the policy.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Images, a row each.")] = 6,
    versions: Annotated[int, typer.Option("--versions", min=1, help="Randomized versions of each.")] = 7,
    size: SizeText = None,
    channels: Channels = None,
    preset: Preset = None,
    params: Params = None,
    seed: Seed = 0,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Show what a randomization makes of images, and where their labels go."""
    from .data import show as run

    run.show(
        run.Request(
            source=source,
            randomize=randomize,
            out=out,
            n=n,
            versions=versions,
            task=task,
            label=tuple(label or ()),
            strength=strength,
            assign=tuple(assign or ()),
            preset=preset,
            params=params,
            size=size_of(size),
            channels=channels_of(channels),
            seed=seed,
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
    from .data.turing import turing as call

    call(real, refined, out, n, seed, size_of(size), channels_of(channels), skip_bad, overwrite)


@app.command()
def gap(
    source: Annotated[str, typer.Argument(help="Folder or .npz, labelled or not, or the name of a simulator.")],
    target: Annotated[Path, typer.Argument(help="Folder or .npz of real images.")],
    features: Annotated[
        Path | None, typer.Option("--features", metavar="RUN", help="Compare by a run's features, not by pixels.")
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", min=1, help="Images to render from a simulator, by default 1000.")
    ] = None,
    size: SizeText = None,
    channels: Channels = None,
    group: Group = None,
    seed: Seed = 0,
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Measure how far two domains lie apart, with confidence intervals."""
    from .data import gap as command

    command.gap(
        command.Request(
            source=source,
            target=target,
            features=features,
            n=n,
            size=size_of(size),
            channels=channels_of(channels),
            group=group,
            seed=seed,
            skip_bad=skip_bad,
            as_json=as_json,
        )
    )


@app.command()
def methods() -> None:
    """List what each room offers."""
    from .use.apply import methods as call

    call()


@app.command()
def demo(
    out: Out = Path("demo"),
    fast: Annotated[bool, typer.Option("--fast", help="Fewer routes and steps, the same path.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Rendered digits to real handwriting: what each way across the gap is worth."""
    from .learn.demo import demo as call

    call(out, fast, overwrite)
