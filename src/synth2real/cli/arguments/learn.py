"""What the commands that train are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    METHODS,
    REAL,
    SIMULATOR,
    Device,
    FewLabels,
    Group,
    Images,
    Network,
    Out,
    Overwrite,
    Preset,
    RealTarget,
    Resume,
    RunOut,
    Seed,
    SimulatorArgument,
    SkipBad,
    Steps,
    Trust,
    Weights,
)
from .shared import Data, Parallel, Reading, TestedData, Writing


@dataclass(frozen=True, kw_only=True)
class CalibrateArguments(Reading, Writing):
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
    device: Device = None
    seed: Seed = 0
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class RefineArguments(Parallel, Reading, Writing):
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
    judge: Annotated[
        Path | None,
        typer.Option("--judge", metavar="RUN", help="Run trained on the source: its answers show how far labels move."),
    ] = None
    reject: Annotated[
        float | None,
        typer.Option("--reject", metavar="SHARE", help="Leave out the share of images whose label has moved farthest."),
    ] = None
    assign: Annotated[
        tuple[str, ...], typer.Option("--set", metavar="refine.FIELD=VALUE", help="A setting of the method.")
    ] = ()
    preset: Preset = None
    n: Images = None
    device: Device = None
    trust: Trust = False
    resume: Resume = False
    seed: Seed = 0
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class TrainArguments(Data, Writing):
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
    network: Network = None
    weights: Weights = None
    steps: Steps = None
    accumulate: Annotated[
        int, typer.Option("--accumulate", min=1, help="Compute each batch in so many parts, to take less memory.")
    ] = 1
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
class AdaptArguments(Writing):
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
    device: Device = None
    skip_bad: SkipBad = False
    trust: Trust = False
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class CompareArguments(Parallel, TestedData, Writing):
    """Train routes side by side, and choose one without real labels."""

    out: RunOut
    minutes: Annotated[float, typer.Option("--budget", metavar="MINUTES", help="Total training time in minutes.")] = 15
    routes: Annotated[
        str | None,
        typer.Option("--routes", help="YAML file of routes, or names separated by commas. By default all that apply."),
    ] = None
    network: Network = None
    weights: Weights = None
    validator: Annotated[
        str | None,
        typer.Option("--validator", metavar="NAME", help=f"Choose by this validator, not the usual score. {METHODS}"),
    ] = None
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Number of seeds for the chosen route.")] = 3
    few_labels: FewLabels = None
    resume: Resume = False
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class PlanArguments(TestedData, Writing):
    """Say what more rendered images would buy.

    From a learning curve without real labels.
    """

    source: Annotated[tuple[str, ...], typer.Argument(metavar="SIMULATOR", help=SIMULATOR)]
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write plan.json and a picture to.")] = None
    minutes: Annotated[float, typer.Option("--minutes", help="Total time in minutes.")] = 60
    more: Annotated[int, typer.Option("--more", min=1, help="Number of further images that are asked about.")] = 10_000
    n: Annotated[
        int | None,
        typer.Option("--n", min=1, help="Images of the largest size. Default: 8000, or what --minutes allow."),
    ] = None
    route: Annotated[
        str | None,
        typer.Option("--route", help="A route of `compare`, e.g. teacher; or a YAML file of one. Default: randomized."),
    ] = None
    network: Network = None
    weights: Weights = None
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of each training. By default what --minutes allow.")
    ] = None
    seeds: Annotated[int, typer.Option("--seeds", min=2, help="Number of seeds for each size.")] = 2
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class DemoArguments(Writing):
    """Run the demo, from rendered digits to real handwriting. Shows how much each method gains.

    With --task segment from rendered nuclei to another simulated microscope, with --task detect from blood smears.
    """

    out: Out = Path("demo")
    task: Annotated[str, typer.Option("--task", help="classify, segment or detect.")] = "classify"
    fast: Annotated[bool, typer.Option("--fast", help="Fewer routes and steps.")] = False
    device: Device = None
    overwrite: Overwrite = False
