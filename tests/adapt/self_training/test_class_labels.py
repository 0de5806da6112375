"""A teacher's classes: aligned with a prior, and counted if confident."""

import pytest
import torch
from torch import nn

from synth2real.adapt.self_training.class_labels import ClassLabels
from synth2real.tasks import Classification
from synth2real.training.loop import Progress, TargetBatch
from synth2real.training.model import Model


def labels(prior="source", alignment="soft", threshold=0.9) -> ClassLabels:
    return ClassLabels(Model(Classification(("a", "b", "c")), (3,)), prior, alignment, threshold)


class Says(nn.Module):
    """A teacher that predicts the logarithm of its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.log()


def target(probabilities: torch.Tensor) -> TargetBatch:
    return TargetBatch(probabilities, probabilities, None)


def test_labels_are_aligned_with_the_prior() -> None:
    said = torch.tensor([[0.5, 0.4, 0.1]] * 4)
    known, truth = torch.zeros(4, 3), torch.tensor([1, 1, 1, 2])  # source: none of class a
    for prior, expected in (("none", 0), ("source", 1), ((0.05, 0.05, 0.9), 2)):
        method = labels(prior)
        method.to_prior.observe(known, truth, known, Progress(0, 10))
        found, _ = method.labels(Says(), known, target(said))
        assert found.tolist() == [expected] * 4


def test_an_exact_alignment_enforces_the_prior() -> None:
    torch.manual_seed(0)
    said = torch.softmax(4 * torch.randn(512, 3), 1)
    truth = torch.tensor([0, 0, 1, 2])  # the source: half of class a
    method = labels(alignment="exact")
    for _ in range(20):
        method.to_prior.observe(torch.zeros(4, 3), truth, torch.zeros(4, 3), Progress(0, 10))
        found, _ = method.labels(Says(), torch.zeros(4, 3), target(said))
    assert found.bincount().div(512).tolist() == pytest.approx([0.5, 0.25, 0.25], abs=0.05)


def test_only_confident_labels_count_relative_to_the_source() -> None:
    said = torch.tensor([[0.98, 0.01, 0.01], [0.5, 0.3, 0.2]])
    method = labels("none")
    sure = torch.tensor([[9.0, 0.0, 0.0]] * 2)
    assert method.labels(Says(), sure, target(said))[1].tolist() == [1.0, 0.0]
    unsure = torch.zeros(2, 3)  # a mean source confidence of a third gives a low threshold
    assert method.labels(Says(), unsure, target(said))[1].tolist() == [1.0, 1.0]


def test_the_watch_sees_the_predictions_before_the_alignment() -> None:
    said = torch.tensor([[0.98, 0.01, 0.01]] * 8)
    method = labels(alignment="exact")
    method.to_prior.observe(torch.zeros(3, 3), torch.arange(3), torch.zeros(3, 3), Progress(0, 10))
    for _ in range(5):
        method.labels(Says(), torch.zeros(3, 3), target(said))
    torch.testing.assert_close(method.watch.shares.mean, said[0])
