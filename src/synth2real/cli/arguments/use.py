"""What the commands that use a run are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..options import Device, FewLabels, Format, Group, ModelArgument, Overwrite, RunArgument, SkipBad, Test, Trust
from .shared import Command, Parallel, Writing


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments(Command):
    """Score a trained model on labelled real data."""

    run: ModelArgument
    on: Annotated[Path, typer.Option("--on", help="Labelled folder, .npz or .svmlight.")]
    label: Annotated[
        tuple[str, ...], typer.Option("--label", help="Label column, if its name differs from that of the training.")
    ] = ()
    metric: Annotated[
        tuple[str, ...], typer.Option("--metric", help="Also a metric of an installed package. Repeat it.")
    ] = ()
    group: Group = None
    device: Device = None
    skip_bad: SkipBad = False
    format: Format = None
    trust: Trust = False


@dataclass(frozen=True, kw_only=True)
class PredictArguments(Parallel, Writing):
    """Write predictions for images.

    A CSV file; of a segmenter a folder of masks, of a detector a CSV file and COCO's result JSON.
    """

    run: ModelArgument
    images: Annotated[Path, typer.Argument(help="Folder, image, .npz or .svmlight.")]
    out: Annotated[
        Path, typer.Option("--out", help="CSV file to write; of a segmenter a folder, of a detector either.")
    ]
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Add a column p_CLASS for each class.")] = False
    few_labels: FewLabels = None
    group: Group = None
    device: Device = None
    skip_bad: SkipBad = False
    format: Format = None
    trust: Trust = False
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class ExportArguments(Writing):
    """Write a trained model as one file that runs without synth2real."""

    run: RunArgument
    to: Annotated[
        Path,
        typer.Option(
            "--to", help="File to write: .onnx (for onnxruntime), .pt2 (for torch.export), or of an installed exporter."
        ),
    ]
    check: Annotated[
        Path | None,
        typer.Option(
            "--check", help="Images to check the file with. Default: the target of the run, else random images."
        ),
    ] = None
    int8: Annotated[bool, typer.Option("--int8", help="Compute with integers of 8 bits. Needs --calibrate.")] = False
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", metavar="TARGET", help="Unlabelled real images, from which the ranges follow."),
    ] = None
    skip_bad: SkipBad = False
    trust: Trust = False
    overwrite: Overwrite = False


@dataclass(frozen=True, kw_only=True)
class ReportArguments(Writing):
    """Write the HTML report of a run or a comparison. It shows images, losses, mistakes and uncertain samples."""

    run: Annotated[Path, typer.Argument(help="Folder of a run or a comparison, as train and compare write it.")]
    test: Test = None
    out: Annotated[Path | None, typer.Option("--out", help="HTML file. Default: report.html in the run folder.")] = None
    device: Device = None
    trust: Trust = False


@dataclass(frozen=True, kw_only=True)
class TraceArguments(Command):
    """Print what an output was made from.

    Back to the simulator's seed, and whether it is still the same.
    """

    out: Annotated[Path, typer.Argument(metavar="RUN", help="Folder or file that a command wrote.")]


@dataclass(frozen=True, kw_only=True)
class MethodsArguments(Command):
    """List all methods, simulators, validators, metrics and exporters, with their packages."""


@dataclass(frozen=True, kw_only=True)
class SchemaArguments(Command):
    """Print the JSON Schema of a YAML file, so that editors complete and check it."""

    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="routes (compare --routes), config (--config) or parameters (--params)."),
    ]
