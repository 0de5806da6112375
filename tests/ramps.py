"""A simulator of grey ramps, whose two settings an image shows and whose third it does not."""

import torch

from synth2real.simulate import Drawn, Parameter, declared


@declared(
    Parameter("level", "intensity", "of all pixels", (0, 1), (0.3, 0.5)),
    Parameter("slope", "intensity", "from left to right", (-1, 1), (-0.1, 0.1)),
    Parameter("nothing", "ratio", "that no image shows", (0, 1), (0.2, 0.8)),
    columns={"value": ("v",)},
)
def ramps(values, frame, generator):
    """Grey ramps with noise."""
    across = torch.linspace(-0.5, 0.5, frame.size[1])
    images = values["level"][:, None, None, None] + values["slope"][:, None, None, None] * across
    noise = 0.02 * torch.randn(len(images), 1, *frame.size, generator=generator)
    return Drawn((images + noise).clamp(0, 1), {"value": values["level"][:, None]})
