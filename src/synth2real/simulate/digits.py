"""Handwritten-looking digits: the centre lines of matplotlib's fonts, and handwritten shapes that fonts lack.

Each form of a digit is stored as a map of distances to its centre line, so that a stroke of any width can be rendered.
A batch is one bilinear look-up in these maps, at coordinates distorted by an affine and an elastic map.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from ..settings import settings
from .base import Drawn, Parameter, Simulator
from .scene.camera import blur

Side = Annotated[int, Field(ge=8, le=64)]
Stroke = tuple[tuple[int, int], ...]

FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmb10", "cmss10", "cmtt10", "cmti10", "cmmi10"),
)
BARRED_ZERO = ("DejaVuSansMono", "DejaVuSansMono-BoldOblique")  # a handwritten zero has no bar or dot inside

# Handwritten forms that fonts lack. A form is a tuple of strokes. A stroke is a smooth curve through points, x right
# and y down, in percent of the digit's height. Two points make a line. Strokes that share an end point make a corner.
WRITTEN: dict[int, tuple[tuple[Stroke, ...], ...]] = {
    0: (
        (((35, 0), (8, 22), (4, 65), (25, 100), (55, 85), (66, 40), (50, 5), (35, 0)),),
        (((45, 5), (15, 15), (0, 55), (20, 95), (60, 90), (85, 50), (70, 12), (35, 2), (20, 12)),),
    ),
    1: (
        (((0, 0), (0, 100)),),
        (((0, 0), (3, 50), (0, 100)),),
        (((-22, 24), (0, 0)), ((0, 0), (0, 100))),
        (((-34, 50), (0, 0)), ((0, 0), (0, 100))),
        (((-26, 36), (0, 0)), ((0, 0), (0, 100)), ((-26, 100), (26, 100))),
        (((0, 0), (0, 100)), ((-28, 100), (28, 100))),
    ),
    2: (
        (((4, 22), (28, 0), (56, 20), (40, 58), (0, 96)), ((0, 96), (66, 94))),
        (((4, 20), (32, 0), (56, 24), (32, 72), (6, 98), (2, 80), (22, 78), (46, 94), (72, 92)),),
        (((0, 12), (34, 0), (50, 26), (26, 78), (4, 98), (6, 80), (30, 86), (68, 100)),),
        (((0, 26), (26, 10), (34, 38), (0, 84)), ((0, 84), (90, 94))),
        (((6, 16), (34, 0), (60, 22), (44, 70), (14, 98), (0, 78), (24, 66), (60, 98)),),
    ),
    3: (
        (((4, 10), (32, 0), (52, 20), (20, 46)), ((20, 46), (58, 66), (38, 98), (0, 92))),
        (((0, 4), (56, 2)), ((56, 2), (22, 42)), ((22, 42), (58, 62), (42, 96), (0, 94))),
        (((2, 12), (34, 0), (50, 22), (26, 46), (22, 50), (30, 50), (56, 72), (34, 100), (0, 90)),),
        (((0, 10), (44, 0), (60, 14), (26, 42)), ((26, 42), (62, 56), (46, 86), (0, 100))),
    ),
    4: (
        (((8, 0), (2, 52)), ((2, 52), (58, 50)), ((56, 0), (50, 100))),
        (((14, 4), (2, 40), (20, 56), (56, 40)), ((60, 0), (54, 100))),
        (((4, 0), (0, 46), (60, 48)), ((42, 12), (40, 100))),
        (((44, 0), (0, 62)), ((0, 62), (70, 62)), ((46, 30), (40, 100))),
        (((10, 0), (6, 34), (26, 44), (50, 30)), ((54, 10), (40, 100))),
    ),
    5: (
        (((10, 2), (6, 44)), ((6, 44), (40, 42), (54, 72), (30, 100), (0, 90)), ((10, 2), (62, 0))),
        (((70, 0), (24, 6)), ((24, 6), (16, 44)), ((16, 44), (52, 56), (46, 92), (0, 96))),
        (((76, 0), (36, 4), (20, 30), (46, 56), (40, 92), (0, 96)),),
        (((8, 10), (4, 46), (36, 42), (46, 76), (4, 100)), ((10, 4), (80, 0))),
    ),
    6: (
        (((36, 0), (8, 36), (2, 76), (24, 100), (48, 82), (34, 62), (6, 78)),),
        (((56, 0), (18, 34), (0, 76), (26, 100), (58, 82), (42, 60), (8, 74)),),
        (((10, 0), (2, 60), (18, 100), (48, 88), (44, 66), (20, 66), (4, 82)),),
        (((24, 0), (0, 52), (16, 96), (66, 92), (72, 64), (44, 58), (12, 86)),),
    ),
    7: (
        (((0, 6), (60, 2)), ((60, 2), (22, 100))),
        (((0, 4), (62, 2)), ((62, 2), (24, 100)), ((12, 50), (66, 46))),
        (((0, 22), (4, 4)), ((4, 4), (58, 4)), ((58, 4), (34, 48), (26, 100))),
        (((0, 12), (26, 4), (56, 6), (50, 30), (30, 100)),),
    ),
    8: (
        (((52, 10), (28, 0), (8, 20), (32, 46), (52, 76), (26, 100), (2, 78), (26, 50), (52, 10)),),
        (((64, 8), (34, 0), (18, 22), (32, 48), (36, 80), (14, 100), (0, 80), (26, 52), (64, 8)),),
        (((58, 8), (28, 0), (8, 18), (30, 44), (52, 76), (26, 100), (4, 78), (30, 46), (66, 16)),),
        (((30, 0), (8, 20), (28, 44), (52, 22), (30, 0)), ((28, 44), (0, 72), (26, 100), (56, 74), (28, 44))),
        (((66, 0), (22, 62), (8, 86), (24, 100), (38, 84), (28, 52), (10, 20), (28, 2), (62, 12)),),
        (((60, 16), (34, 0), (0, 14), (14, 38), (48, 60), (46, 90), (24, 96), (26, 66), (60, 16)),),
        (((58, 6), (24, 4), (20, 34), (54, 66), (34, 98), (8, 80), (40, 52), (66, 22), (50, 4)),),
    ),
    9: (
        (((52, 12), (26, 0), (2, 24), (20, 48), (48, 30), (52, 12)), ((52, 12), (50, 100))),
        (((54, 14), (28, 0), (0, 28), (22, 50), (52, 24)), ((54, 10), (34, 100))),
        (((52, 20), (32, 0), (6, 20), (22, 44), (50, 24), (52, 60), (36, 100), (4, 92)),),
        (((50, 8), (24, 0), (2, 24), (20, 46), (50, 34)), ((54, 4), (52, 50), (46, 100))),
        (((46, 18), (28, 0), (6, 22), (24, 42), (46, 20), (38, 100)),),
        (((44, 4), (10, 8), (6, 36), (44, 34)), ((46, 4), (42, 54), (24, 100))),
        (((48, 10), (24, 0), (4, 20), (22, 42), (48, 26)), ((50, 10), (54, 56), (40, 94), (6, 98))),
        (((46, 22), (26, 2), (6, 22), (24, 44), (46, 22)), ((46, 22), (56, 62), (34, 100), (0, 86))),
        (((42, 4), (14, 6), (4, 28), (28, 46), (50, 28), (42, 4)), ((50, 28), (58, 70), (30, 100), (2, 84))),
    ),
}
VARIANTS, WOBBLE = 6, 0.04  # variants of each handwritten form; standard deviation of its points, in heights

TILE, EXTENT = 80, 1.6  # side of a tile of the atlas, in pixels and in digit heights
USUAL_WIDTH = 0.7  # of a digit, in heights; `swelling` applies to narrower digits
POINTS = 128  # points on a centre line, for its bounding box and its centre of mass


@settings
class Digits(Simulator):
    """Handwritten-looking digits 0 to 9, light on dark as in MNIST. The label is `label`, int64 in 0..9.

    Lengths are relative to the shorter side of the frame (unit: frames) or to the height of the digit (unit: heights).
    Only the blur is in pixels. Frames below 28 pixels are rendered at a higher resolution and reduced by area. The pen
    is at least half a pixel of the frame wide, so no stroke is lost.

    Args:
        size: height and width, 8 to 64 pixels.
        channels, ranges, label: as in `Simulator`.
    """

    classes: ClassVar[dict[str, tuple[str, ...]]] = {"label": tuple("0123456789")}
    differentiable: ClassVar[tuple[str, ...]] = ("blur", "contrast", "foreground", "background", "noise")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("height", "frames", "longer side of the bounding box of the ink", (0.2, 1.0), (0.62, 0.8)),
        Parameter("aspect", "ratio", "stretch of the width", (0.3, 2.5), (0.7, 1.4)),
        Parameter("rotation", "degrees", "clockwise turn", (-90, 90), (-15, 15)),
        Parameter("shear", "ratio", "slant to the right, horizontal shift per height", (-1, 1), (-0.15, 0.45)),
        Parameter("stroke", "heights", "width of the pen", (0.01, 0.35), (0.05, 0.18)),
        Parameter("swelling", "exponent", "exponent by which the pen widens for narrow digits", (0, 1), (0.0, 0.8)),
        Parameter("pressure", "ratio", "variation of the pen width along the digit", (0, 1), (0.0, 0.3)),
        Parameter("elastic", "heights", "standard deviation of the smooth elastic distortion", (0, 0.2), (0.0, 0.06)),
        Parameter("centring", "ratio", "centre of the frame: 0 bounding box, 1 centre of mass", (0, 1), (0.0, 1.0)),
        Parameter("offset_x", "frames", "shift to the right", (-0.5, 0.5), (-0.04, 0.04)),
        Parameter("offset_y", "frames", "shift down", (-0.5, 0.5), (-0.04, 0.04)),
        Parameter(
            "allograph", "probability", "probability of a handwritten form instead of a font", (0, 1), (0.6, 0.6)
        ),
        Parameter("blur", "pixels", "standard deviation of the blur", (0, 5), (0.2, 0.7)),
        Parameter("contrast", "ratio", "gain of the ink after the blur, brightens thin strokes", (0.2, 4), (1.2, 2.4)),
        Parameter("foreground", "intensity", "intensity of the ink", (0, 1), (0.9, 1.0)),
        Parameter("background", "intensity", "intensity of the paper", (0, 1), (0.0, 0.05)),
        Parameter(
            "colour", "intensity", "largest colour shift of ink and paper in each of 3 channels", (0, 1), (0.0, 0.2)
        ),
        Parameter("noise", "intensity", "standard deviation of the noise", (0, 0.5), (0.0, 0.03)),
    )

    size: tuple[Side, Side] = (28, 28)

    def render(self, values: dict[str, Tensor], generator: torch.Generator) -> Drawn:
        """See `Simulator.render`. Images are float32. The counts of the digits differ by at most one."""
        label = torch.randperm(len(values["height"]), generator=generator) % 10
        ink = self._ink(_choose(label, values["allograph"], generator), values, generator)
        ink = (blur(ink, values["blur"]) * _column(values["contrast"])).clamp_(0, 1)
        images = self._tone(ink, values, generator)
        noise = torch.randn(images.shape, generator=generator)
        return Drawn(images.addcmul_(noise, _column(values["noise"])).clamp_(0, 1), {"label": label})

    def _ink(self, form: Tensor, values: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        """Coverage (N, 1, H, W) in 0..1 by the ink of the forms (N,)."""
        atlas, fine = _atlas(), -(-28 // min(self.size))
        height, width = (side * fine for side in self.size)
        pixels = min(height, width) * values["height"]  # length of one digit height
        linear = _linear(values)
        moved = atlas.points[form] @ linear.mT
        low, high = moved.amin(1), moved.amax(1)
        narrowness = (USUAL_WIDTH / (high - low)[:, 0].clamp(min=0.1)).clamp_(min=1)
        pen = (values["stroke"] * narrowness ** values["swelling"] * pixels).clamp_(min=max(1, fine / 2))
        scale = (pixels - pen).clamp_(min=1) / (high - low).amax(1)
        centre = torch.lerp((low + high) / 2, moved.mean(1), values["centring"][:, None])
        offset = torch.stack([values["offset_x"], values["offset_y"]], 1) * min(height, width)

        rows, columns = torch.meshgrid(_centred(height), _centred(width), indexing="ij")
        frame = torch.stack([columns, rows]).flatten(1)  # (2, H W)
        bend = torch.randn(len(form), 3, len(_waves(height, width)), generator=generator) @ _waves(height, width)
        place = frame + bend[:, :2] * (values["elastic"] * pixels)[:, None, None] - offset[..., None]
        back = torch.linalg.inv(linear) * (2 / EXTENT)
        grid = back @ (place / scale[:, None, None] + centre[..., None])
        grid = grid.mT.reshape(-1, height, width, 2)
        distance = F.grid_sample(atlas.distances[form], grid, padding_mode="border", align_corners=False)
        distance *= _column(scale * torch.linalg.det(linear).abs().sqrt())  # to pixels
        uneven = 1 + bend[:, 2:].view(-1, 1, height, width) * _column(values["pressure"])
        radius = (_column(pen) / 2 * uneven.clamp_(0.4, 2)).clamp_(min=0.5)
        return F.avg_pool2d((radius - distance + 0.5).clamp_(0, 1), fine)

    def _tone(self, ink: Tensor, values: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        """Intensities (N, C, H, W) of paper and ink."""
        shift = torch.zeros(2, len(ink), 1, 1, 1)
        if self.channels == 3:
            spread = torch.rand(2, len(ink), 3, 1, 1, generator=generator) * 2 - 1
            shift = spread * _column(values["colour"])
        paper = (_column(values["background"]) + shift[0]).clamp(0, 1)
        return torch.lerp(paper, (_column(values["foreground"]) + shift[1]).clamp(0, 1), ink)


def _column(x: Tensor) -> Tensor:
    return x[:, None, None, None]


def _centred(length: int) -> Tensor:
    return torch.arange(length) - (length - 1) / 2


def _linear(values: dict[str, Tensor]) -> Tensor:
    """Matrix (N, 2, 2) of stretch, then shear, then rotation. y points down."""
    angle, shear, aspect = torch.deg2rad(values["rotation"]), values["shear"], values["aspect"]
    cos, sin = angle.cos(), angle.sin()
    first = torch.stack([cos * aspect, -cos * shear - sin], 1)
    second = torch.stack([sin * aspect, -sin * shear + cos], 1)
    return torch.stack([first, second], 1)


@cache
def _waves(height: int, width: int) -> Tensor:
    """Smooth functions on the frame, (9, H W): cosines of up to one and a half periods. Total variance is about 1.

    There is no constant function, because the offsets already shift the digit.
    """
    along = [[torch.cos(torch.pi * k * (torch.arange(n) + 0.5) / n) for k in range(4)] for n in (height, width)]
    orders = [(i, j) for i in range(4) for j in range(4) if 0 < i + j < 4]
    waves = torch.stack([torch.outer(along[0][i], along[1][j]).flatten() for i, j in orders])
    return waves / waves.square().sum(0).mean().sqrt()


@dataclass(frozen=True)
class _Atlas:
    """All forms of the digits.

    Args:
        distances: (K, 1, TILE, TILE), distance to the centre line in heights.
        points: (K, POINTS, 2), x and y of centred points on the centre line in heights.
        first, count: (2, 10), index of the first form and number of forms of each digit, for fonts and handwriting.
    """

    distances: Tensor
    points: Tensor
    first: Tensor
    count: Tensor


def _choose(label: Tensor, allograph: Tensor, generator: torch.Generator) -> Tensor:
    """A form (N,) for each digit: handwritten with probability `allograph`, else from a font."""
    atlas = _atlas()
    chance, which = torch.rand((2, len(label)), generator=generator).unbind()
    source = (chance < allograph).long()
    return atlas.first[source, label] + (which * atlas.count[source, label]).long()


@cache
def _atlas() -> _Atlas:
    """All forms. They are built once per process, in less than a second."""
    random = np.random.default_rng(0)
    typed = [[_glyph(face, str(d)) for face in FACES if d or face not in BARRED_ZERO] for d in range(10)]
    written = [[_write(form, random) for form in WRITTEN[d] for _ in range(VARIANTS)] for d in range(10)]
    lines = [*_thin(np.stack([*chain(*typed)])), *chain(*written)]
    distances, points = zip(*map(_measure, lines), strict=True)
    count = torch.tensor([[len(forms) for forms in kind] for kind in (typed, written)])
    first = (count.flatten().cumsum(0) - count.flatten()).view(2, 10)
    return _Atlas(torch.from_numpy(np.stack(distances))[:, None], torch.from_numpy(np.stack(points)), first, count)


def _measure(line: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Map of the distances to a centre line, and points on the line, in digit heights."""
    from scipy.ndimage import distance_transform_edt

    pixels = np.argwhere(line)
    pixels = pixels[np.linspace(0, len(pixels) - 1, POINTS).round().astype(int)]
    points = (pixels[:, ::-1] + 0.5) * EXTENT / TILE - EXTENT / 2
    return (distance_transform_edt(~line) * EXTENT / TILE).astype(np.float32), points.astype(np.float32)


