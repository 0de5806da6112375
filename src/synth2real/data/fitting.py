"""Fitting: how images of any size are brought to one size, and where their points and their padding then lie.

Coordinates: the centre of the top-left pixel is (0, 0), so its corner is at -0.5. A point x of the original image is at
(x + 0.5) scale + offset - 0.5 of the fitted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

Resize = Literal["stretch", "crop", "letterbox", "tiles"]
MODES: tuple[Resize, ...] = get_args(Resize)
USUAL: Resize = "stretch"  # where nobody says how images are resized on load
TILES: Resize = "tiles"  # images are cut, not resized
Sides = tuple[int, int]  # height and width in pixels
PART = 4096  # images that are resized at once; limits the memory of the float copy


def place(given: Sequence[int], size: Sequence[int], resize: Resize) -> tuple[Sides, Sides]:
    """Where a whole image of `given` height and width lies in a frame of `size`.

    Args:
        given, size: height and width in pixels.
        resize: `stretch` fills the frame and changes the ratio of the sides. `crop` covers the frame and `letterbox`
            fits into it, both with the ratio kept and in the middle. What a tile shows of its image (`tiles`) keeps
            its size, in the middle; it is at most as large as the frame.

    Returns:
        The height and width of the whole image after scaling, and the place of its top-left corner (top, left), which
        is negative if `crop` cuts it off.
    """
    if resize == "stretch":
        return (size[0], size[1]), (0, 0)
    (height, width), (top, left) = (
        one.int().tolist() for one in placed(torch.tensor(list(given), dtype=torch.float64), size, resize)
    )
    return (height, width), (top, left)


def placed(given: Tensor, size: Sequence[int], resize: Resize) -> tuple[Tensor, Tensor]:
    """`place` of many images: `given` and both results are (..., 2) float64, whole numbers.

    It takes no values out of the tensors, so it can be a part of a graph that is exported.
    """
    sides = torch.tensor(list(size), dtype=torch.float64)
    if resize == "stretch":
        return sides.expand_as(given), torch.zeros_like(given)
    if resize == TILES:
        return given, ((sides - given) / 2).floor()
    factors = sides / given
    factor = factors.amax(-1, keepdim=True) if resize == "crop" else factors.amin(-1, keepdim=True)
    whole = (factor * given).round().clamp(min=1)
    return whole, ((sides - whole) / 2).floor()


@dataclass(frozen=True)
class Fitting:
    """How N images were brought to one size. It moves points with them, and knows which pixels are padding.

    Args:
        sizes: (N, 2) int64, original height and width of each image; of a tile those of the part that it shows.
        size: height and width of all images after fitting.
        resize: how, see `place`.
    """

    sizes: Tensor
    size: Sides
    resize: Resize

    @property  # not cached: the lock of a cached one cannot be traced for an export
    def _placed(self) -> tuple[Tensor, Tensor]:
        """Scaled height and width, and top and left, of each image: (N, 2) float64 each."""
        return placed(self.sizes.double(), self.size, self.resize)

    @property
    def padded(self) -> bool:
        """Whether an image has padding."""
        return self.resize in ("letterbox", TILES) and bool((self._placed[1] > 0).any())

    @property
    def inside(self) -> Tensor:
        """(N, H, W) bool: the pixels that are no padding."""
        (height, width), (top, left) = (part.unbind(1) for part in self._placed)
        rows, columns = (torch.arange(side) for side in self.size)
        tall = (rows >= top[:, None]) & (rows < (top + height)[:, None])
        wide = (columns >= left[:, None]) & (columns < (left + width)[:, None])
        return tall[:, :, None] & wide[:, None, :]

    def subset(self, index: Tensor) -> Fitting:
        """The fitting of the images at `index` (B,) int64."""
        return Fitting(self.sizes[index], self.size, self.resize)

    @property
    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """By what edges at x and y are multiplied, and how they are moved then: (N, 2) float32 each."""
        whole, corner = self._placed
        return (whole / self.sizes).flip(1).float(), corner.flip(1).float()

    def to_input(self, points: Tensor) -> Tensor:
        """Points (N, K, 2), x and y in pixels of the original images, in pixels of the fitted ones."""
        whole, corner = self._placed
        scale = (whole / self.sizes).to(points.dtype)
        return (points + 0.5) * scale.flip(1)[:, None] + corner.to(points.dtype).flip(1)[:, None] - 0.5

    def from_input(self, points: Tensor) -> Tensor:
        """Inverse of `to_input`."""
        whole, corner = self._placed
        scale = (self.sizes / whole).to(points.dtype)
        return (points + 0.5 - corner.to(points.dtype).flip(1)[:, None]) * scale.flip(1)[:, None] - 0.5

    def outside(self, points: Tensor) -> int:
        """How many points (N, K, 2) of the original images lie outside the fitted ones. A point of nan does not."""
        x, y = self.to_input(points).unbind(-1)
        height, width = self.size
        return int(((x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)).sum())

    def keep_padding(self, changed: Tensor, images: Tensor) -> Tensor:
        """The changed images (N, C, H, W), with the padding of the images as it was."""
        return torch.where(self.inside[:, None], changed, images) if self.padded else changed

    def unpadded(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) that were fitted, without their padding: what they show is stretched over the frame."""
        filled = images.clone()
        places, kind = torch.unique(torch.cat(self._placed, 1).long(), dim=0, return_inverse=True)
        for i, (height, width, top, left) in enumerate(places.tolist()):
            of = kind == i
            filled[of] = fitted(images[of, :, top : top + height, left : left + width], self.size)
        return filled


def fitted(images: Tensor, size: Sides, resize: Resize = "stretch") -> Tensor:
    """Images (N, C, H, W), uint8 or float, of one size brought to another, antialiased. The dtype does not change.

    The padding of `letterbox` has the mean colour of its image. So it does not change the mean that an image is
    normalised by.
    """
    given = (images.shape[2], images.shape[3])
    if given == tuple(size):
        return images
    whole, corner = place(given, size, resize)
    shrinks = whole[0] <= given[0] and whole[1] <= given[1]
    parts = []
    for part in images.split(PART):
        x = part.float()
        if whole != given:
            x = (
                F.interpolate(x, whole, mode="area")
                if shrinks
                else F.interpolate(x, whole, mode="bilinear", antialias=True)
            )
        x = _framed(x, size, corner)
        parts.append(x.round().clamp(0, 255).to(torch.uint8) if images.dtype == torch.uint8 else x)
    return torch.cat(parts)


def restored(images: Tensor, given: Sides, resize: Resize) -> Tensor:
    """Images (N, C, H, W) that were fitted, in their original size again: the inverse of `fitted`, except of `crop`."""
    (height, width), (top, left) = place(given, images.shape[2:], resize)
    return fitted(images[:, :, top : top + height, left : left + width], given)


def _framed(x: Tensor, size: Sides, corner: Sides) -> Tensor:
    """Scaled images (N, C, h, w) in a frame of `size`, cut or padded, with their top-left corner at `corner`."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    top, left = corner
    if x.shape[2] > size[0] or x.shape[3] > size[1]:
        return x[:, :, -top : size[0] - top, -left : size[1] - left]
    frame = x.mean((2, 3), keepdim=True).expand(-1, -1, *size).clone()
    frame[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    return frame
