"""Networks: exact reversal, normalisation, positions, and shapes at every size that is served."""

import pytest
import torch

from synth2real.errors import InputError
from synth2real.networks import NETWORKS, Convolutional, DANNMnist, ExpectedPosition, Normalise, reverse_gradient


def test_reversal_is_the_identity_forwards_and_minus_the_weight_backwards() -> None:
    x = torch.randn(5, requires_grad=True)
    y = reverse_gradient(x, 0.25)
    assert torch.equal(x, y)
    y.backward(torch.arange(5.0))
    assert torch.equal(x.grad, -0.25 * torch.arange(5.0))


def test_per_image_normalisation_takes_light_and_tint_out() -> None:
    normalise = Normalise("per-image", torch.zeros(3), torch.ones(3))
    x = torch.rand(2, 3, 9, 9) * 0.5
    y = normalise(x)
    torch.testing.assert_close(y.mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    brighter = x + torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    torch.testing.assert_close(normalise(brighter), y, atol=1e-5, rtol=0)
    assert normalise(torch.full((1, 3, 4, 4), 0.7)).abs().max() < 1e-5  # a flat image stays quiet


def test_source_normalisation_uses_the_given_statistics() -> None:
    normalise = Normalise("source", torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]))
    assert torch.equal(normalise(torch.tensor([[3.0, 2.0]])), torch.tensor([[1.0, 0.0]]))


def test_expected_position_finds_a_peak() -> None:
    maps = torch.full((1, 1, 5, 7), -50.0)
    maps[0, 0, 1, 5] = 50.0
    x, y = ExpectedPosition(5, 7)(maps)[0].tolist()
    assert (x, y) == pytest.approx(((5 + 0.5) / 7 * 2 - 1, (1 + 0.5) / 5 * 2 - 1))


@pytest.mark.parametrize("size", [(8, 8), (16, 16), (28, 28), (36, 60), (35, 55), (64, 64), (128, 128)])
@pytest.mark.parametrize("spatial", [False, True])
def test_the_default_network_takes_every_size(size: tuple[int, int], spatial: bool) -> None:
    network = Convolutional((3, *size), spatial=spatial)
    assert network(torch.rand(2, 3, *size)).shape == (2, network.width)


def test_the_papers_network_has_768_features_at_28_pixels() -> None:
    assert DANNMnist((3, 28, 28)).width == 768
    with pytest.raises(InputError, match="needs images of 16 by 16 or more, found 8x8"):
        NETWORKS["dann-mnist"]((1, 8, 8))
