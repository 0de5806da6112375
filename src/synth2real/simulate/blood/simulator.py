"""Blood: renders a stained blood smear under a microscope, with boxes, instances, masks and counts of its cells."""

import math
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ...settings import settings
from ..base import BOXES, CHUNK, Drawn, Parameter, Simulator
from ..blobs import Pixels, front, pixels
from ..objects import instances_of
from . import cells, clutter, optics
from .layout import PLATELET, RED, WHITE, Layout, Values, place
from .parameters import PARAMETERS

Side = Annotated[int, Field(ge=16, le=2048)]
CHUNK_PIXELS = 400_000  # of all images rendered at once, so that the maps of a chunk fit in the CPU cache
VISIBLE = 0.2  # least share of a cell that is in the frame and not covered, else it has no label
DEEPEST = 4096.0  # pixels, above any distance from an outline
ABOVE = {RED: 1.0, WHITE: 1 + DEEPEST, PLATELET: 1 + 2 * DEEPEST}  # what lies above what


@settings
class Blood(Simulator):
    """A stained blood smear in bright light: red cells, white cells and platelets.

    Light is absorbed by layers after Beer and Lambert: optical densities add up. Red cells are discs with a pale
    middle, alone, overlapping, or in stacks, in sparse to dense fields. White cells are neutrophils, lymphocytes,
    monocytes, eosinophils and basophils, with lobed nuclei, granules and vacuoles. Platelets are small, rough and soft,
    alone or in clumps. The stain, lamp, lens and camera differ from image to image. Drops in red cells, dust and specks
    have no label.

    Lengths are in µm, and the width of the image spans `field` µm: a larger `size` shows the same scene in more detail.

    Labels:
        boxes (the default): `RBC`, `WBC` and `Platelets`. Cells are translucent, so a box is around the whole cell
            within the frame, also where others cover it. It leaves the space `red_margin` (`white_margin`,
            `platelet_margin`) that annotators leave. A cell of which less than a fifth is visible has none.
        mask: the regions `background`, `RBC`, `WBC` and `Platelets`.
        count: number of boxes of each class.
    Where cells overlap, a pixel belongs to the platelet, else to the white cell, else to the red cell whose outline is
    farthest.

    Limits: at most 400 red cells, 12 white cells and 80 platelets in an image.

    Args:
        size: height and width, 16 to 2048 pixels.
        channels: 3 for RGB, 1 for its luminance.
        ranges, label: as in `Simulator`.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = PARAMETERS
    classes: ClassVar[dict[str, tuple[str, ...]]] = {}
    columns: ClassVar[dict[str, tuple[str, ...]]] = {"count": ("red_cells", "white_cells", "platelets")}
    regions: ClassVar[tuple[str, ...]] = ("background", "RBC", "WBC", "Platelets")
    things: ClassVar[tuple[str, ...]] = ("RBC", "WBC", "Platelets")

    # In dense fields red cells lie in stacks and are thick.
    default_correlations: ClassVar[dict[str, float]] = {"crowding ~ stacking": 0.4, "crowding ~ pallor": -0.4}

    size: tuple[Side, Side] = (120, 160)
    channels: Literal[1, 3] = 3
    label: str | tuple[str, ...] | None = BOXES

    @property
    def chunk(self) -> int:
        return max(1, min(CHUNK, CHUNK_PIXELS // (self.size[0] * self.size[1])))

    def render(self, values: Values, generator: torch.Generator) -> Drawn:
        """See `Simulator.render`. Images are float32."""
        shape = (len(values["field"]), *self.size)
        layout = place(values, self.size, generator)
        parts = [layout.only(kind) for kind in (RED, WHITE, PLATELET)]
        found = [pixels(part.cells, self.size) for part in parts]
        light = optics.transmitted(_stained(layout, parts, found, values, shape, generator), values)
        light *= optics.lamp(values, self.size, generator)
        light = optics.seen(light, values, layout.pixel, generator)
        images = optics.photograph(light, values, self.channels, generator)
        at = _all(layout, found)
        owner = front(at, at.depth + torch.tensor([ABOVE[i] for i in range(3)])[layout.classes][at.blob], shape)
        kind = torch.cat([layout.classes, torch.tensor([-1])])[owner]  # an owner of -1 is the last one
        masks = {name: kind == i - 1 for i, name in enumerate(self.regions)}
        visible = torch.cat([_visible(layout, owner), torch.tensor([False])])
        owner = torch.where(visible[owner], owner, -1)
        corners = _corners(at, layout, values, self.size)
        instances, boxes = instances_of(owner, layout.cells.image, layout.classes, corners)
        count = torch.zeros(shape[0] * 3).index_add_(0, boxes.image * 3 + boxes.classes, torch.ones(len(boxes.classes)))
        return Drawn(images, {"count": count.view(-1, 3)}, masks, instances, boxes)


def _stained(
    layout: Layout,
    parts: list[Layout],
    found: list[Pixels],
    values: Values,
    shape: tuple[int, int, int],
    generator: torch.Generator,
) -> cells.Stains:
    """The stains in the pixels `found` of the red cells, white cells and platelets, and in what else lies there."""
    red, white, platelets = zip(parts, found, strict=True)
    stains = cells.Stains(cells.red_cells(*red, values, shape), *torch.zeros(4, *shape).unbind())
    clutter.drops(red[0], values, stains)
    cells.white_cells(*white, values, stains)
    cells.platelets(*platelets, values, stains)
    clutter.dust(layout, values, stains, generator)
    return stains


def _all(layout: Layout, found: list[Pixels]) -> Pixels:
    """The pixels of all cells, from those of each class in turn."""
    index = [(layout.classes == kind).nonzero()[:, 0] for kind in (RED, WHITE, PLATELET)]
    blob = torch.cat([of[at.blob] for of, at in zip(index, found, strict=True)])
    rest = zip(*((at.place, at.along, at.across, at.depth, at.squared) for at in found), strict=True)
    return Pixels(blob, *(torch.cat(of) for of in rest))


def _visible(layout: Layout, owner: Tensor) -> Tensor:
    """(M,) bool, whether enough of a cell is visible for a label."""
    area = math.pi * layout.cells.long * layout.cells.short
    found = torch.bincount(owner.flatten() + 1, minlength=len(area) + 1)[1:]
    return found >= VISIBLE * area


def _corners(at: Pixels, layout: Layout, values: Values, size: tuple[int, int]) -> Tensor:
    """(M, 4) left, top, right and bottom of each cell with its margin, within the frame."""
    inside = (at.depth > 0).nonzero()[:, 0]
    cell, place = at.blob[inside], at.place[inside]
    x, y = place % size[1], place // size[1] % size[0]
    ends = [
        torch.zeros(len(layout.cells), dtype=torch.int64).scatter_reduce(0, cell, of, how, include_self=False)
        for of, how in ((x, "amin"), (y, "amin"), (x + 1, "amax"), (y + 1, "amax"))
    ]
    margins = torch.stack([layout.of(values, name) for name in ("red_margin", "white_margin", "platelet_margin")], 1)
    margin = (margins.gather(1, layout.classes[:, None]) / layout.pixel[layout.cells.image][:, None]).expand(-1, 2)
    grown = torch.stack(ends, 1) + torch.cat([-margin, margin], 1)
    return torch.minimum(grown.clamp(min=0), torch.tensor([size[1], size[0]] * 2))
