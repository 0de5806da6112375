"""Metrics of installed packages (entry points `synth2real.metrics`), shown beside those of a task.

A metric is a function `metric(predictions, labels, task) -> float`: `predictions` and `labels` as in `Task.metrics`,
class probabilities (N, C) and class indices (N,), or values (N, K) and values (N, K).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..plugins import Registry
from ..tasks import Task

Metric = Callable[[Tensor, Tensor, Task], float]
METRICS: Registry[Metric] = Registry("metrics", {}, callable, "a function metric(predictions, labels, task) -> float")


def check_metrics(names: Iterable[str]) -> None:
    """Raise `InputError` if no installed package has a metric of one of these names."""
    for name in names:
        if name not in METRICS:
            known = ", ".join(METRICS) or "none: no installed package has a metric"
            raise InputError(f"--metric '{name}' is unknown, expected one of: {known}")


def more_metrics(
    names: Iterable[str], own: Mapping[str, Any], predictions: Tensor, labels: Any, task: Task
) -> dict[str, float]:
    """The named metrics of installed packages.

    Args:
        names: of the metrics.
        own: the task's own metrics, whose names are taken.
        predictions, labels: as in `Task.metrics`.
        task: of the predictions.

    Raises:
        InputError: a metric has the name of one of the task's own, is faulty, fails, or does not return a number.
    """
    found = {}
    for name in names:
        if name in own:
            raise InputError(f"--metric '{name}' is a metric of the task {task.kind} itself. Rename it in its package")
        try:
            found[name] = float(METRICS[name](predictions, labels, task))
        except InputError:
            raise
        except Exception as error:  # of a foreign package
            raise InputError(
                f"--metric '{name}' fails for the task {task.kind} ({type(error).__name__}: {error}), expected one "
                "number. Mend its package, or leave it out"
            ) from None
    return found