def _glyph(face: str, text: str) -> NDArray[np.bool_]:
    """The ink of a digit of a font, one height high, centred in a tile."""
    from PIL import Image, ImageDraw, ImageFont

    found = find_spec("matplotlib")  # its import would take a second, and make a folder in the user's home
    assert found is not None
    fonts = Path(str(found.origin)).parent / "mpl-data" / "fonts" / "ttf"
    font = ImageFont.truetype(fonts / f"{face}.ttf", 2 * TILE)
    large = Image.new("L", (3 * TILE, 3 * TILE))
    ImageDraw.Draw(large).text((TILE // 2, TILE // 4), text, fill=255, font=font)
    left, top, right, bottom = large.getbbox() or (0, 0, TILE, TILE)
    high = TILE / EXTENT
    wide = min(TILE - 4, round(high * (right - left) / (bottom - top)))
    small = large.crop((left, top, right, bottom)).resize((wide, round(high)), Image.Resampling.BOX)
    tile = Image.new("L", (TILE, TILE))
    tile.paste(small, ((TILE - wide) // 2, (TILE - round(high)) // 2))
    return np.asarray(tile) > 127


def _write(form: tuple[Stroke, ...], random: np.random.Generator) -> NDArray[np.bool_]:
    """The centre line of a handwritten form, centred in a tile. Its points are shifted randomly by a small amount."""
    from scipy.interpolate import make_interp_spline

    moves: dict[tuple[int, int], NDArray[np.float64]] = {}  # a point that strokes share is shifted once
    curves = []
    for stroke in form:
        knots = np.stack([moves.setdefault(p, np.array(p) / 100 + random.normal(0, WOBBLE, 2)) for p in stroke])
        along = np.append(0, np.hypot(*np.diff(knots, axis=0).T).cumsum())
        curve = make_interp_spline(along, knots, k=min(2, len(stroke) - 1))
        curves.append(curve(np.linspace(0, along[-1], 4 * TILE)))
    points = np.concatenate(curves)
    low, high = points.min(0), points.max(0)
    pixels = ((points - (low + high) / 2) / (high - low).max() + EXTENT / 2) * TILE / EXTENT
    line = np.zeros((TILE, TILE), bool)
    line[tuple(pixels.astype(int).T[::-1])] = True
    return line


def _thin(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Centre lines of (K, S, S) shapes by thinning, which keeps lines connected (Zhang and Suen, 1984)."""
    ink = ink.copy()
    while True:
        before = ink.sum()
        for step in (0, 1):
            north, east, south, west = (np.roll(ink, shift, axis) for shift, axis in ((1, 1), (-1, 2), (-1, 1), (1, 2)))
            ring = [north, np.roll(east, 1, 1), east, np.roll(east, -1, 1), south]
            ring += [np.roll(west, -1, 1), west, np.roll(west, 1, 1)]
            neighbours = np.sum(ring, 0, dtype=np.int8)
            starts = np.sum([~a & b for a, b in zip(ring, ring[1:] + ring[:1], strict=True)], 0, dtype=np.int8)
            open_ = ~(east & south & (north | west)) if step == 0 else ~(north & west & (east | south))
            ink &= ~((neighbours >= 2) & (neighbours <= 6) & (starts == 1) & open_)
        if ink.sum() == before:
            return ink
