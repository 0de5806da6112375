"""Photometric transform of a batch: contrast, inversion, clutter, solarization, blur, noise and cut-out."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .sampling import Rows, Selection, constant, kept, to_device
from .warp import layout

STARTS = 2**14
CLUTTER_CELLS = (3, 7, 14)  # cells across the frame, for each pattern in the clutter
CLUTTER_PLANES = 8
FAR = 8.0  # a level far below every colour, which disables folding
NEUTRAL = {  # column of the uniform samples: its operation, and its neutral value
    0: ("inversion", 1.0),
    1: ("contrast", 0.5),
    2: ("blur", 0.0),
    3: ("noise", 0.0),
    4: ("cutout", 0.0),
    5: ("cutout", 0.0),
    8: ("clutter", 0.0),
    9: ("solarization", 1.0),
}


@dataclass(frozen=True)
class Amplitudes:
    """Largest change of each operation of a photometric transform; 0 disables the operation.

    Args:
        contrast: logarithm of the factor around mid-grey (0.5), plus or minus, one value per image.
        brightness: offset, plus or minus, one value per image and channel.
        inversion: probability that dark and bright are swapped.
        solarization: probability that the channels of an image are folded, each at its own random level. This leaves an
            outline.
        clutter: largest standard deviation of a smooth coloured pattern that is added, like a background or shadow.
        noise: largest standard deviation of the noise.
        blur: largest standard deviation of the blur, in pixels.
        cutout: largest side of the rectangle, fraction of the frame, at most 1.

    Raises:
        InputError: `cutout` is above 1.
    """

    contrast: float = 0.0
    brightness: float = 0.0
    inversion: float = 0.0
    solarization: float = 0.0
    clutter: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    cutout: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.cutout <= 1:
            raise InputError(f"cutout={self.cutout}: expected 0 to 1, a fraction of the frame")


@dataclass(frozen=True)
class PhotometricTransform:
    """A photometric transform for each of N images. Build it with `sample`.

    Inversion, contrast and brightness together are one scale and one offset. All later operations work in place on one
    tensor.

    Args:
        scale, offset: (N, C, 1, 1) float32, applied to the colours.
        blur: (N, 1, 1, 1) float32, standard deviation in pixels.
        clutter: (N, 1, 1, 1) float32, standard deviation.
        pattern: (P, H', W') float32 planes with standard deviation 1, larger than the frame; empty without clutter.
        windows: (3, N, C) int64: plane, top and left of the window of `pattern` that is added to each channel.
        fold: (N, C, 1, 1) float32, level at which colours are folded: values below it are reflected upwards.
        unfold: (N, 1, 1, 1) float32, added after folding. It undoes the fold for images that are not solarized.
        steps: number of diffusion steps for the blur; 0 for no blur.
        noise: (N, 1, 1, 1) float32, standard deviation.
        grain: standard normal values. Each image uses C H W consecutive values. Empty for no noise.
        starts: (N,) int64, index in `grain` where the values of each image start.
        hole: (N, 4) float32: top, left, height and width of the cut-out in fractions of the frame; (0, 4) for none.
        fill: (N, C, 1, 1) float32 in 0..1, colour of the cut-out; 0 if there is none.
    """

    scale: Tensor
    offset: Tensor
    clutter: Tensor
    pattern: Tensor
    windows: Tensor
    fold: Tensor
    unfold: Tensor
    blur: Tensor
    steps: int
    noise: Tensor
    grain: Tensor
    starts: Tensor
    hole: Tensor
    fill: Tensor

    @classmethod
    def sample(
        cls,
        n: int,
        channels: int,
        size: tuple[int, int],
        *,
        generator: torch.Generator,
        device: torch.device | str | None = None,
        chosen: Selection | None = None,
        **amplitudes: float,
    ) -> "PhotometricTransform":
        """Sample a transform for n images of `channels` and `size` (H, W), each value uniformly in its range.

        Args:
            generator: generator of all random values.
            device: device of the transform; None for the device of the generator.
            chosen: the images that each operation changes.
            amplitudes: fields of `Amplitudes`. Missing fields are 0.

        Raises:
            InputError: `cutout` is above 1.
        """
        most, where = Amplitudes(**amplitudes), generator.device
        uniform = torch.rand(n, 10 + 3 * channels, generator=generator, device=where)
        for i, (name, neutral) in NEUTRAL.items():
            uniform[:, i] = kept(uniform[:, i], chosen, name, neutral)
        one = uniform[:, :10].view(n, 10, 1, 1, 1).unbind(1)
        bright, fill, level = uniform[:, 10:].view(n, 3, channels, 1, 1).unbind(1)
        scale = _scale(one[0], one[1], most).expand(n, channels, 1, 1)
        offset = 0.5 - 0.5 * scale + (2 * kept(bright, chosen, "brightness", 0.5) - 1) * most.brightness
        folded = (one[9] < most.solarization).float()
        fold = folded * level - (1 - folded) * FAR
        starts, pattern, windows, grain = _textures(n, channels, size, most, generator)
        transform = cls(
            scale=scale,
            offset=offset,
            clutter=one[8] * most.clutter,
            pattern=pattern,
            windows=windows,
            fold=fold if most.solarization else fold[:0],
            unfold=-(1 - folded) * FAR,
            blur=one[2] * most.blur,
            steps=ceil(2 * most.blur**2),
            noise=one[3] * most.noise,
            grain=grain,
            starts=starts,
            hole=_hole(uniform[:, 4:8], most.cutout),
            fill=fill if most.cutout else torch.zeros_like(offset),
        )
        return transform if device is None else transform.to(device)

    def __len__(self) -> int:
        return len(self.scale)

    def to(self, device: torch.device | str) -> "PhotometricTransform":
        """The same transform on `device`."""
        return to_device(self, device)

    def part(self, rows: Rows) -> "PhotometricTransform":
        """The transform of some images of the batch."""
        names = ("scale", "offset", "clutter", "fold", "unfold", "blur", "noise", "starts", "hole", "fill")
        own: dict[str, Any] = {name: rows.taken(getattr(self, name)) for name in names}
        return replace(self, windows=self.windows[:, rows.own], **own)

    def image(self, x: Tensor) -> Tensor:
        """Transform images x (N, C, H, W) float32 in 0..1. Shape, range and memory format do not change.

        Raises:
            InputError: the number or shape of the images differs from that of the transform.
        """
        values = x[0].numel() if len(x) else 0
        if x.ndim != 4 or x.shape[:2] != self.scale.shape[:2] or len(self.grain) not in (0, values + STARTS):
            n, channels = self.scale.shape[:2]
            raise InputError(
                f"images of shape {tuple(x.shape)}: expected ({n}, {channels}, H, W), with the size given to `sample`"
            )
        # Colours are relative to the fill colour, so the cut-out is a multiplication by 0. This is faster than `where`.
        y = (x.contiguous() * self.scale).add_(self.offset - self.fill)
        if len(self.pattern):
            y.add_(patches(self.pattern, self.windows, y).mul_(self.clutter))
        if len(self.fold):
            y.sub_(self.fold - self.fill).abs_().add_(self.unfold - self.fill)
        self._diffuse(y)
        if len(self.grain):
            y.add_(cut(self.grain, self.starts, y).mul_(self.noise))
        if len(self.hole):
            y.mul_(outside(self.hole, *y.shape[2:])).add_(self.fill)
        return y.clamp_(0, 1).contiguous(memory_format=layout(x))

    def _diffuse(self, y: Tensor) -> None:
        """Blur y in place by diffusion between neighbouring pixels, which approximates a Gaussian blur.

        Nothing flows across the border. A step of rate r adds variance 2 r to each axis. r stays below 1/4, so no
        frequency changes its sign.
        """
        for _ in range(self.steps):
            for axis in (2, 3):
                flow = y.diff(dim=axis).mul_(self.blur.square() / (2 * self.steps))
                y.narrow(axis, 0, flow.shape[axis]).add_(flow)
                y.narrow(axis, 1, flow.shape[axis]).sub_(flow)


def outside(hole: Tensor, height: int, width: int) -> Tensor:
    """(N, 1, H, W) float32: 0 where the centre of a pixel is in the rectangle, else 1.

    Args:
        hole: (N, 4), top, left, height and width of the rectangle in fractions of the frame.
    """
    top, left, tall, wide = hole.view(-1, 4, 1, 1).unbind(1)
    y = ((torch.arange(height, device=top.device) + 0.5) / height).view(1, -1, 1)
    x = ((torch.arange(width, device=top.device) + 0.5) / width).view(1, 1, -1)
    rows, columns = (y >= top) & (y < top + tall), (x >= left) & (x < left + wide)
    return 1 - (rows.float() * columns.float()).unsqueeze(1)


def _scale(swap: Tensor, power: Tensor, most: Amplitudes) -> Tensor:
    """(N, 1, 1, 1) float32, factor of the colours. A negative sign swaps dark and bright. Inputs are in 0..1."""
    return torch.where(swap < most.inversion, -1.0, 1.0) * ((2 * power - 1) * most.contrast).exp()


def _hole(uniform: Tensor, cutout: float) -> Tensor:
    """(N, 4) float32: top, left, height, width; (0, 4) for no cut-out. `uniform` (N, 4): height, width, top, left."""
    sides = uniform[:, :2] * cutout
    hole = torch.cat([uniform[:, 2:] * (1 - sides), sides], -1)
    return hole if cutout else hole[:0]


def _textures(
    n: int, channels: int, size: tuple[int, int], most: Amplitudes, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`starts`, `pattern`, `windows` and `grain` of a photometric transform."""
    where = generator.device
    starts = torch.randint(STARTS, (n,), generator=generator, device=where)
    planes = pattern(size, generator) if most.clutter else torch.empty(0, 1, 1, device=where)
    laid = windows(n, channels, size, generator)
    return starts, planes, laid, grain(channels * size[0] * size[1] if most.noise else 0, generator)


