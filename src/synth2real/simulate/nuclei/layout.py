"""Layout: how many nuclei lie in each image, where, and of which size and shape.

An image has `MOST` slots, each with its own random values, and the first ones are taken. So the nuclei of an image are
the same, whatever number of them the others have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..blobs import Blobs, apart
from ..distributions import Range
from ..scene.fields import draw

MOST = 300  # nuclei in an image
CHANCES = {"place": 2, "shape": 8, "chromatin": 4, "body": 3, "process": 6}  # random values of a nucleus, by their use
SHRUNK, BRIGHTER = (0.35, 0.7), (1.3, 3.0)  # diameter and light of condensed nuclei, per those of others
THREE = 0.6  # share of the waves that are three around the outline; the others are four

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """The nuclei of N images.

    Args:
        nuclei: as blobs, light in grey levels.
        condensed: (M,) bool, mitotic or apoptotic.
        direction: (N,) radians, in which the long axes of an image lie if they are aligned.
        pixel: (N,) µm, size of a pixel.
        chance: for each use in `CHANCES` (M, K) further random values of each nucleus, uniform in 0..1.
    """

    nuclei: Blobs
    condensed: Tensor
    direction: Tensor
    pixel: Tensor
    chance: dict[str, Tensor]


def place(values: Values, size: tuple[int, int], generator: torch.Generator) -> Layout:
    """Sample the nuclei of N images of `size` (H, W); `values` as in `Simulator.render`."""
    n = len(values["field"])
    pixel = values["field"] / size[1]
    diameter = values["diameter"] / pixel
    direction, some = draw((2, n), generator) * torch.tensor([[math.pi], [1.0]])
    uniform, normal = draw((n, MOST, sum(CHANCES.values())), generator), torch.randn((n, MOST, 5), generator=generator)
    count = _count(values, diameter, size, some)
    taken = torch.arange(MOST) < count[:, None]
    image = taken.nonzero()[:, 0]
    of = {name: value[image] for name, value in values.items()}
    x, y = _positions(values, diameter, count, size, uniform, normal)[taken].T.contiguous()
    chance = dict(zip(CHANCES, uniform[taken].split(list(CHANCES.values()), 1), strict=True))
    turned, condenses, small, bright, bent, waving, three, four = chance["shape"].T
    _, _, sized, elongated, shone = normal[taken].clamp(-2.5, 2.5).T

    condensed = condenses < of["condensed"]
    shrunk = torch.where(condensed, _between(SHRUNK, small), 1.0)
    brighter = torch.where(condensed, _between(BRIGHTER, bright), 1.0)
    radius = diameter[image] / 2 * (of["size_spread"] * sized).exp() * shrunk
    ratio = (of["elongation"] * (of["elongation_spread"] * elongated).exp()).clamp(1, 6).sqrt()
    wave = of["lobes"] * waving / math.sqrt(2)
    waves = torch.stack(
        [
            wave * part * f(angle * 2 * math.pi)
            for part, angle in ((THREE, three), (1 - THREE, four))
            for f in (torch.cos, torch.sin)
        ],
        1,
    )
    nuclei = Blobs(
        image,
        x,
        y,
        radius * ratio,
        radius / ratio,
        angle=direction[image] + (1 - of["alignment"]) * math.pi * (turned - 0.5),
        edge=1 + of["defocus"] / pixel[image],
        light=of["brightness"] * (of["brightness_spread"] * shone).exp() * brighter,
        bend=of["bend"] * (2 * bent - 1),
        waves=waves,
    )
    return Layout(apart(nuclei, of["overlap"], count), condensed, direction, pixel, chance)


def _between(range_: Range, share: Tensor) -> Tensor:
    return range_[0] + (range_[1] - range_[0]) * share


def _count(values: Values, diameter: Tensor, size: tuple[int, int], some: Tensor) -> Tensor:
    """(N,) number of nuclei. Their mean area is that of log-normal diameters; some lie beyond the frame."""
    area = math.pi / 4 * diameter.square() * (2 * values["size_spread"].square()).exp()
    space = (size[0] + diameter) * (size[1] + diameter)
    return (values["crowding"] * space / area + some).floor().clamp(max=MOST) * (values["crowding"] > 0)


def _positions(
    values: Values, diameter: Tensor, count: Tensor, size: tuple[int, int], uniform: Tensor, normal: Tensor
) -> Tensor:
    """(N, MOST, 2) x and y in pixels: anywhere up to a radius beyond the frame, or in a clump."""
    frame, margin = torch.tensor([size[1], size[0]]), diameter[:, None, None]
    alone = uniform[:, :, :2] * (frame + margin) - margin / 2 - 0.5
    member = torch.arange(MOST) < (count * values["clumping"])[:, None]
    clump = (torch.arange(MOST) / values["clump"][:, None]).long()  # neighbours in the list, about a slot's own place
    centre = alone.gather(1, clump[:, :, None].expand_as(alone))
    spread = 0.5 * diameter * values["clump"].sqrt()
    return torch.where(member[:, :, None], centre + spread[:, None, None] * normal[:, :, :2], alone)
