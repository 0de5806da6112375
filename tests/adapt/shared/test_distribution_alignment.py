"""Distribution alignment: what it enforces, and what it forgives."""

import pytest
import torch

from synth2real.adapt.shared.distribution_alignment import MEMORY, ExactAlignment, SoftAlignment, ToPrior
from synth2real.tasks import Classification
from synth2real.training.loop import Progress

PRIOR = torch.tensor([0.5, 0.3, 0.2])


def predictions(count: int = 600) -> torch.Tensor:
    """Log-probabilities that favour the last class."""
    bias = torch.tensor([0.0, 0.0, 2.0])
    return (3 * torch.randn(count, 3, generator=torch.Generator().manual_seed(0)) + bias).log_softmax(1)


def test_an_exact_alignment_has_the_prior_as_its_mean() -> None:
    alignment = ExactAlignment(3)
    for _ in range(30):
        aligned = alignment(predictions(MEMORY), PRIOR)
    torch.testing.assert_close(aligned.mean(0), PRIOR, atol=1e-3, rtol=0)
    torch.testing.assert_close(aligned.sum(1), torch.ones(MEMORY))


def test_an_exact_alignment_uses_the_latest_predictions() -> None:
    alignment = ExactAlignment(3)
    for value in range(1, MEMORY // 64 + 3):
        alignment(torch.full((64, 3), float(value)), PRIOR)
    assert alignment.filled == MEMORY
    assert alignment.memory.unique().tolist() == [float(value) for value in range(3, MEMORY // 64 + 3)]


def test_a_soft_alignment_is_one_rescaling() -> None:
    said = predictions()
    expected = said.exp() * PRIOR / said.exp().mean(0)
    aligned = SoftAlignment(3)(said, PRIOR)
    torch.testing.assert_close(aligned, expected / expected.sum(1, keepdim=True))


def test_a_soft_alignment_keeps_confident_predictions() -> None:
    certain = torch.tensor([[0.0, -40.0, -40.0]] * 8)
    assert SoftAlignment(3)(certain, PRIOR).argmax(1).tolist() == [0] * 8


@pytest.mark.parametrize("alignment", [SoftAlignment, ExactAlignment])
def test_a_class_without_predictions_and_prior_stays_finite(alignment: type[SoftAlignment | ExactAlignment]) -> None:
    said = torch.tensor([[0.0, -200.0, -200.0]] * 8)
    for prior in (torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.5, 0.5])):
        assert alignment(3)(said, prior).isfinite().all()


@pytest.mark.parametrize("prior", ["estimated", "mlls"])
def test_an_estimated_prior_gives_way_from_the_sources_to_the_targets(prior) -> None:
    """A classifier that is right nine times of ten, on domains whose shares differ."""
    torch.manual_seed(0)
    target = torch.tensor([0.7, 0.2, 0.1])
    chances = torch.full((3, 3), 0.05) + 0.85 * torch.eye(3)  # mean prediction for each true class

    def outputs(truth: torch.Tensor) -> torch.Tensor:
        return chances[chances[truth].multinomial(1).flatten()].log()

    method = ToPrior(Classification(("a", "b", "c")), prior, "soft")
    for step in range(301):
        known, unknown = torch.randint(0, 3, (256,)), target.multinomial(256, replacement=True)
        method.observe(outputs(known), known, outputs(unknown), Progress(step, 300))
        if step == 150:
            torch.testing.assert_close(method.wanted(), torch.full((3,), 1 / 3), atol=0.03, rtol=0)
    torch.testing.assert_close(method.wanted(), target, atol=0.07, rtol=0)