def grain(values: int, generator: torch.Generator) -> Tensor:
    """A row of standard normal values, from which `cut` takes the noise of images with `values` values. Empty for 0.

    Each image takes its noise from a random position of this row. The row is sampled again for each transform. One new
    value for every pixel of a batch would cost more than all other operations together.
    """
    return torch.randn(values + STARTS if values else 0, generator=generator, device=generator.device)


def cut(grain: Tensor, starts: Tensor, like: Tensor) -> Tensor:
    """Noise with the shape of `like` (N, C, H, W). The noise of image i starts at `starts[i]` in the grain."""
    return grain.unfold(0, like[0].numel(), 1).index_select(0, starts).view_as(like)


def windows(n: int, channels: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """(3, n, channels) int64: plane, top and left of a window of `pattern` for each channel of each image."""
    spare = constant((CLUTTER_PLANES, *size), generator.device).view(3, 1, 1)
    return (torch.rand(3, n, channels, generator=generator, device=generator.device) * spare).long()


def patches(pattern: Tensor, windows: Tensor, like: Tensor) -> Tensor:
    """The windows of a pattern, with the shape of `like` (N, C, H, W)."""
    return pattern.unfold(1, like.shape[2], 1).unfold(2, like.shape[3], 1)[tuple(windows)]


def pattern(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Planes (P, 2 H, 2 W) of smooth random values at several scales, with mean 0 and standard deviation 1."""
    device = generator.device
    whole = torch.zeros(1, CLUTTER_PLANES, 2 * size[0], 2 * size[1], device=device)
    for cells in CLUTTER_CELLS:
        coarse = torch.randn(1, CLUTTER_PLANES, 2 * cells, 2 * cells, generator=generator, device=device)
        whole += F.interpolate(coarse, whole.shape[2:], mode="bilinear")
    return (whole / whole.std()).squeeze(0)
