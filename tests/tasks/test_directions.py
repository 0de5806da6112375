"""Directions: the convention by hand, and there and back."""

import math

import pytest
import torch

from synth2real.tasks.directions import degrees_between, relative_to, to_angles, to_vectors

NAN = float("nan")


@pytest.mark.parametrize(
    ("vector", "degrees"),
    [
        ((0, 0, -1), (0, 0)),  # into the camera
        ((0, -1, -1), (45, 0)),  # y points down: up is positive pitch
        ((-1, 0, -1), (0, 45)),  # to the left of the image
        ((1, 0, 0), (0, -90)),
        ((-1, -math.sqrt(2), -1), (45, 45)),
    ],
)
def test_the_convention(vector: tuple[float, ...], degrees: tuple[float, ...]) -> None:
    found = to_angles(torch.tensor([vector], dtype=torch.float32))
    torch.testing.assert_close(found.rad2deg(), torch.tensor([degrees], dtype=torch.float32), atol=1e-4, rtol=0)
    unit = torch.nn.functional.normalize(torch.tensor([vector], dtype=torch.float32))
    torch.testing.assert_close(to_vectors(found), unit, atol=1e-6, rtol=0)


def test_there_and_back_and_of_unit_length() -> None:
    angles = (torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) - 0.5) * torch.tensor([3.1, 6.2])
    vectors = to_vectors(angles)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(200))
    torch.testing.assert_close(to_angles(3 * vectors), angles, atol=1e-3, rtol=0)


def test_degrees_between() -> None:
    zero = torch.zeros(4, 2)
    other = torch.tensor([[0.0, 0.0], [math.radians(30), 0.0], [0.0, math.pi], [NAN, 0.0]])
    assert degrees_between(zero, other)[:3].tolist() == pytest.approx([0, 30, 180])
    assert degrees_between(zero, other)[3].isnan()
    tiny = torch.tensor([[1e-5, 0.0]])
    assert degrees_between(tiny, 0 * tiny).item() == pytest.approx(math.degrees(1e-5), rel=1e-4)
    up = torch.tensor([[math.radians(60), 0.0]])  # so high up, a turn of 10 degrees is 5
    assert degrees_between(up, up + torch.tensor([[0.0, math.radians(10)]])).item() == pytest.approx(5, abs=0.02)


def test_what_is_unknown_stays_unknown() -> None:
    angles = torch.tensor([[NAN, 0.1], [0.1, NAN]])
    assert to_vectors(angles).isnan().any(1).all()
    assert to_angles(to_vectors(angles)).isnan().any(1).all()


def test_a_direction_relative_to_itself_is_straight_ahead_and_turns_back_by_the_frame():
    frame = (torch.rand(50, 2, dtype=torch.float64) - 0.5) * 2
    assert torch.allclose(relative_to(frame, frame), torch.zeros(50, 2, dtype=torch.float64), atol=1e-7)
    apart = degrees_between(relative_to(frame, frame.flip(0)), relative_to(frame.flip(0), frame.flip(0)))
    assert torch.allclose(apart, degrees_between(frame, frame.flip(0)), atol=1e-6)
    yaw = torch.tensor([[0.1, 0.5]])
    assert torch.allclose(relative_to(yaw, torch.tensor([[0.0, 0.2]])), torch.tensor([[0.1, 0.3]]), atol=1e-6)
