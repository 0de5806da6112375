"""Letterboxed images without their padding, for what compares or learns images: padding is no part of a domain."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from torch import Tensor

from ..errors import InputError
from .batch_sampler import Runs
from .domains import Inputs, Labelled, Unlabelled
from .fitting import TILES, Fitting

Domain = TypeVar("Domain", bound=Labelled | Unlabelled)


class Unpadded:
    """Fitted images whose content is stretched over the whole frame when they are indexed.

    Args:
        inputs: images (N, C, H, W).
        fitting: of these images.
    """

    def __init__(self, inputs: Inputs, fitting: Fitting) -> None:
        self.inputs, self.fitting, self.shape = inputs, fitting, inputs.shape
        self.decodes: bool = getattr(inputs, "decodes", False)
        self.runs: Runs | None = getattr(inputs, "runs", None)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return self.fitting.subset(index).unpadded(self.inputs[index])


def unpadded(domain: Domain) -> Domain:
    """The domain with images without padding, as if they were loaded with `resize="stretch"`; unchanged without any."""
    fitting = domain.fitting
    if fitting is None or not fitting.padded:
        return domain
    return replace(domain, inputs=Unpadded(domain.inputs, fitting), resize="stretch")


def check_unpadded(target: Unlabelled, what: str) -> None:
    """Raise `InputError` if images of the target are padded; `what` renders images that are not."""
    fitting = target.fitting
    if fitting is not None and fitting.padded:
        height, width = fitting.sizes.amin(0).tolist() if target.resize == TILES else fitting.sizes[0].tolist()
        mend = (
            f"Take a --size of at most {height}x{width}"
            if target.resize == TILES
            else f"Take --resize crop, or a --size with the ratio of the target, such as {height}x{width}"
        )
        raise InputError(
            f"{what} renders whole images, but --resize {target.resize} has padded those of the target, so padding "
            f"would tell them apart. {mend}"
        )
