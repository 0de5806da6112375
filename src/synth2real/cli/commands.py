"""The application: the commands, each made from its class of options."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperGroup
from typer.models import ArgumentInfo

from ..storage import locked
from . import arguments

# command -> its options, and the folder with the file of its name, which is imported when the command runs
COMMANDS: dict[str, tuple[type, str]] = {
    "render": (arguments.RenderArguments, "data"),
    "show": (arguments.ShowArguments, "data"),
    "check": (arguments.CheckArguments, "data"),
    "gap": (arguments.GapArguments, "data"),
    "turing": (arguments.TuringArguments, "data"),
    "calibrate": (arguments.CalibrateArguments, "learn"),
    "refine": (arguments.RefineArguments, "learn"),
    "train": (arguments.TrainArguments, "learn"),
    "adapt": (arguments.AdaptArguments, "learn"),
    "compare": (arguments.CompareArguments, "learn"),
    "evaluate": (arguments.EvaluateArguments, "use"),
    "predict": (arguments.PredictArguments, "use"),
    "export": (arguments.ExportArguments, "use"),
    "report": (arguments.ReportArguments, "use"),
    "methods": (arguments.MethodsArguments, "use"),
    "demo": (arguments.DemoArguments, "learn"),
}

READING = ("predict", "evaluate", "export", "report", "adapt", "gap")  # read run folders, which may be of others
LOCKING = ("render", "calibrate", "refine", "train", "adapt", "compare", "demo")  # write more than one file


class Commands(TyperGroup):
    """The commands. Ctrl-C ends each of them with one line and exit code 130; typer alone prints nothing."""

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


def find_modules_here() -> None:
    """Let Python find modules in the working folder, after all others."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


@contextmanager
def output_locked(name: str, options: Any) -> Iterator[None]:
    """Keeps other processes away from the output of a command, from before anything is read.

    Several workers of `calibrate` may share one study: those with --resume join the first one.
    """
    outputs = [options.out] if name in LOCKING else []
    if name == "calibrate" and options.storage is not None and "://" not in options.storage:
        outputs.append(Path(options.storage))
    shared = name == "calibrate"
    with ExitStack() as locks:
        for output in outputs:
            locks.enter_context(locked(output, share=shared, join=shared and options.resume))
        yield


def add_command(name: str, options: type, folder: str) -> None:
    """Add a command: its options are the fields of `options`, and the function `name` of `FOLDER/NAME.py` runs it."""

    def call(**given: Any) -> None:
        from .console import carry_out

        values = options(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})
        if name not in READING or values.trust:  # so that --network module:Class finds a module in the working folder
            find_modules_here()
        with output_locked(name, values):
            carry_out(name, getattr(import_module(f".{folder}.{name}", __package__), name), values)

    parameters = [_parameter(field, hint) for field, hint in _ordered(options)]
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app.command(name, help=options.__doc__)(call)


def _ordered(options: type) -> list[tuple[dataclasses.Field[Any], Any]]:
    """The fields with their annotations, as `--help` lists them: required ones, the command's own, inherited ones."""
    hints, own = get_type_hints(options, include_extras=True), vars(options).get("__annotations__", {})
    fields = sorted(
        dataclasses.fields(options),
        key=lambda field: (field.default is not dataclasses.MISSING, field.name not in own),
    )
    return [(field, hints[field.name]) for field in fields]


def _parameter(field: dataclasses.Field[Any], hint: Any) -> Parameter:
    """A field as typer takes it: text where the option has a parser, a list where it may be repeated."""
    kind, option = get_args(hint)
    if option.metavar is None:
        option = copy.copy(option)
        option.metavar = field.name.upper() if isinstance(option, ArgumentInfo) else _metavar(kind)
    if option.parser is not None:
        kind = str | None
    elif get_origin(kind) is tuple:
        kind = list[str]
    default = Parameter.empty if field.default is dataclasses.MISSING else field.default
    if default == ():
        default = []
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


def _metavar(kind: Any) -> str | None:
    """What `--help` shows for a value of this type."""
    inner = get_args(kind)[0] if get_args(kind) else kind
    return {Path: "PATH", int: "N", float: "X", str: "NAME"}.get(inner)


for _name, (_options, _folder) in COMMANDS.items():
    add_command(_name, _options, _folder)
