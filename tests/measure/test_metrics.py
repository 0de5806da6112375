"""Metrics of installed packages."""

import pytest
import torch

from synth2real.errors import InputError
from synth2real.measure.metrics import check_metrics, more_metrics
from synth2real.tasks import Classification

TASK = Classification(("a", "b"))
CODE = """
def top(predictions, labels, task):
    return float(predictions.max())

def broken(predictions, labels, task):
    raise ValueError("no labels")
"""


def test_a_metric_of_a_package_is_computed_beside_those_of_the_task(packages):
    packages.install("top-metric", CODE, metrics="top = top")
    check_metrics(["top"])
    assert more_metrics(["top"], {"accuracy": 1.0}, torch.tensor([[0.75, 0.25]]), torch.tensor([0]), TASK) == {
        "top": 0.75
    }


def test_metrics_that_are_unknown_fail_or_have_a_taken_name_are_refused(packages):
    with pytest.raises(InputError, match="--metric 'f1' is unknown, expected one of: none: no installed package"):
        check_metrics(["f1"])
    packages.install("bad-metrics", CODE, metrics="accuracy = top\nbroken = broken")
    values = torch.tensor([[0.75, 0.25]]), torch.tensor([0]), TASK
    with pytest.raises(InputError, match="--metric 'accuracy' is a metric of the task classify itself"):
        more_metrics(["accuracy"], {"accuracy": 1.0}, *values)
    with pytest.raises(InputError, match=r"--metric 'broken' fails for the task classify \(ValueError: no labels\)"):
        more_metrics(["broken"], {}, *values)
