"""Label-free scores on examples small enough to check by hand."""

import pytest
import torch

from synth2real.tasks import Classification, Regression
from synth2real.validators import ensemble_agreement


def test_the_candidate_that_agrees_with_the_mean_scores_highest() -> None:
    task = Classification(("a", "b"))
    right = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]])
    also = torch.tensor([[0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    wrong = torch.tensor([[0.45, 0.55], [0.1, 0.9], [0.6, 0.4]])
    assert ensemble_agreement([right, also, wrong], task) == pytest.approx([1.0, 2 / 3, 2 / 3])


def test_values_are_held_against_the_median() -> None:
    task = Regression(("v",), (0.0,), (1.0,))
    middle = torch.tensor([[0.0], [1.0], [2.0]])
    scores = ensemble_agreement([middle, middle + 0.5, middle - 0.5], task)
    assert scores == pytest.approx([0.0, -0.5, -0.5])
