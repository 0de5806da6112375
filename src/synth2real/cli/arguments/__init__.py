"""What each command is asked for: a class a command, a field an option. The docstring of a class is the command's help.

`commands.py` makes the command line from these classes. The function that runs a command takes one of them. Nothing
here imports torch, so `--help` is fast.
"""

from .data import CheckArguments, ConvertArguments, GapArguments, RenderArguments, ShowArguments, TuringArguments
from .learn import (
    AdaptArguments,
    CalibrateArguments,
    CompareArguments,
    DemoArguments,
    PlanArguments,
    RefineArguments,
    TrainArguments,
)
from .shared import Command, Data, Reading, TestedData
from .use import (
    EvaluateArguments,
    ExportArguments,
    MethodsArguments,
    PredictArguments,
    ReportArguments,
    SchemaArguments,
    TraceArguments,
)

__all__ = [
    "AdaptArguments",
    "CalibrateArguments",
    "CheckArguments",
    "Command",
    "CompareArguments",
    "ConvertArguments",
    "Data",
    "DemoArguments",
    "EvaluateArguments",
    "ExportArguments",
    "GapArguments",
    "MethodsArguments",
    "PlanArguments",
    "PredictArguments",
    "Reading",
    "RefineArguments",
    "RenderArguments",
    "ReportArguments",
    "SchemaArguments",
    "ShowArguments",
    "TestedData",
    "TraceArguments",
    "TrainArguments",
    "TuringArguments",
]
