"""Layout: how many cells lie in each image, where, and of which size and shape.

An image has slots for red cells, for white cells and for platelets, each with its own random values, and the first ones
of each are taken. So the cells of an image are the same, whatever number of them the others have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..blobs import Blobs, apart
from ..scene.fields import draw

RED, WHITE, PLATELET = range(3)  # classes, in the order of `Blood.things`
SLOTS = (400, 12, 80)  # most in an image
OF_SLOT = torch.repeat_interleave(torch.arange(3), torch.tensor(SLOTS))
CHANCES = {"place": 4, "shape": 8, "kind": 3, "stain": 6, "nucleus": 8, "drop": 8}  # random values of a cell
CLUMP, CLUMP_STEP = 7, 0.9  # platelets in a clump, and their distance in diameters
PLATELET_OVERLAP = 0.1  # how far platelets may lie in cells and each other
TURN = 2 * math.pi

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Kind:
    """A kind of white cells. Sizes are per radius of the cell; stains per density of a nucleus.

    Args:
        share: of all white cells.
        diameter: lowest and highest, µm.
        lobes: fewest and most, and their size, distance from the centre of the ring, and angle between neighbours.
        shift: of the centre of the ring from that of the cell.
        violet, blue, eosin: stain of the cytoplasm.
        grain: µm, size of its granules.
        grained: contrast of its granules.
        outline: largest deviation of its outline from an ellipse.
        dark: density of its nucleus.
    """

    share: float
    diameter: tuple[float, float]
    lobes: tuple[int, int]
    lobe: float
    ring: float
    turn: float
    shift: float
    violet: float
    blue: float
    eosin: float
    grain: float
    grained: float
    outline: float
    dark: float


KINDS = {
    "neutrophil": Kind(0.42, (11, 16), (3, 5), 0.33, 0.42, 1.25, 0.10, 0.15, 0.02, 0.04, 0.7, 0.4, 0.07, 1.0),
    "lymphocyte": Kind(0.24, (7.5, 12), (1, 1), 0.86, 0.0, 0.0, 0.06, 0.06, 0.35, 0.0, 1.0, 0.1, 0.08, 1.2),
    "monocyte": Kind(0.12, (13, 19), (2, 4), 0.47, 0.30, 1.1, 0.18, 0.08, 0.24, 0.0, 1.4, 0.6, 0.16, 0.75),
    "eosinophil": Kind(0.14, (12, 18), (2, 3), 0.42, 0.45, 1.5, 0.22, 0.05, 0.0, 0.55, 0.8, 0.9, 0.08, 0.85),
    "basophil": Kind(0.08, (9, 14), (2, 3), 0.5, 0.25, 2.0, 0.08, 0.5, 0.03, 0.15, 0.9, 0.9, 0.16, 0.8),
}
SHARES = torch.tensor([kind.share for kind in KINDS.values()]).cumsum(0)


def of_kind(name: str, kind: Tensor) -> Tensor:
    """A number of the table of kinds for each cell of kinds (M,) int64."""
    return torch.tensor([float(getattr(one, name)) for one in KINDS.values()])[kind]


def between_of_kind(name: str, kind: Tensor, share: Tensor) -> Tensor:
    """A number between the lowest and the highest of a cell's kind."""
    low, high = torch.tensor([tuple(map(float, getattr(one, name))) for one in KINDS.values()])[kind].unbind(1)
    return low + (high - low) * share


@dataclass(frozen=True)
class Layout:
    """The cells of N images.

    Args:
        cells: M cells as blobs, light is the optical density.
        classes: (M,) int64: `RED`, `WHITE` or `PLATELET`.
        kind: (M,) int64, of white cells: index in `KINDS`.
        pixel: (N,) µm, size of a pixel.
        chance: for each use in `CHANCES` (M, K) further random values of each cell, uniform in 0..1.
    """

    cells: Blobs
    classes: Tensor
    kind: Tensor
    pixel: Tensor
    chance: dict[str, Tensor]

    def only(self, classes: int) -> Layout:
        """The cells of one class."""
        at = self.classes == classes
        chance = {name: values[at] for name, values in self.chance.items()}
        return Layout(self.cells[at], self.classes[at], self.kind[at], self.pixel, chance)

    def of(self, values: Values, name: str) -> Tensor:
        """(M,) the value of a parameter for each cell."""
        return values[name][self.cells.image]


def place(values: Values, size: tuple[int, int], generator: torch.Generator) -> Layout:
    """Sample the cells of N images of `size` (H, W); `values` as in `Simulator.render`."""
    n = len(values["field"])
    pixel = values["field"] / size[1]
    some = draw((n, 3), generator)
    uniform, normal = (
        draw((n, sum(SLOTS), sum(CHANCES.values())), generator),
        torch.randn((n, sum(SLOTS), 5), generator=generator),
    )
    normal = normal.clamp_(-2.5, 2.5)
    counts = _counts(values, size, pixel, some)
    taken = torch.cat([torch.arange(most) < count[:, None] for most, count in zip(SLOTS, counts, strict=True)], 1)
    image, slot = taken.nonzero().unbind(1)
    chance = dict(zip(CHANCES, uniform[taken].split(list(CHANCES.values()), 1), strict=True))
    classes, kind = OF_SLOT[slot], torch.bucketize(chance["kind"][:, 0].contiguous(), SHARES).clamp(max=len(KINDS) - 1)
    of = {name: value[image] for name, value in values.items()}
    x, y = (_positions(values, size, pixel, counts, uniform, normal)[taken] / pixel[image, None]).unbind(1)
    long, short, waves = _shapes(of, classes, kind, chance, normal[taken], pixel[image])
    edge = torch.where(classes == PLATELET, 1 + of["platelet_softness"] * short, 1.2)
    density = _densities(of, classes, kind, normal[taken][:, 4], chance["stain"])
    cells = Blobs(
        image, x - 0.5, y - 0.5, long, short, TURN * chance["shape"][:, 0], edge, density,
        bend=0.35 * (2 * chance["shape"][:, 1] - 1) * (of["unevenness"] / 0.2).clamp(max=1), waves=waves,
    )  # fmt: skip
    stacked = (classes == RED) & (slot < (values["stacking"] * counts[0])[image])
    overlap = torch.where(stacked, 1 - of["step"], of["overlap"])
    overlap = torch.where(classes == WHITE, 0.5 * of["overlap"], overlap)
    overlap = torch.where(classes == PLATELET, PLATELET_OVERLAP, overlap)
    cells = apart(cells, overlap, torch.bincount(image, minlength=n))
    return Layout(cells, classes, kind, pixel, chance)


