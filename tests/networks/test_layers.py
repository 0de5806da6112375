"""Networks: exact reversal, normalisation, positions, and shapes at every size that is served."""

import pytest
import torch

from synth2real.errors import InputError
from synth2real.networks.layers import NETWORKS, Convolutional, ExpectedPosition, Normalise, reverse_gradient, share


def test_reversal_is_the_identity_forwards_and_minus_the_weight_backwards() -> None:
    x = torch.randn(5, requires_grad=True)
    y = reverse_gradient(x, 0.25)
    assert torch.equal(x, y)
    y.backward(torch.arange(5.0))
    assert torch.equal(x.grad, -0.25 * torch.arange(5.0))


def test_per_image_normalisation_removes_lighting_and_colour() -> None:
    normalise = Normalise("per-image", torch.zeros(3), torch.ones(3))
    x = torch.rand(2, 3, 9, 9) * 0.5
    y = normalise(x)
    torch.testing.assert_close(y.mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    brighter = x + torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    torch.testing.assert_close(normalise(brighter), y, atol=1e-5, rtol=0)
    assert normalise(torch.full((1, 3, 4, 4), 0.7)).abs().max() < 1e-5  # noise in a flat image is not amplified


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


@pytest.mark.parametrize(
    ("name", "side", "width", "kernels"),
    [
        ("dann-mnist", 28, 768, [(32, 3, 5, 5), (48, 32, 5, 5)]),
        ("dann-svhn", 32, 6272, [(64, 3, 5, 5), (64, 64, 5, 5), (128, 64, 5, 5)]),
        ("dann-gtsrb", 40, 1024, [(96, 3, 5, 5), (144, 96, 3, 3), (256, 144, 5, 5)]),
    ],
)
def test_the_papers_networks_are_those_of_its_figure(name: str, side: int, width: int, kernels: list) -> None:
    network = NETWORKS[name]((3, side, side))
    assert network.width == width
    assert network(torch.rand(2, 3, side, side)).shape == (2, width)
    assert [tuple(p.shape) for p in network.parameters() if p.ndim == 4] == kernels
    pools = [(m.kernel_size, m.stride) for m in network if isinstance(m, torch.nn.MaxPool2d)]
    assert pools == ([(3, 2)] * 2 if name == "dann-svhn" else [(2, 2)] * (3 if name == "dann-gtsrb" else 2))
    least = network.least
    assert NETWORKS[name]((1, least, least)).width > 0
    with pytest.raises(InputError, match=f"the network {name} needs images of {least} by {least} or more, found 8x8"):
        NETWORKS[name]((1, 8, 8))


def test_the_papers_network_for_house_numbers_drops_inputs_and_maps() -> None:
    torch.manual_seed(0)
    network = NETWORKS["dann-svhn"]((3, 32, 32))
    with torch.no_grad():
        for layer in (network[0], network[3], network[6]):
            layer.weight.zero_()
            layer.bias.fill_(1)  # so that all zeros come from the dropout
    shares: list[float] = []
    for index in (0, 3, 6, 8):
        network[index].register_forward_pre_hook(lambda _, given: shares.append((given[0] == 0).float().mean().item()))
    x = torch.ones(16, 3, 32, 32)
    network(x)
    assert shares == pytest.approx([0.1, 0.25, 0.25, 0], abs=0.01)
    shares.clear()
    network.eval()(x)
    assert shares == [0, 0, 0, 0]


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_dropout_that_is_no_share_is_refused(value) -> None:
    with pytest.raises(InputError, match=rf"dropout is {value}, expected a share in 0\.\.1"):
        share(value, "dropout")
    assert share(0.25, "dropout") == 0.25
