"""Nuclei: renders nuclei in fluorescence microscopy, with their mask, instances, boxes, count and cover."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...data.masks import MASK
from ...settings import settings
from ..base import CHUNK, Drawn, Parameter, Simulator
from ..blobs import Pixels, front, noise_at, pixels, rising, summed
from ..objects import instances_of
from ..scene.camera import blur
from ..scene.fields import vignette
from . import surroundings
from .layout import Layout, Values, place
from .parameters import PARAMETERS

Side = Annotated[int, Field(ge=16, le=2048)]
CHUNK_PIXELS = 400_000  # of all images rendered at once, so that the maps of a chunk fit in the CPU cache
FULL = 255  # grey level at which the camera is saturated
RIM = 0.35  # width of the bright rim, per short semi-axis


@settings
class Nuclei(Simulator):
    """Stained nuclei in a fluorescence microscope: light on dark, from almost black to saturated images.

    A nucleus is an ellipse, bent and lobed, alone or in a clump of others that touch and overlap. Light adds up where
    they overlap. Its chromatin is smooth, grained or spotted. Some nuclei are condensed (mitotic or apoptotic): small
    and bright. Other light has no label: nuclei far out of focus, the cells around nuclei and their processes, fibres,
    specks, bubbles, glow and stray light. The camera adds photon noise and read noise to a dark level.

    Lengths are in µm, and the width of the image spans `field` µm: a larger `size` shows the same scene in more detail.

    Labels:
        mask (the default): the regions `background` and `nucleus`.
        boxes: one `nucleus` around the visible pixels of each.
        count, cover: number of visible nuclei, and share of the image that they cover.
    The outline of a nucleus lies where its light has half its height. Where nuclei overlap, a pixel belongs to the one
    with the most light.

    Limits: at most 300 nuclei in an image. The noise of photons is normal with the variance of a Poisson distribution.
    With 3 channels all are equal.

    Args:
        size: height and width, 16 to 2048 pixels.
        channels, ranges, label: as in `Simulator`.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = PARAMETERS
    classes: ClassVar[dict[str, tuple[str, ...]]] = {}
    columns: ClassVar[dict[str, tuple[str, ...]]] = {"count": ("count",), "cover": ("cover",)}
    regions: ClassVar[tuple[str, ...]] = ("background", "nucleus")
    things: ClassVar[tuple[str, ...]] = ("nucleus",)

    # Where the field is wide and nuclei are small, they fill less of it. Round cells are thick, spread ones are flat.
    default_correlations: ClassVar[dict[str, float]] = {"crowding ~ field": -0.4, "dome ~ elongation": -0.6}

    size: tuple[Side, Side] = (128, 128)
    label: str | tuple[str, ...] | None = MASK

    @property
    def chunk(self) -> int:
        return max(1, min(CHUNK, CHUNK_PIXELS // (self.size[0] * self.size[1])))

    def render(self, values: Values, generator: torch.Generator) -> Drawn:
        """See `Simulator.render`. Images are float32."""
        n = len(values["field"])
        layout = place(values, self.size, generator)
        at = pixels(layout.nuclei, self.size)
        plain = _plain(at, layout, values)
        light = summed(plain * _chromatin(at, layout, values), at.place, (n, *self.size))
        light += surroundings.soft(layout, values, self.size, generator)
        light += surroundings.small(layout, values, self.size, generator)
        light = surroundings.stray(light, layout, values)
        light += surroundings.glow(values, self.size, generator)
        light *= vignette(values["vignette"], self.size, generator)
        images = self._photograph(blur(light[:, None], values["blur"] / layout.pixel), values, generator)
        owner = front(at, plain, (n, *self.size))
        instances, boxes = instances_of(owner, layout.nuclei.image, torch.zeros(len(layout.nuclei), dtype=torch.int64))
        nucleus = instances > 0
        labels = {"count": boxes.counts[:, None].float(), "cover": nucleus.float().mean((1, 2))[:, None]}
        return Drawn(images, labels, {"background": ~nucleus, "nucleus": nucleus}, instances, boxes)

    def _photograph(self, light: Tensor, values: Values, generator: torch.Generator) -> Tensor:
        """Images (N, C, H, W) in 0..1 from the light (N, 1, H, W) in grey levels."""
        photons, read, dark = (values[name][:, None, None, None] for name in ("photons", "read_noise", "dark"))
        deviation = (light / photons + read.square()).sqrt_()
        noise = torch.randn(light.shape, generator=generator)
        images = light.addcmul_(noise, deviation).add_(dark).div_(FULL).clamp_(0, 1)
        return images.expand(-1, self.channels, -1, -1)


def _plain(at: Pixels, layout: Layout, values: Values) -> Tensor:
    """Light (P,) of each nucleus in each pixel of its box, of the mean of its chromatin."""
    nuclei, blob = layout.nuclei, at.blob
    light = rising(at.depth, nuclei.edge[blob]).mul_(nuclei.light[blob])
    return light.mul_((1 - at.squared * values["dome"][nuclei.image][blob]).clamp_(0, 1))


def _chromatin(at: Pixels, layout: Layout, values: Values) -> Tensor:
    """Factor (P,) on the light of each nucleus: grains, spots, nucleoli and a rim."""
    nuclei = layout.nuclei
    offset = (layout.chance["chromatin"].T * 64).contiguous()
    of = {name: values[name][nuclei.image] for name in ("texture", "spots", "nucleoli", "grain", "spot", "rim")}
    plain = layout.condensed
    texture, spots, nucleoli = (of[name].masked_fill(plain, 0) for name in ("texture", "spots", "nucleoli"))
    pixel = layout.pixel[nuclei.image]
    fine, coarse = pixel / of["grain"], pixel / of["spot"]
    texture = texture / fine.clamp(min=1)  # a pixel sees the mean of grains that are smaller than itself
    blob = at.blob

    def noise(scale: Tensor, first: int) -> Tensor:
        per = scale[blob]
        return noise_at(at.along * per + offset[first][blob], at.across * per + offset[first + 1][blob])

    factor = noise(fine, 0).mul_(texture[blob]).add_(1)
    spot = noise(coarse, 2)
    factor += (spot - 0.8).clamp_(min=0).mul_(spots[blob])
    factor -= (-1.6 * spot - 1.2).clamp_(0, 1).mul_(nucleoli[blob])
    factor += (1 - at.depth / (RIM * nuclei.short)[blob]).clamp_(0, 1).mul_(of["rim"][blob])
    return factor.clamp_(min=0.1)
