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

from ..storage import check_unlocked, locked
from . import arguments, processes
from .config_file import option_names, read_config

# command -> its options, and the folder with the file of its name, which is imported when the command runs
COMMANDS: dict[str, tuple[type, str]] = {
    "render": (arguments.RenderArguments, "data"),
    "show": (arguments.ShowArguments, "data"),
    "check": (arguments.CheckArguments, "data"),
    "convert": (arguments.ConvertArguments, "data"),
    "gap": (arguments.GapArguments, "data"),
    "turing": (arguments.TuringArguments, "data"),
    "calibrate": (arguments.CalibrateArguments, "learn"),
    "refine": (arguments.RefineArguments, "learn"),
    "train": (arguments.TrainArguments, "learn"),
    "adapt": (arguments.AdaptArguments, "learn"),
    "compare": (arguments.CompareArguments, "learn"),
    "plan": (arguments.PlanArguments, "learn"),
    "evaluate": (arguments.EvaluateArguments, "use"),
    "predict": (arguments.PredictArguments, "use"),
    "export": (arguments.ExportArguments, "use"),
    "report": (arguments.ReportArguments, "use"),
    "trace": (arguments.TraceArguments, "use"),
    "methods": (arguments.MethodsArguments, "use"),
    "schema": (arguments.SchemaArguments, "use"),
    "demo": (arguments.DemoArguments, "learn"),
}

READING = ("predict", "evaluate", "export", "report", "adapt", "gap")  # read run folders, which may be of others
# write more than one file
LOCKING = ("render", "convert", "calibrate", "refine", "train", "adapt", "compare", "plan", "predict", "demo")


READ = (
    "run",
    "name",
    "simulator",
    "source",
    "real",
    "refined",
    "images",
    "target",
    "on",
    "test",
    "few_labels",
    "apply",
)


class Commands(TyperGroup):
    """The commands. Ctrl-C ends each of them with one line and exit code 130; typer alone prints nothing."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if _of_file(error.ctx, error.param):
                error.message += f" (in {error.ctx.params['config']})"  # type: ignore[union-attr]
            raise
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
    """Keeps other processes away from the output of a command, from before anything is read; a dry run only looks.

    Several workers of `calibrate` may share one study: those with --resume join the first one.
    """
    locks_out = name in LOCKING and options.out is not None  # `plan` may write nothing
    writes = locks_out and not options.dry_run and processes.first()
    if locks_out and options.dry_run:
        check_unlocked(options.out)
    outputs = [options.out] if writes else []
    if writes and name == "calibrate" and options.storage is not None and "://" not in options.storage:
        outputs.append(Path(options.storage))
    shared = name == "calibrate"
    with ExitStack() as locks:
        for output in outputs:
            locks.enter_context(locked(output, share=shared, join=shared and options.resume))
        yield


def add_command(name: str, options: type, folder: str) -> None:
    """Add a command: its options are the fields of `options`, and the function `name` of `FOLDER/NAME.py` runs it."""

    def from_file(context: typer.Context, path: Path | None) -> Path | None:
        if path is not None:
            context.default_map = read_config(path, name, options)
        return path

    def call(context: typer.Context, config: Path | None, **given: Any) -> None:
        if "assign" in given and config is not None:  # a --set replaces that of the same field, and no other one
            given["assign"] = [*(context.default_map or {}).get("assign", ()), *given["assign"]]
        values = options(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})
        announce(name, values)
        from .console import carry_out  # loads torch, which takes seconds

        if name not in READING or values.trust:  # so that --network module:Class finds a module in the working folder
            find_modules_here()
        with processes.together(name, values) as own, output_locked(name, own):
            carry_out(name, getattr(import_module(f".{folder}.{name}", __package__), name), own)

    parameters = [
        *(_parameter(field, hint) for field, hint in _ordered(options)),
        Parameter(
            "config", Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, _config(from_file)]
        ),
    ]
    context = Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)
    call.__signature__ = Signature([context, *parameters])  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *parameters)}
    app.command(name, help=options.__doc__)(call)


def announce(name: str, options: Any) -> None:
    """Say at once what the command reads: before libraries are loaded, and files read, which may take long."""
    names = option_names(type(options))
    given = {names[field]: getattr(options, field) for field in READ if field in names}
    shown = {name: " + ".join(value) if isinstance(value, tuple) else value for name, value in given.items() if value}
    if shown and not options.quiet and processes.first():
        typer.echo(f"{name}: {', '.join(f'{what} {value}' for what, value in shown.items())}", err=True)


def _config(callback: Any) -> Any:
    """The option --config, which is read before the others."""
    told = "YAML file of options by their names, such as `target: photos`. Options of the command line win."
    return typer.Option("--config", metavar="FILE", is_eager=True, callback=callback, help=told)


def _of_file(context: Any, parameter: Any) -> bool:
    """Whether the value of a parameter is from the file of --config."""
    source = None if context is None or parameter is None else context.get_parameter_source(parameter.name)
    return source is not None and source.name == "DEFAULT_MAP"


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
