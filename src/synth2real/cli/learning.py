"""Commands that learn something and write it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    Steps,
    ZeroBased,
    app,
    channels_of,
    size_of,
)


@app.command()
def train(
    source: Annotated[
        list[str],
        typer.Argument(
            help="Labelled folder, .npz or .svmlight, or the name of a simulator; or several folders or files."
        ),
    ],
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
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Find the simulator's ranges first.")] = False,
    network: Annotated[
        str | None,
        typer.Option("--network", help="Feature extractor: its name, module:Class, timm:NAME or transformers:NAME."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="Of the network to start from, .safetensors.")
    ] = None,
    widen: Annotated[
        str, typer.Option("--widen", help="Grow the simulator's ranges: widen, automatic or none.")
    ] = "none",
    preset: Preset = None,
    params: Params = None,
    n: Images = None,
    size: SizeText = None,
    channels: Channels = None,
    zero_based: ZeroBased = None,
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
    from .learn import train as run

    run.train(
        run.Request(
            source=source[0],
            more=tuple(source[1:]),
            target=target,
            out=out,
            task=task,
            label=tuple(label or ()),
            stages={
                "calibrate": None if calibrate else "none",
                "widen": widen,
                "randomize": randomize,
                "refine": refine,
                "adapt": adapt,
            },
            assign=tuple(assign or ()),
            network=network,
            weights=weights,
            preset=preset,
            params=params,
            n=n,
            size=size_of(size),
            channels=channels_of(channels),
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
    from .learn import adapt as command

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
    params: Params = None,
    n: Images = None,
    size: SizeText = None,
    channels: Channels = None,
    zero_based: ZeroBased = None,
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of the chosen route.")] = 3,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the comparison that --out holds.")] = False,
) -> None:
    """Train routes side by side, and choose one without a real label."""
    from .learn import compare as call

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
            params=params,
            n=n,
            size=size_of(size),
            channels=channels_of(channels),
            zero_based=zero_based,
            seed=seed,
            seeds=seeds,
            skip_bad=skip_bad,
            overwrite=overwrite,
            resume=resume,
        )
    )


@app.command()
def calibrate(
    name: Annotated[str, typer.Argument(metavar="SIMULATOR", help=SIMULATOR)],
    target: Annotated[Path, typer.Option("--target", help="Folder or .npz of unlabelled real images.")],
    out: Annotated[Path, typer.Option("--out", help="YAML file of ranges to write, for `render --params`.")],
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="posterior, npe (of synth2real[sbi]), or search, which --distance and --features ask for.",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Of 250 images each; 100 by default, 400 of a search."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in --storage, or join it.")] = False,
    storage: Annotated[
        str | None, typer.Option("--storage", metavar="URL", help="Database of the trials, by default beside --out.")
    ] = None,
    size: SizeText = None,
    channels: Channels = None,
    preset: Preset = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="PARAM", help="Find this parameter alone; repeat for several.")
    ] = None,
    distance: Annotated[
        str | None, typer.Option("--distance", help="Of the search: sliced-wasserstein, mmd or classifier.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option("--features", metavar="RUN", help="Compare by a run's features, or by `learnt` ones; not pixels."),
    ] = None,
    seed: Seed = 0,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="calibrate.FIELD=VALUE", help="A setting of the method.")
    ] = None,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Find the ranges of a simulator's parameters that look like real images, and what these cannot tell."""
    from .learn import calibrate as run

    run.calibrate(
        run.Request(
            simulator=name,
            target=target,
            out=out,
            method=method,
            trials=trials,
            resume=resume,
            storage=storage,
            size=size_of(size),
            channels=channels_of(channels),
            preset=preset,
            only=tuple(only or ()),
            distance=distance,
            features=features,
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
    from .learn import refine as run

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
            size=size_of(size),
            channels=channels_of(channels),
            seed=seed,
            steps=steps,
            skip_bad=skip_bad,
            overwrite=overwrite,
        )
    )
