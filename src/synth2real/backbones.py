"""Feature extractors by name: the library's own, any class of the user's, and timm's; their weights and their width."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .errors import InputError
from .networks import FOR_FEATURES, NETWORKS, Norm

TIMM = "timm"
KINDS = f"one of: {', '.join(NETWORKS)}, or module:Class (your own nn.Module), or {TIMM}:NAME, such as {TIMM}:resnet18"
SHOWN = 3  # keys that a message names


class Frozen(nn.Module):
    """A network that is used as it is: no gradient reaches it, and it stays in evaluation mode."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Frozen:
        return super().train(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.network(x)
        return features


def build_network(name: str, shape: Sequence[int], spatial: bool = False, norm: Norm = "group") -> nn.Module:
    """The feature extractor of that name for inputs of one shape, with fresh weights.

    Args:
        name: of `networks.NETWORKS`; `module:Class`, a class that Python can import, which is called with `shape` where
            it takes an argument of that name, else without; or `timm:NAME`, which needs `pip install synth2real[timm]`.
        shape: (C, H, W) of an image or (F,) of a feature vector.
        spatial: keep where things are (the library's own networks).
        norm: between the layers of the library's own; others have what they have.

    Raises:
        InputError: no such network, module, class or package, or a class that is no `nn.Module`.
    """
    if name in NETWORKS:
        if (len(shape) == 3) == (name in FOR_FEATURES):
            raise InputError(f"network '{name}' does not take inputs of shape {tuple(shape)}")
        return NETWORKS[name](shape, spatial=spatial, norm=norm)
    kind, colon, rest = name.partition(":")
    if not colon:
        raise InputError(f"network '{name}' is unknown, expected {KINDS}")
    return _timm(rest, shape) if kind == TIMM else _call(name, _class(name, kind, rest), shape)


def _class(name: str, module: str, attribute: str) -> type[nn.Module]:
    try:
        found: Any = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise InputError(
            f"network '{name}': Python cannot import '{module}' ({error}), expected module:Class. Run where the module "
            "lies, or add its folder to PYTHONPATH"
        ) from None
    if found is None:
        raise InputError(
            f"network '{name}': the module '{module}' has no '{attribute}', expected a class that is there"
        )
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise InputError(f"network '{name}': found {found!r}, expected a class that derives from torch.nn.Module")
    return found


def _call(name: str, kind: type[nn.Module], shape: Sequence[int]) -> nn.Module:
    takes = "shape" in inspect.signature(kind).parameters
    try:
        return kind(shape=tuple(shape)) if takes else kind()
    except TypeError as error:
        raise InputError(
            f"network '{name}' cannot be made ({error}), expected a class that is called with `shape` alone, or with "
            "nothing. Give every other argument a default"
        ) from None


def _timm(name: str, shape: Sequence[int]) -> nn.Module:
    if len(shape) != 3:
        raise InputError(f"network '{TIMM}:{name}' takes images, found features of shape {tuple(shape)}")
    try:
        timm = importlib.import_module(TIMM)
    except (ImportError, RuntimeError) as error:  # the latter by a torchvision that was built for another torch
        raise InputError(
            f"network '{TIMM}:{name}' needs the package timm, which cannot be imported ({error}). "
            "Install it: pip install 'synth2real[timm]'"
        ) from None
    try:
        made: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, in_chans=shape[0])
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"network '{TIMM}:{name}' cannot be made ({error}), expected a name of timm.list_models()"
        ) from None
    return made


@torch.no_grad()
def width_of(network: nn.Module, shape: Sequence[int], name: str) -> int:
    """Width F of the features (N, F) that a network makes of inputs of `shape`, by a dry run in evaluation mode.

    Raises:
        InputError: it fails, or makes something else.
    """
    modes = [(module, module.training) for module in network.modules()]
    try:
        device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        made = network.eval()(torch.zeros(2, *shape, device=device))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        given = "x".join(map(str, shape))
        raise InputError(
            f"network '{name}' does not take inputs of {given} ({error}). Convert them with --size and --channels"
        ) from None
    finally:
        for module, mode in modes:
            module.training = mode
    if not isinstance(made, Tensor) or made.ndim != 2 or len(made) != 2:
        found = f"a tensor {tuple(made.shape)}" if isinstance(made, Tensor) else f"a {type(made).__name__}"
        raise InputError(
            f"network '{name}' makes {found} of two inputs, expected features (2, F). Pool and flatten at its end, and "
            "leave its classifier out"
        )
    return made.shape[1]


def load_weights(network: nn.Module, file: str | Path, name: str) -> None:
    """Load a `.safetensors` file into a network.

    Raises:
        InputError: no such file, unreadable, or its keys or shapes are not the network's.
    """
    file = Path(file)
    if not file.is_file():
        raise InputError(f"{file}: no such file, expected the weights of '{name}' as .safetensors")
    try:
        given = load_file(file)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{file}: unreadable ({error}), expected .safetensors. Write it with safetensors.torch.save_file"
        ) from None
    wanted = network.state_dict()
    shapes = [key for key in wanted if key in given and given[key].shape != wanted[key].shape]
    faults = {
        "are missing": [key for key in wanted if key not in given],
        "are unknown to the network": [key for key in given if key not in wanted],
        "differ in shape": [f"{key} {tuple(given[key].shape)} for {tuple(wanted[key].shape)}" for key in shapes],
    }
    found = [f"{_some(keys)} {what}" for what, keys in faults.items() if keys]
    if found:
        raise InputError(
            f"{file}: the weights do not fit the network '{name}': {'; '.join(found)}. Expected its own state_dict, "
            "without a classifier"
        )
    network.load_state_dict(given)


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more
