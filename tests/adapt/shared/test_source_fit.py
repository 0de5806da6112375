"""How well a model fits the source, corrected for chance."""

import pytest
import torch

from synth2real.adapt.shared.source_fit import SourceFit
from synth2real.tasks import Classification, Regression

TASK = Classification(("a", "b", "c"))


def test_classes_are_corrected_for_the_most_frequent_one() -> None:
    labels = torch.tensor([0, 0, 1, 2])
    for said, right, value in ((labels, 1.0, 1.0), (torch.zeros(4).long(), 0.5, 0.0), (labels.flip(0), 0.0, -1.0)):
        fit = SourceFit(TASK)
        fit.observe(torch.eye(3)[said], labels)
        assert fit.value().item() == pytest.approx(value)
        assert fit.text() == f"accuracy {right:.2f}, where the most frequent class alone gives 0.50"


def test_mixed_labels_count_by_their_greatest_share() -> None:
    fit = SourceFit(TASK)
    fit.observe(torch.eye(3), torch.tensor([[0.6, 0.4, 0.0], [0.0, 0.9, 0.1], [0.5, 0.3, 0.2]]))
    assert fit.right.mean.item() == pytest.approx(2 / 3)


def test_values_are_compared_with_a_permutation_of_the_labels() -> None:
    task, labels = Regression(("x",), (0.0,), (1.0,)), torch.tensor([[0.0], [4.0]])
    exact, constant = SourceFit(task), SourceFit(task)
    exact.observe(labels, labels)
    constant.observe(torch.full((2, 1), 2.0), labels)
    assert exact.value().item() == pytest.approx(1.0)
    assert constant.value().item() == pytest.approx(0.0)
    assert constant.text() == "the loss is 1.00 of that of a random permutation of the labels"


def test_values_count_as_learnt_at_a_lower_fit_than_classes() -> None:
    classes, values = SourceFit(TASK), SourceFit(Regression(("x",), (0.0,), (1.0,)))
    for fit in (classes, values):
        fit.right.update(torch.tensor(0.45))
        assert fit.learnt() == (fit is values)
    values.right.mean.fill_(0.3)  # as a constant answer
    assert not values.learnt()
