"""The eyeball model, on rendered eyes with a known gaze and on ellipses."""

import math

import pytest
import torch

from gazesets import draw_eye
from synth2real.errors import InputError
from synth2real.tasks.directions import degrees_between
from synth2real.tasks.eyeball_model import EyeballModel, _axes, _distance, _fit


def eyes(count: int, reach: float, seed: int = 0, **settings: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 1, 36, 60) uint8 of rendered eyes, and their gaze (N, 2)."""
    angles = (torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * reach
    images = [torch.from_numpy(draw_eye(*pair, **settings)) for pair in angles.tolist()]
    return torch.stack(images)[:, None], angles


@pytest.mark.parametrize("lids", [2.0, 1.0], ids=["open", "half open"])
@pytest.mark.parametrize("radius", [7.0, 9.0])
def test_gaze_of_rendered_eyes(radius: float, lids: float) -> None:
    images, angles = eyes(60, 0.35, radius=radius, lids=lids)
    errors = degrees_between(EyeballModel().estimate(images), angles)
    always = degrees_between(torch.zeros_like(angles), angles)
    assert errors.median() < (1.5 if lids == 2 else 4)
    assert errors.mean() < 0.35 * always.mean()


def test_the_iriss_centre_and_radius() -> None:
    images, angles = eyes(40, 0.35, radius=8.0, lids=2.0)
    found = EyeballModel().ellipses(images[:, 0].float() / 255)
    scale = 8 * 10 / 5.9
    pitch, yaw = angles.unbind(1)
    truth = torch.stack([29.5 - scale * pitch.cos() * yaw.sin(), 17.5 - scale * pitch.sin()], 1)
    assert (found[:, :2] - truth).norm(dim=1).quantile(0.9) < 0.4
    assert (found[:, 2] - 8).abs().quantile(0.9) < 0.5


def test_the_eyeball_may_be_found_from_the_images_of_one_person() -> None:
    images, angles = eyes(80, 0.3, lids=2.0)
    shifted = images.roll((3, 5), dims=(2, 3))  # the eye is not at the image centre
    mean = (float(angles[:, 0].mean()), float(angles[:, 1].mean()))
    by_frame, by_images = (
        degrees_between(EyeballModel(centre=centre, mean=mean).estimate(shifted), angles).median()
        for centre in ("frame", "images")
    )
    assert by_images < 5
    assert by_frame > 2 * by_images


def test_every_image_gives_a_direction_and_the_same_one_each_time() -> None:
    flat = torch.full((2, 3, 36, 60), 0.5)
    noise = torch.rand(6, 3, 36, 60, generator=torch.Generator().manual_seed(0))
    images = torch.cat([flat, noise])
    found = EyeballModel().estimate(images)
    assert found.shape == (8, 2)
    assert found.isfinite().all()
    assert torch.equal(found, EyeballModel().estimate(images))


def test_conics_by_hand() -> None:
    turn = torch.arange(40) * (2 * math.pi / 40)
    c, s = math.cos(0.5), math.sin(0.5)
    along, across = 1.1 * turn.cos(), 0.8 * turn.sin()
    points = torch.stack([0.1 + c * along - s * across, -0.05 + s * along + c * across], 1).double()
    conic = _fit(points, torch.full((40,), 100.0).double())
    assert _axes(conic).tolist() == pytest.approx([0.1, -0.05, 1.1, 0.8], abs=3e-3)
    assert _distance(conic, points).max() < 3e-3
    outside = torch.tensor([[0.1 + 1.2 * c, -0.05 + 1.2 * s]]).double()  # 0.1 beyond the end of the longer axis
    assert _distance(conic, outside).item() == pytest.approx(0.1, abs=0.01)
    hyperbola = torch.tensor([1.5, 0.0, 0.0, 0.0, -1.0])  # 1.5 x² - 0.5 y² = 1
    assert _axes(hyperbola).isnan().all()


def test_what_it_cannot_take() -> None:
    with pytest.raises(InputError, match=r"radius=\(9, 3\): expected lowest and highest"):
        EyeballModel(radius=(9, 3))
    with pytest.raises(InputError, match=r"shape \(2, 5\): expected images"):
        EyeballModel().estimate(torch.zeros(2, 5))
    with pytest.raises(InputError, match="large enough for an iris of radius 11 pixels"):
        EyeballModel().estimate(torch.zeros(2, 1, 16, 16))
