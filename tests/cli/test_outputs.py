"""What commands write: the warning about predictions of one class."""

import pytest
import torch

from synth2real.cli.outputs import one_class
from synth2real.tasks import Classification, Keypoints
from synth2real.training.model import Model, Predictions

TASK = Classification(("bolt", "valve", "gear"))


def found(first: int, second: int, shape: tuple[int, ...] = (1, 8, 8)) -> list[str]:
    index = torch.tensor([0] * first + [1] * second)
    return one_class(Model(TASK, shape), Predictions(torch.eye(3)[index], TASK))


def test_predictions_of_nearly_one_class_are_named() -> None:
    mend = "If they hold other classes, too, do not use the model"
    assert found(0, 200) == [f"200 of 200 images are 'valve'. {mend}"]
    assert found(4, 196, (5,)) == [f"196 of 200 samples are 'valve'. {mend}"]


@pytest.mark.parametrize(("first", "second"), [(5, 195), (0, 9)])
def test_other_predictions_are_not(first, second) -> None:
    assert found(first, second) == []


def test_values_are_not() -> None:
    task = Keypoints(("x", "y"), (16, 16))
    assert one_class(Model(task, (1, 16, 16)), Predictions(torch.zeros(50, 2), task)) == []
