"""Domains of whole images as domains of their tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from torch import Tensor

from ...errors import InputError
from ..domains import Labelled, Unlabelled
from ..fitting import TILES
from ..labels import Boxes, Masks
from .boxes import cut_boxes
from .inputs import cut_into
from .masks import WholeMasks
from .tiling import Tiling
from .wholes import Wholes

Domain = TypeVar("Domain", Labelled, Unlabelled)


def refused(found: str) -> InputError:
    """The error for labels that do not lie in the images that are cut; the message begins with what was found."""
    return InputError(
        f"{found}, but --resize tiles (resize='tiles') cuts images, expected masks or boxes: a class, a number or a "
        "point of a whole image is not that of its tiles. Take --resize stretch, crop or letterbox"
    )


def cut(domain: Domain) -> Domain:
    """The tiles of a domain that was read with `resize="tiles"`; any other domain unchanged.

    Masks are cut with their images. Boxes are cut off at the tile, and those of which too little remains are ignored
    there, see `cut_boxes`.

    Raises:
        InputError: the labels do not lie in the images.
    """
    if domain.resize != TILES or domain.tiling is not None or not isinstance(domain.inputs, Wholes):
        return domain
    if isinstance(domain, Labelled) and not isinstance(domain.labels, Masks | Boxes):
        raise refused("the data has classes or numbers of whole images")
    assert domain.sizes is not None
    tiling = Tiling.of(domain.sizes, (domain.shape[1], domain.shape[2]), domain.names)
    changed: dict[str, Any] = {
        "inputs": cut_into(domain.inputs, tiling),
        "names": tiling.tile_names,
        "sizes": tiling.content,
        "given": None if domain.given is None else domain.given[tiling.image],
        "tiling": tiling,
    }
    if isinstance(domain, Labelled):
        changed["labels"], changed["whole"] = _labels(domain.labels, tiling)
    return replace(domain, **changed)


def _labels(labels: Masks | Boxes, tiling: Tiling) -> tuple[Masks | Boxes, WholeMasks | Boxes]:
    """The labels of the tiles, and those of the images."""
    if isinstance(labels, Boxes):
        return cut_boxes(labels, tiling), labels
    assert isinstance(labels.index, Wholes)
    return Masks(cut_into(labels.index, tiling)), WholeMasks(labels.index)


def as_samples(domain: Domain) -> Domain:
    """The domain whose tiles are images of their own: predictions and scores are then those of each tile."""
    if isinstance(domain, Labelled):
        return replace(domain, tiling=None, whole=None)
    return replace(domain, tiling=None)


def images_of(domain: Labelled | Unlabelled) -> Tensor | None:
    """(N,) int64, the image of each tile, which are groups of dependent samples; None if images are not cut."""
    return None if domain.tiling is None else domain.tiling.image


def count_of(domain: Labelled | Unlabelled) -> int:
    """Number of images, or of other samples."""
    return len(domain) if domain.tiling is None else len(domain.tiling.sizes)


def names_of(domain: Labelled | Unlabelled) -> Sequence[str]:
    """Names of the images, or of other samples."""
    return domain.names if domain.tiling is None else domain.tiling.names
