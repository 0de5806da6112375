"""Networks of maps."""

import pytest
import torch
from torch import nn

from synth2real.errors import InputError
from synth2real.networks.backbones import build_network
from synth2real.networks.dense import DecoupledHead, Pyramid, SmallEncoder, mapped, rows


@pytest.mark.parametrize(("side", "stride"), [(128, 2), (192, 2), (224, 4), (100, 2)])
def test_the_default_network_has_maps_at_stride_2_for_small_images_and_4_for_larger_ones(side, stride):
    network = mapped(build_network("pyramid", (3, side, side), dense=True), (3, side, side), "group", lambda part: part)
    assert network(torch.rand(2, 3, side, side)).shape == (2, 48, side // stride, side // stride)
    assert 0.3e6 < sum(p.numel() for p in network.parameters()) < 0.7e6


def test_a_pyramid_takes_images_whose_sides_do_not_halve_evenly():
    network = Pyramid(SmallEncoder((1, 37, 53)), (1, 37, 53))
    assert network(torch.rand(1, 1, 37, 53)).shape == (1, 48, 19, 27)


def test_a_pyramid_on_efficientnet_has_maps_at_stride_4():
    network = mapped(build_network("efficientnet-lite0", (3, 64, 64), dense=True), (3, 64, 64), "group", lambda p: p)
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, 48, 16, 16)


def test_building_a_pyramid_leaves_running_statistics_as_they_are():
    encoder = SmallEncoder((1, 32, 32), "batch")
    Pyramid(encoder, (1, 32, 32), norm="batch")
    norm = next(part for part in encoder.modules() if isinstance(part, nn.BatchNorm2d))
    assert norm.training
    assert torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))


def test_networks_of_vectors_and_of_maps_are_told_apart():
    with pytest.raises(InputError, match="'convolutional' has vectors of features, expected one with maps: pyramid"):
        build_network("convolutional", (1, 32, 32), dense=True)
    with pytest.raises(InputError, match="'pyramid' has maps of features, for masks and boxes"):
        build_network("pyramid", (1, 32, 32))
    with pytest.raises(InputError, match="images of 8x8 are too small for maps of features"):
        Pyramid(SmallEncoder((1, 8, 8)), (1, 8, 8))


def test_rows_are_the_points_of_maps_image_after_image():
    maps = torch.arange(2 * 3 * 2 * 2).view(2, 3, 2, 2)
    assert rows(maps)[1].tolist() == maps[0, :, 0, 1].tolist()
    assert rows(maps)[4].tolist() == maps[1, :, 0, 0].tolist()
    assert rows(maps[:, :, 0, 0]).shape == (2, 3)


def test_the_scores_of_a_detector_are_those_of_an_object_times_those_of_its_classes():
    head = DecoupledHead(8, 3, rare=0.1)
    for branch in (head.classes, head.boxes):
        torch.nn.init.normal_(branch[-1].weight)
    x = torch.randn(2, 8, 4, 6)
    made = head(x)
    boxes, classes = head.boxes(x), head.classes(x)
    torch.testing.assert_close(made[:, :3].sigmoid(), boxes[:, :1].sigmoid() * classes.softmax(1))
    torch.testing.assert_close(made[:, 3:], boxes[:, 1:])
    torch.nn.init.constant_(head.boxes[-1].bias, 100.0)  # certain objects
    torch.nn.init.constant_(head.classes[-1].weight, 100.0)
    assert head(x).isfinite().all()
