"""What several commands are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    Background,
    ChannelsOption,
    Depth,
    Device,
    DryRun,
    EngineName,
    Format,
    Given,
    Group,
    Images,
    Jobs,
    Json,
    Labels,
    Memory,
    Params,
    Preset,
    Quiet,
    ResizeOption,
    Seed,
    SizeOption,
    SkipBad,
    Task,
    Test,
    ZeroBased,
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """How every command says what it made and found."""

    as_json: Json = False
    quiet: Quiet = False


@dataclass(frozen=True, kw_only=True)
class Writing(Command):
    """A command that writes, or only says what it would write."""

    dry_run: DryRun = False


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """A command whose work runs in parts, or in trainings, at the same time."""

    engine: EngineName = None
    jobs: Jobs = 1


@dataclass(frozen=True, kw_only=True)
class Reading(Command):
    """How images are read."""

    size: SizeOption = None
    resize: ResizeOption = None
    channels: ChannelsOption = None
    depth: Depth = None
    background: Background = "white"
    memory: Memory = None
    skip_bad: SkipBad = False
    format: Format = None


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
    device: Device = None
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class TestedData(Data):
    """Source, target and task, with labelled real data to score on."""

    test: Test = None
    group: Group = None
