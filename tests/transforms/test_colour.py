"""Colour spaces: known colours, round trip, and comparison with another library."""

import pytest
import torch

from synth2real.transforms.colour import to_lab, to_rgb


def test_known_colours() -> None:
    rgb = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]]).view(4, 3, 1, 1)
    known = torch.tensor([[0.0, 0, 0], [100, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]])
    torch.testing.assert_close(to_lab(rgb).flatten(1), known, atol=0.05, rtol=0)


def test_round_trip() -> None:
    rgb = torch.rand(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(to_rgb(to_lab(rgb)), rgb, atol=1e-3, rtol=0)
    assert to_rgb(torch.tensor([50.0, 120, -120]).view(1, 3, 1, 1)).clamp(0, 1).isfinite().all()


def test_kornia_agrees() -> None:
    kornia = pytest.importorskip("kornia", reason="needs another library to compare with: pip install kornia")
    rgb = torch.rand(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(to_lab(rgb), kornia.color.rgb_to_lab(rgb), atol=2e-2, rtol=1e-3)
