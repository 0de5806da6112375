"""Feature extractors by name, with their weights and width: built-in, a user class, timm or transformers."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..plugins import Registry, absent, subclass_of
from .dense import PYRAMID, HiddenMaps, SmallEncoder, TimmMaps
from .detectors import KINDS as DETECTORS
from .detectors import DetectorMaps, WholeDetector, adjusted, is_detector
from .efficientnet_lite import EfficientNetLite0
from .layers import FOR_FEATURES, NETWORKS, Norm
from .pretrained import COLOURS, DETR, LITE, TIMM, TRANSFORMERS, package
from .weights import read_tensors

# The library's own networks, and those of installed packages.
NAMED: Registry[Callable[..., nn.Module]] = Registry(
    "networks",
    NETWORKS,
    subclass_of(nn.Module),
    "a class that derives from torch.nn.Module",
    reserved=(LITE, TIMM, TRANSFORMERS, DETR),
)
KINDS = (
    f"or module:Class (your own nn.Module), or {TIMM}:NAME, such as {TIMM}:resnet18, or {TRANSFORMERS}:NAME, such as "
    f"{TRANSFORMERS}:facebook/dinov2-small, or {TRANSFORMERS}:FOLDER, or {DETR}:NAME"
)
SHOWN = 3  # keys listed in a message


class Pooled(nn.Module):
    """A vision model of transformers. Its features (N, F) are the pooled output, or else the mean of the last maps.

    With pretrained weights, a pooler that is a layer of its own (ViT) is left out for the class token before it: most
    checkpoints lack its weights. Images of other sizes are then taken, too, if the model can interpolate its positions.
    """

    def __init__(self, network: nn.Module, pretrained: bool = False) -> None:
        super().__init__()
        self.first = pretrained and hasattr(getattr(network, "pooler", None), "dense")
        if self.first:
            network.pooler = None  # type: ignore[assignment]
        self.network = network
        takes = inspect.signature(network.forward).parameters
        self.how = {key: True for key in ("interpolate_pos_encoding",) if pretrained and key in takes}

    @property
    def config(self) -> dict[str, Any]:
        """The architecture, as plain data."""
        plain: dict[str, Any] = json.loads(self.network.config.to_json_string())  # type: ignore[operator,union-attr]
        return plain

    def forward(self, x: Tensor) -> Tensor:
        found = self.network(pixel_values=x, **self.how)
        pooled: Tensor | None = getattr(found, "pooler_output", None)
        if pooled is None:
            hidden: Tensor = found.last_hidden_state
            pooled = hidden[:, 0] if self.first else hidden.mean(1) if hidden.ndim == 3 else hidden.mean((2, 3))
        return pooled.flatten(1)


def build_network(
    name: str,
    shape: Sequence[int],
    spatial: bool = False,
    norm: Norm = "group",
    pretrained: bool = False,
    config: Mapping[str, Any] | None = None,
    dense: bool = False,
) -> nn.Module:
    """Build the feature extractor `name` for inputs of one shape, with new weights.

    Args:
        name: one of seven forms:
            - a key of `networks.NETWORKS`;
            - the name of a network of an installed package (entry points `synth2real.networks`), called as
              `module:Class` is;
            - `efficientnet-lite0`;
            - `module:Class`, a class that Python can import. It is called with `shape` if it has an argument of that
              name, and else without arguments;
            - `timm:NAME`, which needs `pip install synth2real[timm]`;
            - `transformers:NAME`, which needs `synth2real[transformers]`. NAME is a local folder with a `config.json`,
              or a name on the hub; only the configuration is downloaded. The keys of its weights begin with `network.`.
            - `transformers-detr:NAME`, a detector with its decoder, see `detectors.WholeDetector`; for boxes only.
        shape: (C, H, W) of an image or (F,) of a feature vector, as the network takes it, see `channels_of`.
        spatial: keep positions in the image (the library's own networks only).
        norm: normalisation between the layers (the library's own networks only).
        pretrained: build it for pretrained weights, which are loaded afterwards, see `Pooled`.
        config: configuration of a model of transformers, which is then not read by its name.
        dense: build a network of maps: `pyramid`, or one with `maps` (`dense.Encoder`), or a class of the user that
            returns (N, F, h, w).

    Raises:
        InputError: the network, module, class or package does not exist, the class is not an `nn.Module`, or the
            network does not take inputs of this shape.
    """
    _check_maps(name, dense)
    _check_shape(name, shape)
    if name == PYRAMID:
        return SmallEncoder(shape, norm)
    if name in NETWORKS:
        return NETWORKS[name](shape, spatial=spatial, norm=norm)
    if name == LITE:
        return EfficientNetLite0()
    return _foreign(name, shape, pretrained, config, dense)


def _foreign(
    name: str, shape: Sequence[int], pretrained: bool, config: Mapping[str, Any] | None, dense: bool
) -> nn.Module:
    """A network of an installed package, of the user, of timm or of transformers."""
    check_name(name)
    kind, colon, rest = name.partition(":")
    if not colon:
        return _call(name, NAMED[name], shape)
    if kind == TIMM:
        return _timm(rest, shape[0], dense)
    if kind in (TRANSFORMERS, DETR):
        return _transformers(name, shape[0], config, dense, pretrained)
    return _call(name, _class(name, kind, rest), shape)


def _check_maps(name: str, dense: bool) -> None:
    """Raise `InputError` if a network of the library has vectors of features and maps are needed, or the reverse."""
    if dense and name in NETWORKS:
        raise InputError(
            f"network '{name}' has vectors of features, expected one with maps: {PYRAMID}, {LITE}, {TIMM}:NAME, "
            f"{TRANSFORMERS}:NAME or your own module:Class"
        )
    if name == PYRAMID and not dense:
        raise InputError(
            f"network '{PYRAMID}' has maps of features, for masks and boxes, expected one of: {', '.join(NETWORKS)}"
        )


def _check_shape(name: str, shape: Sequence[int]) -> None:
    """Raise `InputError` if a network takes features and the inputs are images, or the reverse."""
    if len(shape) != 3 and (name == LITE or name.startswith((f"{TIMM}:", f"{TRANSFORMERS}:", f"{DETR}:"))):
        raise InputError(f"network '{name}' takes images, found features of shape {tuple(shape)}")
    if name not in NETWORKS or (len(shape) == 3) != (name in FOR_FEATURES):
        return
    takes, kind, other = (
        ("feature vectors (F,)", "images", "convolutional")
        if len(shape) == 3
        else ("images (C, H, W)", "feature vectors", "perceptron")
    )
    raise InputError(
        f"network '{name}' does not take inputs of shape {tuple(shape)}, expected {takes}. "
        f"For {kind} choose --network {other}"
    )


def channels_of(name: str, channels: int, pretrained: bool) -> int:
    """Channels that a network takes for images of `channels` channels.

    A network of three channels takes grey images, too: their channel is repeated.

    Raises:
        InputError: it takes three, and the images have neither one nor three.
    """
    if not pretrained and name != LITE:
        return channels
    if channels not in (1, COLOURS):
        raise InputError(
            f"network '{name}' takes images of 1 or {COLOURS} channels, found {channels}. Convert them on load: "
            f"--channels {COLOURS}"
        )
    return COLOURS


def check_name(name: str) -> None:
    """Raise `InputError` if no network, class or package has this name; the shape of the inputs need not be known."""
    kind, colon, rest = name.partition(":")
    if name in NAMED or name == LITE:
        return
    if not colon:
        raise InputError(f"network '{name}' is unknown, expected one of: {', '.join([*NAMED, LITE])}, {KINDS}")
    if kind in (TIMM, TRANSFORMERS, DETR):
        package(TIMM if kind == TIMM else TRANSFORMERS, rest)
    else:
        _class(name, kind, rest)


def check_installed(name: str, package: str | None) -> None:
    """Raise `InputError` if a saved network is of a package with plugins that is not installed."""
    if package is not None and ":" not in name and name not in NAMED:
        raise InputError(absent("network", name, package))


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


def _call(name: str, kind: Callable[..., nn.Module], shape: Sequence[int]) -> nn.Module:
    takes = "shape" in inspect.signature(kind).parameters
    try:
        return kind(shape=tuple(shape)) if takes else kind()
    except TypeError as error:
        raise InputError(
            f"network '{name}' cannot be built ({error}), expected a class that is called with `shape` only, or "
            "without arguments. Give every other argument a default"
        ) from None


def _timm(name: str, channels: int, dense: bool) -> nn.Module:
    timm = package(TIMM, name)
    how: dict[str, Any] = {"features_only": True} if dense else {"num_classes": 0}
    try:
        made: nn.Module = timm.create_model(name, pretrained=False, in_chans=channels, **how)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"network '{TIMM}:{name}' cannot be built ({error}), expected a name from timm.list_models()"
        ) from None
    return TimmMaps(made) if dense else made


def _transformers(
    name: str, channels: int, config: Mapping[str, Any] | None, dense: bool, pretrained: bool
) -> nn.Module:
    kind, _, where = name.partition(":")
    transformers = package(TRANSFORMERS, where)
    try:
        if config is None:
            known = transformers.AutoConfig.from_pretrained(where, trust_remote_code=False)
            known = adjusted(known, channels) if is_detector(known) else known
            known.num_channels = channels
        else:
            known = transformers.AutoConfig.for_model(**config)
        made: nn.Module = transformers.AutoModel.from_config(known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        first = str(error).strip().partition("\n")[0]
        raise InputError(
            f"network '{name}' cannot be built ({first}), expected a folder with the config.json of a vision model, as "
            "save_pretrained writes it, or the name of a vision model on the hub. The hub needs a network connection"
        ) from None
    if is_detector(known):
        return _detector(name, made, dense)
    if kind == DETR:
        raise InputError(
            f"network '{name}' is no detector with a decoder that is known ({known.model_type}), expected one of: "
            f"{', '.join(DETECTORS)}. As an encoder: --network {TRANSFORMERS}:{where}"
        )
    return HiddenMaps(made) if dense else Pooled(made, pretrained)


def _detector(name: str, made: nn.Module, dense: bool) -> nn.Module:
    if not dense:
        raise InputError(
            f"network '{name}' is a detector, whose maps serve masks and boxes, expected a network of features of "
            "whole images, such as transformers:facebook/dinov2-small"
        )
    return WholeDetector(made) if name.startswith(f"{DETR}:") else DetectorMaps(made)


@torch.no_grad()
def width_of(network: nn.Module, shape: Sequence[int], name: str, dense: bool = False) -> int:
    """Width F of the features (N, F), or maps of features (N, F, h, w), that a network computes from inputs of `shape`.

    The function runs the network once on zeros, in evaluation mode.

    Raises:
        InputError: the network fails, or its output is not a tensor (N, F), or (N, F, h, w) if it is `dense`.
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
    axes = 4 if dense else 2
    if not isinstance(made, Tensor) or made.ndim != axes or len(made) != 2:
        found = f"a tensor {tuple(made.shape)}" if isinstance(made, Tensor) else f"a {type(made).__name__}"
        expected = (
            "maps of features (2, F, h, w). Remove its last layer, of the classes"
            if dense
            else "features (2, F). Pool and flatten at its end, and remove its classifier"
        )
        raise InputError(f"network '{name}' returns {found} for two inputs, expected {expected}")
    return made.shape[1]


def load_weights(network: nn.Module, given: Mapping[str, Tensor], what: str, name: str) -> list[str]:
    """Load the weights whose names and shapes fit into a network, and leave all others.

    Args:
        network: the feature extractor.
        given: weights by name.
        what: what the messages call them.
        name: what the messages call the network.

    Returns:
        a sentence that names what was left out, or nothing.

    Raises:
        InputError: no weight fits.
    """
    expected = network.state_dict()
    fitting = {key: value for key, value in given.items() if key in expected and value.shape == expected[key].shape}
    faults = {
        "are missing": [key for key in expected if key not in given],
        "are not in the network": [key for key in given if key not in expected],
        "differ in shape": [
            f"{key} {tuple(given[key].shape)} instead of {tuple(expected[key].shape)}"
            for key in expected
            if key in given and key not in fitting
        ],
    }
    found = "; ".join(f"{_some(keys)} {fault}" for fault, keys in faults.items() if keys)
    if not fitting:
        raise InputError(
            f"{what}: no weight fits the network '{name}': {found or 'there is none'}. Expected the state_dict of this "
            "network, without a classifier"
        )
    network.load_state_dict(fitting, strict=False)
    return [f"{what}: {len(fitting)} weights are loaded into '{name}', not all: {found}"] if found else []


def read_weights(file: str | Path, name: str) -> dict[str, Tensor]:
    """The weights in a `.safetensors` file for the network `name`.

    Raises:
        InputError: the file is missing or unreadable.
    """
    file = Path(file)
    if not file.is_file():
        raise InputError(f"{file}: no such file, expected the weights of '{name}' as .safetensors")
    return read_tensors(file, ".safetensors. Write it with safetensors.torch.save_file")


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more
