"""Large images: what tiles give is what the whole image gives, at the memory of one tile."""

import pytest
import torch
from torch import nn

from synth2real.data.domains import Labelled, Unlabelled
from synth2real.networks.adversarial import Translator
from synth2real.networks.layers import Refiner
from synth2real.refine import CUT, METHODS, SimGAN
from synth2real.refine.base import ImageMapping, TrainedMapping
from synth2real.refine.tiles import ALIGN, TILE, Tiling, spans
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop


class Attention(nn.Module):
    """Adds the mean of the whole image, and multiplies by a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x + x.mean((2, 3), keepdim=True)


def random(network: nn.Module) -> nn.Module:
    """The network with weights that change images."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return network.requires_grad_(False)


def scene(channels: int, height: int, width: int) -> torch.Tensor:
    """(C, H, W) in 0..1: noise whose level and contrast differ between the halves, so that statistics of tiles do."""
    x = torch.rand(channels, height, width, generator=torch.Generator().manual_seed(1))
    x[..., width // 2 :] *= 0.3
    return x


NETWORKS = {
    "no normalisation": lambda: Refiner(3, 8, 2),
    "deep": lambda: Refiner(3, 4, 6, "image"),
    "group normalisation at half the resolution": lambda: Translator(3, 8, 2),
    "instance normalisation": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.Conv2d(4, 3, 1)
    ),
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [(300, 530), (257, 64), (TILE, TILE + 1)])
def test_tiles_give_what_the_whole_image_gives(network: str, size: tuple[int, int]) -> None:
    net, x = random(NETWORKS[network]()), scene(3, *size)
    tiling = Tiling(net, 3)
    assert tiling.margin is not None
    for batch in (1, 3):
        torch.testing.assert_close(tiling.apply(net, x, batch), net(x[None])[0], atol=2e-5, rtol=0)
    torch.testing.assert_close(net(x[None]), net(x[None]), msg="no hook is left")
    assert (net(x[None])[0] - x).abs().mean() > 0.05, "the network changes the image"


def test_the_receptive_field_is_found_whatever_the_weights_are() -> None:
    silent = Refiner(1, 4, 2)  # its last layer is zero, so no gradient would reach the input
    assert Tiling(silent, 1).margin == ALIGN  # 1 + 2 * 2 pixels
    assert Tiling(Refiner(1, 4, 4), 1).margin == 2 * ALIGN  # 1 + 4 * 2 pixels
    assert [norm.stride for norm in Tiling(Translator(1, 8, 1), 1).norms] == [1, 2, 1]


@pytest.mark.parametrize("network", [Attention(), nn.Conv2d(3, 3, 3, padding=70, dilation=70)])
def test_a_network_that_looks_far_takes_the_whole_image(network: nn.Module) -> None:
    net, x = network.requires_grad_(False), scene(3, 300, 300)
    tiling = Tiling(net, 3)
    assert tiling.margin is None
    assert torch.equal(tiling.apply(net, x), net(x[None])[0])


def test_a_normalisation_layer_that_is_called_twice_takes_the_whole_image() -> None:
    norm = nn.GroupNorm(1, 3)
    assert Tiling(nn.Sequential(norm, norm), 3).margin is None


@pytest.mark.parametrize("length", [5, TILE, TILE + 1, 2 * TILE, 1000, 4001])
@pytest.mark.parametrize("margin", [0, 8, 64])
def test_own_parts_cover_every_pixel_once_and_have_their_margin(length: int, margin: int) -> None:
    found = spans(length, margin)
    assert [i for span in found for i in range(span.own.start, span.own.stop)] == list(range(length))
    for span in found:
        assert span.of.stop - span.of.start <= TILE
        assert span.of.start % ALIGN == 0
        assert span.of.start == max(0, span.own.start - margin)
        assert span.of.stop == min(length, span.own.stop + margin)


def fitted(method: TrainedMapping, shape: tuple[int, int, int]) -> TrainedMapping:
    method.prepare(shape, Loop(steps=1, hardware=Hardware()))
    random(method.refiner)
    return method


@pytest.mark.parametrize("method", [SimGAN(maps=4, blocks=1), CUT(maps=8, blocks=1)])
def test_there_is_no_step_at_the_borders_of_tiles(method: TrainedMapping) -> None:
    shape = (1, 280, 520)
    x = (scene(*shape)[None] * 255).to(torch.uint8)
    steps = fitted(method, shape).transform(x)[0, 0].float().diff(dim=1).abs()[:, :250].mean(0)  # in one half
    margin = Tiling(method.refiner, 1).margin
    assert margin is not None
    border = steps[TILE - margin - 1]
    assert abs(border - steps.mean()) < 4 * steps.std()


@pytest.mark.parametrize("method", [SimGAN(maps=4, blocks=1), CUT(maps=8, blocks=1)])
def test_the_network_never_sees_more_than_a_tile(method: TrainedMapping) -> None:
    seen: list[int] = []
    for side in (300, 600):
        refiner = fitted(method, (1, side, side))
        refiner.refiner.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numel()))
        assert refiner.transform(torch.zeros(1, 1, side, side, dtype=torch.uint8)).shape == (1, 1, side, side)
    assert max(seen) <= TILE * TILE


def test_closed_forms_say_that_they_need_whole_images() -> None:
    for name, kind in METHODS.items():
        assert issubclass(kind, ImageMapping)
        assert kind.in_tiles == issubclass(kind, TrainedMapping), name


def test_a_refiner_of_large_images_is_trained_on_crops_and_gives_large_images() -> None:
    x = (scene(1, 40, 300)[None].repeat(5, 1, 1, 1) * 255).to(torch.uint8)
    method = CUT(steps=2, maps=8, blocks=0, history=4, crop=24)
    seen: list[torch.Size] = []
    prepare = method.build

    def build(shape: tuple[int, ...]) -> None:
        prepare(shape)
        method.critic.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1:]))

    method.build = build  # type: ignore[method-assign]
    method.fit(Labelled(x, torch.zeros(5).long()), Unlabelled(x), Loop(steps=1, batch=3, hardware=Hardware()))
    assert set(seen) == {torch.Size((1, 24, 24))}
    assert method.transform(x).shape == x.shape
