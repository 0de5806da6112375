"""What each command is asked for: a class a command, a field an option. The docstring of a class is the command's help.

`commands.py` makes the command line from these classes. The function that runs a command takes one of them. Nothing
here imports torch, so `--help` is fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .options import (
    METHODS,
    REAL,
    Background,
    Channels,
    ChannelsOption,
    Depth,
    FewLabels,
    Given,
    Group,
    Images,
    Json,
    Labels,
    Memory,
    Out,
    Overwrite,
    Params,
    Preset,
    Quiet,
    RealTarget,
    Resume,
    RunArgument,
    RunOut,
    Seed,
    SimulatorArgument,
    Size,
    SizeOption,
    SkipBad,
    SourceArgument,
    Steps,
    Task,
    Test,
    Trust,
    ZeroBased,
    parse_channels,
    parse_size,
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """How every command says what it made and found."""

    as_json: Json = False
    quiet: Quiet = False


@dataclass(frozen=True, kw_only=True)
class Reading(Command):
    """How images are read."""

    size: SizeOption = None
    channels: ChannelsOption = None
    depth: Depth = None
    background: Background = "white"
    memory: Memory = None
    skip_bad: SkipBad = False


@dataclass(frozen=True, kw_only=True)
class Data(Reading):
    """Source, target and task."""

    source: Annotated[
        tuple[str, ...],
        typer.Argument(help="Labelled folder, .npz or .svmlight, or the name of a simulator. train takes several."),
    ]
    target: Annotated[Path, typer.Option("--target", help="Folder, .npz or .svmlight without labels.")]
    task: Task = "classify"
    label: Labels = ()
    given: Given = ()
    preset: Preset = None
    params: Params = None
    n: Images = None
    zero_based: ZeroBased = None
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class TestedData(Data):
    """Source, target and task, with labelled real data to score on."""

    test: Test = None
    group: Group = None


@dataclass(frozen=True, kw_only=True)
class RenderArguments(Command):
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


@dataclass(frozen=True, kw_only=True)
class CalibrateArguments(Reading):
    """Find the simulator ranges that match real images. Reports which parameters the images cannot determine."""

    simulator: SimulatorArgument
    target: RealTarget
    out: Annotated[Path, typer.Option("--out", help="YAML file of ranges to write, for `render --params`.")]
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="posterior; npe, which needs synth2real[sbi]; or search, the default with --distance or --features.",
        ),
    ] = None
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Trials of 250 images each. Default: 100; 400 with --method search."),
    ] = None
    only: Annotated[
        tuple[str, ...],
        typer.Option("--only", metavar="PARAM", help="Calibrate this parameter only. Repeat it for several."),
    ] = ()
    given: Annotated[
        tuple[str, ...],
        typer.Option(
            "--given",
            metavar="COLUMN",
            help="Column of numbers known of the real images. The parameter of that name takes their distribution.",
        ),
    ] = ()
    distance: Annotated[
        str | None,
        typer.Option("--distance", help="Distance for --method search: sliced-wasserstein, mmd or classifier."),
    ] = None
    features: Annotated[
        str | None,
        typer.Option("--features", metavar="RUN", help="Compare features of a run, or `learnt` features, not pixels."),
    ] = None
    assign: Annotated[
        tuple[str, ...], typer.Option("--set", metavar="calibrate.FIELD=VALUE", help="A setting of the method.")
    ] = ()
    preset: Preset = None
    storage: Annotated[
        str | None, typer.Option("--storage", metavar="URL", help="Database of the trials. Default: beside --out.")
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the study in --storage, or join its other workers.")
    ] = False
    seed: Seed = 0
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class RefineArguments(Reading):
    """Make synthetic images look real. Writes them with their labels."""

    source: Annotated[
        str, typer.Argument(help="Folder of images or .npz, labelled or not, or the name of a simulator.")
    ]
    out: Out
    target: Annotated[Path | None, typer.Option("--target", help=REAL)] = None
    method: Annotated[str | None, typer.Option("--method", help=f"A refiner, e.g. simgan. {METHODS}")] = None
    apply: Annotated[
        Path | None, typer.Option("--apply", metavar="REFINED", help="Use the refiner saved there, without training.")
    ] = None
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="All training steps, with those of the pretraining.")
    ] = None
    assign: Annotated[
        tuple[str, ...], typer.Option("--set", metavar="refine.FIELD=VALUE", help="A setting of the method.")
    ] = ()
    preset: Preset = None
    n: Images = None
    trust: Trust = False
    resume: Resume = False
    seed: Seed = 0
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class TrainArguments(Data):
    """Train a model for unlabelled real data. The source is labelled synthetic data or a simulator."""

    out: RunOut
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Calibrate the simulator's ranges first.")] = False
    widen: Annotated[str, typer.Option("--widen", help="Widen the simulator's ranges: widen, automatic or none.")] = (
        "none"
    )
    randomize: Annotated[
        str | None,
        typer.Option("--randomize", help=f"A randomization policy, or none. By default the method's own. {METHODS}"),
    ] = None
    refine: Annotated[str, typer.Option("--refine", help=f"A refiner of the source images, or none. {METHODS}")] = (
        "none"
    )
    adapt: Annotated[
        str, typer.Option("--adapt", help=f"An adaptation method, e.g. dann, teacher or msda. {METHODS}")
    ] = "source-only"
    assign: Annotated[
        tuple[str, ...],
        typer.Option("--set", metavar="STAGE.FIELD=VALUE", help="A setting of one stage, e.g. adapt.preset=paper."),
    ] = ()
    network: Annotated[
        str | None,
        typer.Option("--network", help="Feature extractor: its name, module:Class, timm:NAME or transformers:NAME."),
    ] = None
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", help="Initial weights of the feature extractor, .safetensors."),
    ] = None
    steps: Steps = None
    few_labels: FewLabels = None
    fine_tune: Annotated[
        int, typer.Option("--fine-tune", min=0, help="Steps to train on with the --few-labels. 0: they only correct.")
    ] = 0
    group: Group = None
    resume: Resume = False
    overwrite: Overwrite = False
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also log losses and images to OUT/tensorboard.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class AdaptArguments(Command):
    """Adapt a trained model to real data without its source."""

    run: Annotated[Path, typer.Argument(help="Run folder of a trained classifier.")]
    target: RealTarget
    out: RunOut
    method: Annotated[str, typer.Option("--method", help="shot or tent.")] = "shot"
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Training steps. By default the method's own.")
    ] = None
    assign: Annotated[
        tuple[str, ...], typer.Option("--set", metavar="adapt.FIELD=VALUE", help="A setting of the method.")
    ] = ()
    few_labels: FewLabels = None
    group: Group = None
    seed: Seed = 0
    skip_bad: SkipBad = False
    trust: Trust = False
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class CompareArguments(TestedData):
    """Train routes side by side, and choose one without real labels."""

    out: RunOut
    minutes: Annotated[float, typer.Option("--budget", metavar="MINUTES", help="Total training time in minutes.")] = 15
    routes: Annotated[
        str | None,
        typer.Option("--routes", help="YAML file of routes, or names separated by commas. By default all that apply."),
    ] = None
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Number of parallel training processes.")] = 1
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Number of seeds for the chosen route.")] = 3
    few_labels: FewLabels = None
    resume: Resume = False
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments(Command):
    """Score a trained model on labelled real data."""

    run: RunArgument
    on: Annotated[Path, typer.Option("--on", help="Labelled folder, .npz or .svmlight.")]
    label: Annotated[
        tuple[str, ...], typer.Option("--label", help="Label column, if its name differs from that of the training.")
    ] = ()
    group: Group = None
    skip_bad: SkipBad = False
    trust: Trust = False


@dataclass(frozen=True, kw_only=True)
class PredictArguments(Command):
    """Write predictions for images as CSV."""

    run: RunArgument
    images: Annotated[Path, typer.Argument(help="Folder, image, .npz or .svmlight.")]
    out: Annotated[Path, typer.Option("--out", help="CSV file to write.")]
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Add a column p_CLASS for each class.")] = False
    few_labels: FewLabels = None
    group: Group = None
    skip_bad: SkipBad = False
    trust: Trust = False
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class ReportArguments(Command):
    """Write the HTML report of a run or a comparison. It shows images, losses, mistakes and uncertain samples."""

    run: Annotated[Path, typer.Argument(help="Folder of a run or a comparison, as train and compare write it.")]
    test: Test = None
    out: Annotated[Path | None, typer.Option("--out", help="HTML file. Default: report.html in the run folder.")] = None
    trust: Trust = False


@dataclass(frozen=True, kw_only=True)
class MethodsArguments(Command):
    """List all methods, simulators, validators and estimates."""


@dataclass(frozen=True, kw_only=True)
class DemoArguments(Command):
    """Run the demo, from rendered digits to real handwriting. Shows how much each method gains."""

    out: Out = Path("demo")
    fast: Annotated[bool, typer.Option("--fast", help="Fewer routes and steps.")] = False
    overwrite: Overwrite = False
