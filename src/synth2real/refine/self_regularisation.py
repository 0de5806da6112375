"""Spaces in which a refined image must stay close to the synthetic image."""

from __future__ import annotations

from importlib import import_module

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError


class ChannelMean(nn.Module):
    """Mean of each colour channel, (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Edges(nn.Module):
    """Horizontal and vertical differences of neighbouring pixels, (N, 2 C, H, W). Slow shading is not constrained."""

    def forward(self, x: Tensor) -> Tensor:
        across = F.pad(x[..., :, 1:] - x[..., :, :-1], (0, 1))
        down = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
        return torch.cat([across, down], 1)


SPACES: dict[str, type[nn.Module]] = {"pixels": nn.Identity, "channel-mean": ChannelMean, "edges": Edges}


def space(name: str) -> nn.Module:
    """The frozen network whose outputs must stay close.

    Args:
        name: one of `SPACES`, or `module:Class` of a torch module. The module is built without arguments and receives
            images (N, C, H, W) float32 in 0..1.

    Raises:
        InputError: the space, module or class does not exist, or it is not a torch module.
    """
    if name in SPACES:
        return SPACES[name]()
    module, colon, kind = name.partition(":")
    expected = f"expected one of: {', '.join(SPACES)}, or module:Class of a torch.nn.Module"
    if not (module and colon and kind):
        raise InputError(f"refine.regularise_in is '{name}', {expected}")
    try:
        built = getattr(import_module(module), kind)()
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError(f"refine.regularise_in '{name}' cannot be built ({error}), {expected}") from None
    if not isinstance(built, nn.Module):
        raise InputError(f"refine.regularise_in '{name}' is a {type(built).__name__}, {expected}")
    return built.eval().requires_grad_(False)
