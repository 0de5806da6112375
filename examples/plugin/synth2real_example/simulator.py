"""A simulator from a function: a bright bar, standing or lying, on a dark ground."""

from __future__ import annotations

import torch
from torch import Tensor

from synth2real.simulate import Drawn, Parameter, Simulator, declared


@declared(
    Parameter("width", "pixels", "of the bar", (1.0, 8.0), (2.0, 4.0)),
    Parameter("level", "", "grey value of the bar", (0.3, 1.0), (0.6, 1.0)),
    classes={"class": ("lying", "standing")},
)
def bars(values: dict[str, Tensor], frame: Simulator, generator: torch.Generator) -> Drawn:
    """Bars: standing or lying, of random width and brightness, at a random place."""
    count, (height, width) = len(values["width"]), frame.size
    stands = torch.randint(2, (count,), generator=generator)
    place = torch.rand(count, generator=generator) * 0.6 + 0.2
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    across = torch.where(stands[:, None, None] == 1, columns / width, rows / height)
    half = (values["width"] / 2 / min(height, width))[:, None, None]
    image = ((across - place[:, None, None]).abs() < half) * values["level"][:, None, None]
    return Drawn(image[:, None].expand(-1, frame.channels, -1, -1), {"class": stands})
