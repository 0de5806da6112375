"""What is known of an adaptation without labels: it collapsed, it is more consistent, or nothing."""

import pytest
import torch
from torch import Tensor, nn

from synth2real.data.domains import Unlabelled
from synth2real.select.adapted import UNKNOWN, judge
from synth2real.tasks import Classification
from synth2real.training.model import Model

TASK = Classification(("dark", "light"))
NOISE = torch.rand(200, 1, 16, 16, generator=torch.Generator().manual_seed(0))
IMAGES = Unlabelled(0.8 * NOISE + 0.2 * (torch.arange(200) % 2).view(-1, 1, 1, 1))  # mean 0.4 or 0.6


class Brightness(nn.Module):
    """The mean of the first pixels of each side, (N, 1)."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, : self.pixels, : self.pixels].mean((1, 2, 3))[:, None]


def classifier(features: nn.Module, shape: tuple[int, ...], slope: float, threshold: float) -> Model:
    """`light` where the only feature is above the threshold (for a negative slope: below it)."""
    model = Model(TASK, shape, features=features, statistics="none")
    weight, bias = model.head.parameters()
    with torch.no_grad():
        weight.copy_(torch.tensor([[-slope], [slope]]))
        bias.copy_(torch.tensor([slope * threshold, -slope * threshold]))
    return model.eval()


def by_brightness(pixels: int, threshold: float = 0.5) -> Model:
    return classifier(Brightness(pixels), (1, 16, 16), 100.0, threshold)


def test_what_follows_the_image_more_consistently_seems_to_have_helped() -> None:
    noisy, steady = by_brightness(1), by_brightness(16)
    found = judge(noisy, steady, IMAGES)
    assert found.helped is True
    assert found.before is not None
    assert found.after is not None
    assert found.after > found.before + 0.1
    assert found.words.startswith("the adaptation seems to have helped")
    assert "Only labels prove it" in found.words
    back = judge(steady, noisy, IMAGES)
    assert back.helped is False
    assert "Keep the model before it" in back.words


def test_no_sure_difference_is_not_known() -> None:
    same = by_brightness(16)
    found = judge(same, same, IMAGES)
    assert (found.helped, found.changed) == (None, 0.0)
    assert found.words.endswith(UNKNOWN)


def test_a_collapsed_model_did_not_help() -> None:
    found = judge(by_brightness(16), by_brightness(16, threshold=-1.0), IMAGES)
    assert found.helped is False
    assert "did not help: it predicts 'light' for 200 of 200 samples" in found.words


@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_for_features_it_is_not_known(slope: float) -> None:
    features = Unlabelled(torch.linspace(-3, 3, 100)[:, None])
    found = judge(*(classifier(nn.Identity(), (1,), sign, 0.0) for sign in (1.0, slope)), features)
    assert (found.helped, found.before) == (None, None)
    assert found.changed == (0.0 if slope > 0 else 1.0)
    assert UNKNOWN in found.words