def _counts(values: Values, size: tuple[int, int], pixel: Tensor, some: Tensor) -> Tensor:
    """(3, N) number of red cells, white cells and platelets. Some lie partly beyond the frame."""
    diameter = values["red_diameter"] / pixel
    area = math.pi / 4 * diameter.square() * (2 * values["red_spread"].square()).exp()
    wanted = torch.stack([
        values["crowding"] * (size[0] + diameter) * (size[1] + diameter) / area,
        values["white"],
        values["platelets"],
    ])  # fmt: skip
    found = (wanted + some.T).floor() * (wanted > 0)
    return torch.minimum(found, torch.tensor(SLOTS)[:, None])


def _positions(
    values: Values, size: tuple[int, int], pixel: Tensor, counts: Tensor, uniform: Tensor, normal: Tensor
) -> Tensor:
    """(N, slots, 2) x and y in µm: anywhere up to a radius beyond the frame, or in a stack or clump."""
    frame = torch.tensor([size[1], size[0]]) * pixel[:, None]
    beyond = torch.stack([values["red_diameter"], 0.6 * values["red_diameter"], values["platelet_diameter"]], 1)
    margin = beyond[:, OF_SLOT, None]
    alone = uniform[:, :, :2] * (frame[:, None] + margin) - margin / 2
    red, platelets = slice(SLOTS[0]), slice(sum(SLOTS[:2]), None)
    found = alone.clone()

    number = torch.arange(SLOTS[0])
    stack = values["stack"].round()[:, None]
    first = (torch.div(number, stack, rounding_mode="floor") * stack).long()
    along = number - first - (stack - 1) / 2
    turn = TURN * uniform[:, red, 2].gather(1, first)
    winding = values["winding"][:, None] * (uniform[:, red, 3].gather(1, first) - 0.5)
    angle = turn + winding * along
    step = (values["step"] * values["red_diameter"])[:, None] * along
    way = torch.stack([angle.cos(), angle.sin()], 2) * step[:, :, None]
    aside = (0.35 * values["winding"] * values["red_diameter"])[:, None, None] * normal[:, red, :2]
    member = number < (values["stacking"] * counts[0])[:, None]
    in_stack = alone[:, red].gather(1, first[:, :, None].expand(-1, -1, 2)) + way + aside
    found[:, red] = torch.where(member[:, :, None], in_stack, alone[:, red])

    number = torch.arange(SLOTS[2])
    first = (torch.div(number, CLUMP, rounding_mode="floor") * CLUMP).expand(len(pixel), -1)
    spread = (CLUMP_STEP * values["platelet_diameter"])[:, None, None] * normal[:, platelets, :2]
    member = number < (values["clumping"] * counts[2])[:, None]
    clump = alone[:, platelets].gather(1, first[:, :, None].expand(-1, -1, 2)) + spread
    found[:, platelets] = torch.where(member[:, :, None], clump, alone[:, platelets])
    return found


def _shapes(
    of: Values, classes: Tensor, kind: Tensor, chance: dict[str, Tensor], normal: Tensor, pixel: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Long and short semi-axes (M,) in pixels, and the waves (M, 4) of the outlines."""
    white = between_of_kind("diameter", kind, chance["kind"][:, 1]) * of["white_size"]
    diameter = _by_class(
        classes,
        of["red_diameter"] * (of["red_spread"] * normal[:, 2]).exp(),
        white,
        of["platelet_diameter"] * (0.28 * normal[:, 2]).exp(),
    )
    stretch = _by_class(classes, of["elongation"], torch.full_like(white, 0.08), torch.full_like(white, 0.25))
    ratio = (1 + stretch * normal[:, 3].abs()).sqrt()
    radius = diameter / 2 / pixel
    rough = _by_class(classes, of["unevenness"], of_kind("outline", kind), torch.full_like(white, 0.16))
    amount, three, four, share = chance["shape"][:, 2:6].T
    waves = torch.stack(
        [
            rough * amount * part * f(angle * TURN)
            for part, angle in ((share, three), (1 - share, four))
            for f in (torch.cos, torch.sin)
        ],
        1,
    )
    return radius * ratio, radius / ratio, waves


def _densities(of: Values, classes: Tensor, kind: Tensor, normal: Tensor, stain: Tensor) -> Tensor:
    """(M,) optical density in green light: of a red cell, of the nucleus of a white cell, of a platelet."""
    red = of["red_density"] * (of["red_spread_of_density"] * normal).exp()
    white = of["nucleus_density"] * of_kind("dark", kind) * (0.8 + 0.4 * stain[:, 0])
    return _by_class(classes, red, white, of["platelet_density"] * (0.45 * normal).exp())


def _by_class(classes: Tensor, red: Tensor, white: Tensor, platelet: Tensor) -> Tensor:
    return torch.where(classes == RED, red, torch.where(classes == WHITE, white, platelet))
