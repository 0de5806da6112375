"""Feature extractors by name, with their weights and width: built-in, a user class, timm or transformers."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .layers import FOR_FEATURES, NETWORKS, Norm
from .weights import read_tensors

TIMM, TRANSFORMERS = "timm", "transformers"
KINDS = (
    f"one of: {', '.join(NETWORKS)}, or module:Class (your own nn.Module), or {TIMM}:NAME, such as {TIMM}:resnet18, "
    f"or {TRANSFORMERS}:NAME, such as {TRANSFORMERS}:google/vit-base-patch16-224, or {TRANSFORMERS}:FOLDER"
)
SHOWN = 3  # keys listed in a message


class Pooled(nn.Module):
    """A vision model of transformers. Its features (N, F) are the pooled output, or else the mean of the last maps."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        found = self.network(pixel_values=x)
        pooled: Tensor | None = getattr(found, "pooler_output", None)
        if pooled is None:
            hidden: Tensor = found.last_hidden_state
            pooled = hidden.mean(1) if hidden.ndim == 3 else hidden.mean((2, 3))
        return pooled.flatten(1)


class Frozen(nn.Module):
    """A network that is not trained. It gets no gradient, and it stays in evaluation mode."""

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
    """Build the feature extractor `name` for inputs of one shape, with new weights.

    Args:
        name: one of four forms:
            - a key of `networks.NETWORKS`;
            - `module:Class`, a class that Python can import. It is called with `shape` if it has an argument of that
              name, and else without arguments;
            - `timm:NAME`, which needs `pip install synth2real[timm]`;
            - `transformers:NAME`, which needs `synth2real[transformers]`. NAME is a local folder with a `config.json`,
              or a name on the hub; only the configuration is downloaded. The keys of its weights begin with `network.`.
        shape: (C, H, W) of an image or (F,) of a feature vector.
        spatial: keep positions in the image (the library's own networks only).
        norm: normalisation between the layers (the library's own networks only).

    Raises:
        InputError: the network, module, class or package does not exist, the class is not an `nn.Module`, or the
            network does not take inputs of this shape.
    """
    if name in NETWORKS:
        if (len(shape) == 3) == (name in FOR_FEATURES):
            takes, kind, other = (
                ("feature vectors (F,)", "images", "convolutional")
                if len(shape) == 3
                else ("images (C, H, W)", "feature vectors", "perceptron")
            )
            raise InputError(
                f"network '{name}' does not take inputs of shape {tuple(shape)}, expected {takes}. "
                f"For {kind} choose --network {other}"
            )
        return NETWORKS[name](shape, spatial=spatial, norm=norm)
    kind, colon, rest = name.partition(":")
    if colon and kind in (TIMM, TRANSFORMERS) and len(shape) != 3:
        raise InputError(f"network '{name}' takes images, found features of shape {tuple(shape)}")
    check_name(name)
    if kind in (TIMM, TRANSFORMERS):
        return (_timm if kind == TIMM else _transformers)(rest, shape[0])
    return _call(name, _class(name, kind, rest), shape)


def check_name(name: str) -> None:
    """Raise `InputError` if no network, class or package has this name; the shape of the inputs need not be known."""
    kind, colon, rest = name.partition(":")
    if name in NETWORKS:
        return
    if not colon:
        raise InputError(f"network '{name}' is unknown, expected {KINDS}")
    if kind in (TIMM, TRANSFORMERS):
        _package(kind, rest)
    else:
        _class(name, kind, rest)


def _class(name: str, module: str, attribute: str) -> type[nn.Module]:
    try:
        found: Any = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise InputError(
            f"network '{name}': Python cannot import '{module}' ({error}), expected module:Class. Run in the folder "
            "of the module, or add that folder to PYTHONPATH"
        ) from None
    if found is None:
        raise InputError(
            f"network '{name}': the module '{module}' has no '{attribute}', expected the name of a class in it"
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
            f"network '{name}' cannot be built ({error}), expected a class that is called with `shape` only, or "
            "without arguments. Give every other argument a default"
        ) from None


def _package(package: str, name: str) -> Any:
    try:
        return importlib.import_module(package)
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision was built for another torch
        raise InputError(
            f"network '{package}:{name}' needs the package {package}, which cannot be imported ({error}). "
            f"Install it: pip install 'synth2real[{package}]'"
        ) from None


def _timm(name: str, channels: int) -> nn.Module:
    timm = _package(TIMM, name)
    try:
        made: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, in_chans=channels)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"network '{TIMM}:{name}' cannot be built ({error}), expected a name from timm.list_models()"
        ) from None
    return made


def _transformers(name: str, channels: int) -> nn.Module:
    transformers = _package(TRANSFORMERS, name)
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        config.num_channels = channels
        return Pooled(transformers.AutoModel.from_config(config))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        first = str(error).strip().partition("\n")[0]
        raise InputError(
            f"network '{TRANSFORMERS}:{name}' cannot be built ({first}), expected a folder with the config.json of a "
            "vision model, as save_pretrained writes it, or the name of a vision model on the hub. The hub needs a "
            "network connection"
        ) from None


@torch.no_grad()
def width_of(network: nn.Module, shape: Sequence[int], name: str) -> int:
    """Width F of the features (N, F) that a network computes from inputs of `shape`.

    The function runs the network once on zeros, in evaluation mode.

    Raises:
        InputError: the network fails, or its output is not a tensor (N, F).
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
            f"network '{name}' returns {found} for two inputs, expected features (2, F). Pool and flatten at its end, "
            "and remove its classifier"
        )
    return made.shape[1]


def load_weights(network: nn.Module, file: str | Path, name: str) -> None:
    """Load a `.safetensors` file into a network.

    Raises:
        InputError: the file is missing or unreadable, or its keys or shapes are not those of the network.
    """
    file = Path(file)
    if not file.is_file():
        raise InputError(f"{file}: no such file, expected the weights of '{name}' as .safetensors")
    given = read_tensors(file, ".safetensors. Write it with safetensors.torch.save_file")
    expected = network.state_dict()
    shapes = [key for key in expected if key in given and given[key].shape != expected[key].shape]
    faults = {
        "are missing": [key for key in expected if key not in given],
        "are not in the network": [key for key in given if key not in expected],
        "differ in shape": [
            f"{key} {tuple(given[key].shape)} instead of {tuple(expected[key].shape)}" for key in shapes
        ],
    }
    found = [f"{_some(keys)} {what}" for what, keys in faults.items() if keys]
    if found:
        raise InputError(
            f"{file}: the weights do not fit the network '{name}': {'; '.join(found)}. Expected the state_dict of "
            "this network, without a classifier"
        )
    network.load_state_dict(given)


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more
