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

SIMULATOR = "Name of a simulator, e.g. eyes; or module:Class, or the YAML file of a program."

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

Group = Annotated[
    str | None, typer.Option("--group", metavar="COLUMN", help="Person or video of each image: kept whole in splits.")
]


@app.command()
def train(
    source: Annotated[str, typer.Argument(help="Labelled folder, .npz or .svmlight, or the name of a simulator.")],
    target: Annotated[Path, typer.Option("--target", help="Folder, .npz or .svmlight without labels.")],
    out: Out,
    task: Annotated[str, typer.Option("--task", help="classify, regress, keypoints or gaze.")] = "classify",
    label: Labels = None,
    randomize: Annotated[
        str | None, typer.Option("--randomize", help="A policy of `synth2real methods`, or none.")
    ] = None,
    refine: Annotated[str, typer.Option("--refine", help="A method of `synth2real methods`, or none.")] = "none",
    adapt: Annotated[
        str, typer.Option("--adapt", help="How features adapt: dann, teacher, msda or another of `synth2real methods`.")
    ] = "source-only",
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Search the simulator's ranges first.")] = False,
    network: Annotated[
        str | None, typer.Option("--network", help="Feature extractor: its name, module:Class, or timm:NAME.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="Of the network to start from, .safetensors.")
    ] = None,
    widen: Annotated[
        str, typer.Option("--widen", help="Grow the simulator's ranges: widen, automatic or none.")
    ] = "none",
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
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log losses and images to OUT/tensorboard, too.")
    ] = False,
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
                "widen": widen,
                "randomize": randomize,
                "refine": refine,
                "adapt": adapt,
            },
            assign=tuple(assign or ()),
            network=network,
            weights=weights,
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
            tensorboard=tensorboard,
        )
    )


@app.command()
def adapt(
    run: Annotated[Path, typer.Argument(help="Run folder of a trained classifier.")],
    target: Annotated[Path, typer.Option("--target", help="Folder or .npz of unlabelled real images.")],
    out: Out,
    method: Annotated[str, typer.Option("--method", help="shot or tent.")] = "shot",
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Of training; by default the method's.")] = None,
    seed: Seed = 0,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="adapt.FIELD=VALUE", help="A setting of the method.")
    ] = None,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Adapt a trained model to real data without its source."""
    from .commands import adapt as command

    command.adapt(
        command.Request(
            run=run,
            target=target,
            method=method,
            out=out,
            steps=steps,
            seed=seed,
            assign=tuple(assign or ()),
            skip_bad=skip_bad,
            overwrite=overwrite,
        )
    )


@app.command()
def compare(
    source: Annotated[str, typer.Argument(help="Labelled folder or .npz, or the name of a simulator.")],
    target: Annotated[Path, typer.Option("--target", help="Folder or .npz of unlabelled real images.")],
    out: Out,
    task: Annotated[str, typer.Option("--task", help="classify, regress, keypoints or gaze.")] = "classify",
    label: Labels = None,
    routes: Annotated[
        str | None, typer.Option("--routes", help="YAML file of routes, or names with commas between; by default all.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option("--test", help="Labelled real data: scored beside the choice, never chosen by.")
    ] = None,
    group: Group = None,
    budget: Annotated[float, typer.Option("--budget", metavar="MINUTES", help="To spend on all trainings.")] = 15,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes that train at once.")] = 1,
    preset: Preset = None,
    n: Images = None,
    size: SizeText = None,
    channels: Channels = None,
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of the chosen route.")] = 3,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the comparison that --out holds.")] = False,
) -> None:
    """Train routes side by side, and choose one without a real label."""
    from .commands import compare as call

    call.run(
        call.Request(
            source=source,
            target=target,
            out=out,
            task=task,
            label=tuple(label or ()),
            routes=routes,
            test=test,
            group=group,
            minutes=budget,
            jobs=jobs,
            preset=preset,
            n=n,
            size=_size(size),
            channels=_channels(channels),
            seed=seed,
            seeds=seeds,
            skip_bad=skip_bad,
            overwrite=overwrite,
            resume=resume,
        )
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
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Look at the data before any training: balance, copies, strangers, expected minutes."""
    from .commands.check import Request
    from .commands.check import check as call

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
            size=_size(size),
            channels=_channels(channels),
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
    from .commands.report import report as call

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
    name: Annotated[str, typer.Argument(metavar="SIMULATOR", help=SIMULATOR)],
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
    params: Annotated[Path | None, typer.Option("--params", help="YAML of `parameter: value or [low, high]`.")] = None,
    seed: Seed = 0,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Show what a randomization makes of images, and where their labels go."""
    from .commands import show as run

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
            size=_size(size),
            channels=_channels(channels),
            seed=seed,
            skip_bad=skip_bad,
            overwrite=overwrite,
        )
    )


@app.command()
def calibrate(
    name: Annotated[str, typer.Argument(metavar="SIMULATOR", help=SIMULATOR)],
    target: Annotated[Path, typer.Option("--target", help="Folder or .npz of unlabelled real images.")],
    out: Annotated[Path, typer.Option("--out", help="YAML file of ranges to write, for `render --params`.")],
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Of the search, by default 400.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in --storage, or join it.")] = False,
    storage: Annotated[
        str | None, typer.Option("--storage", metavar="URL", help="Database of the trials, by default beside --out.")
    ] = None,
    size: SizeText = None,
    channels: Channels = None,
    preset: Preset = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="PARAM", help="Search this parameter; repeat for several.")
    ] = None,
    distance: Annotated[
        str | None, typer.Option("--distance", help="sliced-wasserstein, mmd, classifier or moments.")
    ] = None,
    seed: Seed = 0,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="calibrate.FIELD=VALUE", help="A setting of the search.")
    ] = None,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Find the ranges of a simulator's parameters that look like real images, and what these cannot tell."""
    from .commands import calibrate as run

    run.calibrate(
        run.Request(
            simulator=name,
            target=target,
            out=out,
            trials=trials,
            resume=resume,
            storage=storage,
            size=_size(size),
            channels=_channels(channels),
            preset=preset,
            only=tuple(only or ()),
            distance=distance,
            seed=seed,
            assign=tuple(assign or ()),
            skip_bad=skip_bad,
            overwrite=overwrite,
        )
    )


@app.command()
def refine(
    source: Annotated[
        str, typer.Argument(help="Folder of images or .npz, labelled or not, or the name of a simulator.")
    ],
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
    seed: Seed = 0,
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Measure how far two domains lie apart, with confidence intervals."""
    from .commands import gap as command

    command.gap(
        command.Request(
            source=source,
            target=target,
            features=features,
            n=n,
            size=_size(size),
            channels=_channels(channels),
            seed=seed,
            skip_bad=skip_bad,
            as_json=as_json,
        )
    )


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

    if str(Path.cwd()) not in sys.path:  # so that --network module:Class finds what lies in the present folder
        sys.path.append(str(Path.cwd()))
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
