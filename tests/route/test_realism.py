"""Quality of refinement: distinguished from real images or not, distance, and label displacement."""

import pytest
import torch
from torch import Tensor

from synth2real.data.domains import Labelled
from synth2real.errors import InputError
from synth2real.route.realism import kid, label_displacement, machine_turing_test
from synth2real.tasks import Classification, Keypoints
from synth2real.training.hardware import Hardware
from synth2real.training.model import Model


def images(count: int, seed: int, level: float = 0.5) -> Tensor:
    """Noise about `level`, (N, 1, 12, 12) in 0..1."""
    noise = torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(seed)) - 0.5
    return (level + 0.4 * noise).clamp(0, 1)


def classifier() -> Model:
    torch.manual_seed(0)
    return Model(Classification(classes=("a", "b")), (1, 12, 12), statistics="source").eval()


def brightest(x: Tensor) -> Tensor:
    """The brightest pixel of each image, x and y."""
    place = x[:, 0].flatten(1).argmax(1)
    return torch.stack([place % x.shape[3], place // x.shape[3]], 1).float()


def detector() -> Model:
    torch.manual_seed(0)
    labelled = Labelled(images(4, 0), torch.rand(4, 2), columns=("x", "y"))
    model = Model(Keypoints.of(labelled), (1, 12, 12))
    return model.eval()


def test_a_network_distinguishes_images_that_differ_and_not_others() -> None:
    hardware = Hardware()
    real, alike, other = images(150, 0), images(150, 1), images(150, 2, level=0.6)
    assert machine_turing_test(real, other, steps=40, hardware=hardware) > 0.95
    same = machine_turing_test(real, alike, steps=40, hardware=hardware)
    assert 0.3 < same < 0.7  # four standard errors of 100 images held out
    assert machine_turing_test(real, alike, steps=40, hardware=hardware) == same


def test_too_few_images_and_shapes_that_differ_are_refused() -> None:
    with pytest.raises(InputError, match="20 real and 100 refined images, expected 30 or more"):
        machine_turing_test(images(20, 0), images(100, 1))
    with pytest.raises(InputError, match=r"images of \(1, 12, 12\) and of \(1, 12, 10\).*--size and --channels"):
        machine_turing_test(images(40, 0), images(40, 1)[..., :10])


def test_kid_grows_with_the_gap_and_not_with_the_scale_of_features(monkeypatch) -> None:
    model = classifier()
    near, far = (kid(images(120, 0), images(120, 1, level), model) for level in (0.5, 0.9))
    assert abs(near) < far / 10
    embed = model.embed
    with monkeypatch.context() as patched:
        patched.setattr(model, "embed", lambda x: 10 * embed(x))
        assert kid(images(120, 0), images(120, 1, 0.9), model) == pytest.approx(far, rel=1e-4)
    with pytest.raises(InputError, match="the refined set has inputs of 1x12x10"):
        kid(images(9, 0), images(9, 1)[..., :10], model)
    with pytest.raises(InputError, match="the real set has 1 image, expected two"):
        kid(images(1, 0), images(9, 1), model)


def test_points_that_move_are_measured_in_pixels(monkeypatch) -> None:
    model = detector()
    before = images(10, 0)
    assert label_displacement(model, before, before) == 0
    monkeypatch.setattr(Model, "outputs", lambda self, inputs: brightest(inputs))
    monkeypatch.setattr(type(model.task), "predict", lambda self, outputs: outputs)
    spots = torch.zeros(3, 1, 12, 12)
    for i in range(3):
        spots[i, 0, 2 + i, 3] = 1
    assert label_displacement(model, spots, spots.roll((4, 3), (2, 3))) == pytest.approx(5)
    with pytest.raises(InputError, match="3 images before and 2 after"):
        label_displacement(model, spots, spots[:2])
    assert label_displacement(classifier(), before, before) == 0
