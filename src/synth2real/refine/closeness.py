"""In what a refined image must stay close to the synthetic one."""

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
    """Differences of neighbouring pixels across and down, (N, 2 C, H, W); slow shading is free."""

    def forward(self, x: Tensor) -> Tensor:
        across = F.pad(x[..., :, 1:] - x[..., :, :-1], (0, 1))
        down = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
        return torch.cat([across, down], 1)


SPACES: dict[str, type[nn.Module]] = {"pixels": nn.Identity, "channel-mean": ChannelMean, "edges": Edges}


def space(name: str) -> nn.Module:
    """The frozen network whose outputs must stay close.

    Args:
        name: one of `SPACES`, or `module:Class` of a torch module that is built without arguments and takes images
            (N, C, H, W) float32 in 0..1.

    Raises:
        InputError: there is no such space, module or class, or it is no torch module.
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
