"""Backgrounds: whether objects are on a ground of one colour, as renders often are and photographs seldom."""

from __future__ import annotations

import torch

from ..data.domains import Inputs, Labelled, Unlabelled, evenly, to_float
from ..data.unpadded import unpadded

PROBE = 200  # images of each domain that are looked at
EQUAL = 0.05  # largest difference, in 0..1 in any channel, of a pixel that has the colour of the border
UNIFORM, VARIED = 0.9, 0.25  # uniformity of a domain with uniform backgrounds at least, and of one without them at most


def uniformity(inputs: Inputs) -> float:
    """Share 0..1 of the pixels along the border that have the median colour of their image's border.

    It is a mean over up to 200 images. It is 1 for objects on a background of one colour, about 0.7 if they touch the
    border, and about 0.2 for photographs.

    Args:
        inputs: images (N, C, H, W), uint8 or float32 in 0..1.
    """
    x = to_float(inputs[evenly(len(inputs), PROBE)])
    border = torch.cat([x[:, :, 0], x[:, :, -1], x[:, :, :, 0], x[:, :, :, -1]], 2)
    apart = (border - border.median(2, keepdim=True).values).abs().amax(1)
    return float((apart <= EQUAL).float().mean())


def lacks_backgrounds(source: Labelled, target: Unlabelled) -> bool:
    """Whether the source shows its objects on a uniform background and the target does not."""
    return uniformity(unpadded(source).inputs) >= UNIFORM and uniformity(unpadded(target).inputs) <= VARIED
