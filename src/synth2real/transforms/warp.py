"""Warp: a random coordinate map per image of a batch, applied alike to pixels, masks, points and directions.

Pixel coordinates: the centre of the top-left pixel is (0, 0), x right, y down. The map has an affine part and then an
elastic part. For input point i, output point o and frame centre c:

    u = turn stretch (i - c) + c + shift,        o + d(o) = u.

The displacement d is a uniform cubic B-spline over a lattice of `CELLS` by `CELLS` cells. Each control point moves by
less than a quarter of a cell. The differences of neighbouring control points bound the slope of d, so d is a
contraction. The map therefore has no folds, and every input point has exactly one output point.
"""

from dataclasses import dataclass
from math import radians

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .sampling import Rows, Selection, constant, kept, to_device

CELLS = 3
KNOTS = tuple(range(-1, CELLS + 2))  # lattice coordinates of the control points
NEWTON_STEPS = 6


def layout(x: Tensor) -> torch.memory_format:
    """Memory format of images x (N, C, H, W): `torch.contiguous_format` or `torch.channels_last`."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def spline(s: Tensor) -> tuple[Tensor, Tensor]:
    """B-spline weights of the control points at coordinate s in 0..CELLS, and their slopes: (..., CELLS + 3) each."""
    gap = s.unsqueeze(-1) - constant(KNOTS, s.device)
    outer, inner = (2 - gap.abs()).relu(), (1 - gap.abs()).relu()
    return (outer**3 - 4 * inner**3) / 6, gap.sign() * (4 * inner**2 - outer**2) / 2


@dataclass(frozen=True)
class Amplitudes:
    """Largest change of each operation of a warp; 0 disables the operation.

    Args:
        rotation: degrees; positive is clockwise in the image.
        scale: the size factor is in 1 - scale to 1 + scale. It is below 1.
        aspect: logarithm of the ratio of width to height.
        shear: shift of x per pixel of y.
        shift: fraction of the width for x, and fraction of the height for y.
        elastic: largest displacement of a control point, fraction of the frame, below 1 / (4 CELLS).
        mirror: probability that left and right are swapped.
        crop: largest share of the image's area that a crop leaves out; the rest fills the frame. It is below 1.

    Raises:
        InputError: `scale` or `elastic` is so large that the map could fold, or `crop` leaves nothing.
    """

    rotation: float = 0.0
    scale: float = 0.0
    aspect: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    mirror: float = 0.0
    crop: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.elastic < 0.25 / CELLS:
            most = f"{0.25 / CELLS:.4f}"
            raise InputError(
                f"elastic={self.elastic}: expected 0 to below {most} of the frame, because a larger warp can fold"
            )
        if not 0 <= self.scale < 1:
            raise InputError(f"scale={self.scale}: expected 0 to below 1, because at 1 an image can shrink to size 0")
        if not 0 <= self.crop < 1:
            raise InputError(f"crop={self.crop}: expected 0 to below 1 of the area, because at 1 nothing is left")


def _crops(
    n: int, frame: Tensor, most: float, generator: torch.Generator, chosen: Selection | None
) -> tuple[Tensor, Tensor]:
    """Random crops that fill the frame (2,) again: a factor (n,) of size, and a shift (n, 2) in pixels after it.

    The share of the area that is left out is uniform in 0..most, and so is the place of the crop within the image.
    """
    out, *place = torch.rand(3, n, generator=generator, device=generator.device)
    zoom = (1 - kept(out, chosen, "crop") * most).rsqrt()
    return zoom, (torch.stack(place, 1) - 0.5) * (zoom - 1)[:, None] * frame


@dataclass(frozen=True)
class Warp:
    """A coordinate map for each of N images. Build it with `sample` or `identity`.

    Args:
        turn: (N, 2, 2) float32, rotation and mirror. This part also applies to directions.
        stretch: (N, 2, 2) float32, scale, aspect and shear.
        shift: (N, 2) float32, pixels.
        control: (N, 2, CELLS + 3, CELLS + 3) float32, x and y displacement of the control points in pixels.
        size: height and width of the images in pixels.
    """

    turn: Tensor
    stretch: Tensor
    shift: Tensor
    control: Tensor
    size: tuple[int, int]

    @classmethod
    def identity(cls, n: int, size: tuple[int, int], device: torch.device | str = "cpu") -> "Warp":
        """The identity warp of n images of `size` (H, W)."""
        eye = torch.eye(2, device=device).expand(n, 2, 2)
        knots = CELLS + 3
        return cls(eye, eye, torch.zeros(n, 2, device=device), torch.zeros(n, 2, knots, knots, device=device), size)

    @classmethod
    def sample(
        cls,
        n: int,
        size: tuple[int, int],
        *,
        generator: torch.Generator,
        device: torch.device | str | None = None,
        chosen: Selection | None = None,
        **amplitudes: float,
    ) -> "Warp":
        """Sample a warp for n images of `size` (H, W), each value uniformly in plus or minus its amplitude.

        Every value is sampled, even if its amplitude is 0. So disabling one operation does not change the others. Only
        a crop, which comes last, takes no random numbers if it is disabled.

        Args:
            generator: generator of all random values.
            device: device of the warp; None for the device of the generator.
            chosen: the images that each operation changes.
            amplitudes: fields of `Amplitudes`. Missing fields are 0.

        Raises:
            InputError: `scale` or `elastic` is so large that the map could fold.
        """
        most, where = Amplitudes(**amplitudes), generator.device
        uniform = torch.rand(n, 7, generator=generator, device=where).mul_(2).sub_(1)
        for i, name in enumerate(("rotation", "scale", "aspect", "shear", "mirror", "shift", "shift")):
            uniform[:, i] = kept(uniform[:, i], chosen, name, neutral=1.0 if name == "mirror" else 0.0)
        bends = torch.rand(n, 2, CELLS + 3, CELLS + 3, generator=generator, device=where).mul_(2).sub_(1)
        frame = constant((size[1], size[0]), where)
        angle = uniform[:, 0] * radians(most.rotation)
        factor = 1 + uniform[:, 1] * most.scale
        ratio = (uniform[:, 2] * most.aspect / 2).exp()
        flip = torch.where(uniform[:, 4] < 2 * most.mirror - 1, -1.0, 1.0)
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        turn = torch.stack([cos * flip, -sin, sin * flip, cos], -1).view(n, 2, 2)
        height = factor / ratio
        stretch = torch.stack([factor * ratio, uniform[:, 3] * most.shear * height, zero, height], -1).view(n, 2, 2)
        control = kept(bends, chosen, "elastic") * frame.view(2, 1, 1) * most.elastic
        shift = uniform[:, 5:] * frame * most.shift
        if most.crop:
            zoom, aside = _crops(n, frame, most.crop, generator, chosen)
            stretch, shift = stretch * zoom[:, None, None], shift * zoom[:, None] + aside
        warp = cls(turn, stretch, shift, control, size)
        return warp if device is None else warp.to(device)

    def __len__(self) -> int:
        return len(self.shift)

    def to(self, device: torch.device | str) -> "Warp":
        """The same warp on `device`."""
        return to_device(self, device)

    def subset(self, index: Tensor) -> "Warp":
        """The warps at `index` (B,) int64, in that order."""
        return Warp(self.turn[index], self.stretch[index], self.shift[index], self.control[index], self.size)

    def part(self, rows: Rows) -> "Warp":
        """The warps of some images of the batch."""
        turn, stretch, shift, control = map(rows.taken, (self.turn, self.stretch, self.shift, self.control))
        return Warp(turn, stretch, shift, control, self.size)

    def image(self, x: Tensor) -> Tensor:
        """Warp images x (N, C, H, W) float32, bilinear, with repeated borders. The memory format does not change.

        Raises:
            InputError: the number or size of the images differs from that of the warp.
        """
        return self._resample(x, "bilinear").contiguous(memory_format=layout(x))

    def mask(self, m: Tensor) -> Tensor:
        """Warp masks m (N, C, H, W) of any dtype by nearest neighbour, so no new values appear.

        Raises:
            InputError: as in `image`.
        """
        return self._resample(m.float(), "nearest").to(m.dtype)

    def points(self, xy: Tensor) -> Tensor:
        """Map input points xy (N, K, 2) float32 pixels to output points. A point with a nan becomes nan."""
        self._check(xy, "points")
        goal = (xy - self._centre) @ (self.turn @ self.stretch).mT + self._centre + self.shift.unsqueeze(1)
        out, eye = goal, torch.eye(2, device=xy.device)
        for _ in range(NEWTON_STEPS):
            bend, slope = self._displacement(out)
            a, b, c, d = (slope + eye).flatten(-2).unbind(-1)
            x, y = (out + bend - goal).unbind(-1)
            out = out - torch.stack([d * x - b * y, a * y - c * x], -1) / (a * d - b * c).unsqueeze(-1)
        return out

    def inverse_points(self, xy: Tensor) -> Tensor:
        """Map output points xy (N, K, 2) float32 pixels to input points. This is the inverse of `points`."""
        self._check(xy, "points")
        flat = xy + self._displacement(xy)[0] - self._centre - self.shift.unsqueeze(1)
        return flat @ self._inverse.mT + self._centre

    def directions(self, v: Tensor) -> Tensor:
        """Rotate and mirror directions v (N, 2) or (N, 3) float32: x right, y down (and z along the optical axis).

        Only rotation and mirror apply, and only to x and y. Lengths do not change. Scale and shear do not apply,
        because the object in a scaled or sheared image still faces in the same direction.
        """
        self._check(v, "directions")
        return torch.cat([(self.turn @ v[:, :2, None]).squeeze(-1), v[:, 2:]], -1)

    @property
    def _centre(self) -> Tensor:
        height, width = self.size
        return constant(((width - 1) / 2, (height - 1) / 2), self.shift.device)

    @property
    def _frame(self) -> Tensor:
        height, width = self.size
        return constant((width, height), self.shift.device)

    @property
    def _inverse(self) -> Tensor:
        """(N, 2, 2), the affine matrix from output to input."""
        inverse: Tensor = torch.linalg.inv(self.turn @ self.stretch)
        return inverse

    def _check(self, x: Tensor, what: str) -> None:
        if len(x) != len(self):
            raise InputError(f"{what} of shape {tuple(x.shape)}: expected {len(self)} rows, one per image of the warp")

    def _displacement(self, xy: Tensor) -> tuple[Tensor, Tensor]:
        """Displacement (N, K, 2) at output points xy (N, K, 2), and its slope (N, K, 2, 2): component, then axis.

        Outside the frame, the displacement is that of the nearest border point.
        """
        cell = self._frame / CELLS
        lattice = (xy + 0.5) / cell
        inside = (lattice >= 0) & (lattice <= CELLS)
        weights, slopes = spline(lattice.clamp(0, CELLS))
        both = torch.stack([weights, slopes * (inside / cell).unsqueeze(-1)], 2)
        along_x, along_y = both.unbind(3)  # (N, K, 2, knots): weights, then slopes
        # All four products at once. The product of both slopes is not used, but a second launch would cost more.
        over_x = self.control.flatten(1, 2) @ along_x.flatten(1, 2).mT
        n, k = xy.shape[:2]
        over_x = over_x.view(n, 2, CELLS + 3, k, 2).permute(0, 3, 1, 4, 2)  # (N, K, component, 2, knots)
        products = over_x @ along_y.mT.unsqueeze(2)  # (N, K, component, 2, 2): index of x, then of y
        return products[..., 0, 0], torch.stack([products[..., 1, 0], products[..., 0, 1]], -1)

    def _grid(self) -> Tensor:
        """Input position of each output pixel: (N, H, W, 2) in -1..1, the format of `grid_sample`.

        B-splines reproduce linear functions. So the affine part is applied to the control points, and one spline then
        represents the whole map.
        """
        axes = [torch.arange(pixels, device=self.shift.device) for pixels in self.size]
        rows, columns = (spline((axis + 0.5) * CELLS / pixels)[0] for axis, pixels in zip(axes, self.size, strict=True))
        knots = constant(KNOTS, self.shift.device) / CELLS
        frame = self._frame
        at = torch.stack(torch.meshgrid(knots, knots, indexing="xy")) * frame.view(2, 1, 1) - 0.5
        flat = at + self.control - (self._centre + self.shift).view(-1, 2, 1, 1)
        warped = (self._inverse @ flat.flatten(2)).view_as(flat) + self._centre.view(2, 1, 1)
        warped = (2 * warped + 1) / frame.view(2, 1, 1) - 1
        return (rows @ warped @ columns.T).permute(0, 2, 3, 1)

    def _resample(self, x: Tensor, mode: str) -> Tensor:
        if x.ndim != 4 or len(x) != len(self) or tuple(x.shape[2:]) != tuple(self.size):
            height, width = self.size
            raise InputError(f"images of shape {tuple(x.shape)}: the warp expects ({len(self)}, C, {height}, {width})")
        return F.grid_sample(x, self._grid(), mode=mode, padding_mode="border", align_corners=False)
