"""Labels of images that are more than numbers: a class of each pixel (`Masks`), and boxes (`Boxes`).

Class indices (N,) and values (N, K) are tensors. `Masks` and `Boxes` answer to the same words: their length,
`labels[index]` for some of them, and `labels.to(device)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import InputError
from ..transforms.mix import Mix, Mosaic
from ..transforms.warp import Warp
from .subsets import chosen

IGNORED = 255  # the value of a pixel that counts nowhere
VISIBLE = 0.3  # least share of a box that must be visible, else it is dropped
MAPPED = 256  # masks whose values are replaced at once
OUTLINE = 32  # points of the ellipse in a box that are warped


class IndexMaps(Protocol):
    """Class indices (N, H, W) uint8: a tensor, or an object that decodes them on access.

    `maps[index]` takes a (B,) int64 tensor and returns a tensor (B, H, W) uint8.
    """

    @property
    def shape(self) -> torch.Size: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: Tensor, /) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Masks:
    """The class of each pixel of N images.

    Args:
        index: (N, H, W) uint8, indices of classes, and `IGNORED` where a pixel counts nowhere. In memory or decoded on
            access.

    Raises:
        InputError: `index` has another dtype or number of axes.
    """

    index: IndexMaps

    def __post_init__(self) -> None:
        dtype = getattr(self.index, "dtype", torch.uint8)
        if dtype != torch.uint8 or len(self.index.shape) != 3:
            raise InputError(
                f"masks of {dtype} {tuple(self.index.shape)}, expected class indices (N, H, W) uint8, with {IGNORED} "
                "for a pixel that counts nowhere. Convert them: masks.to(torch.uint8)"
            )

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: Tensor) -> Masks:
        at = index.to(self.index.device) if isinstance(self.index, Tensor) else index
        return Masks(self.index[at])

    @property
    def tensor(self) -> Tensor:
        """All class indices (N, H, W) uint8 in memory."""
        return self.index if isinstance(self.index, Tensor) else self.index[torch.arange(len(self))]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of each mask in pixels."""
        return int(self.index.shape[1]), int(self.index.shape[2])

    def to(self, device: torch.device | str) -> Masks:
        """The same masks on a device. Masks that are decoded on access stay where they are."""
        return Masks(self.index.to(device)) if isinstance(self.index, Tensor) else self

    def warped(self, warp: Warp) -> Masks:
        """The masks after their images were warped: the value of the nearest pixel, so no new value appears."""
        return Masks(warp.mask(self.tensor[:, None])[:, 0])

    def mixed(self, mix: Mix | Mosaic) -> Masks:
        """The masks after their images were mixed by patches or quarters."""
        whole = mixed = self.tensor
        for index, shown in mix.parts():
            mixed = torch.where(shown, whole[index], mixed)
        return Masks(mixed)

    def subset(self, index: Tensor) -> Masks:
        """The masks at `index` (B,) int64. Those on disk stay there, if they are many."""
        return Masks(chosen(self.index, index))

    def mapped(self, table: Tensor) -> Masks:
        """The masks in memory with another class for each value; `table` (256,) uint8."""
        parts = [table[self[part].tensor.int()] for part in torch.arange(len(self)).split(MAPPED)]
        return Masks(torch.cat(parts))

    def joined(self, *others: Masks) -> Masks:
        """These masks and then the others, of the same size."""
        return Masks(torch.cat([one.tensor for one in (self, *others)]))


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of N images, any number in each, also none.

    Coordinates are of edges: the left edge of the image is 0 and its right edge is its width, so a box that covers only
    the top-left pixel is (0, 0, 1, 1). The centre of that pixel, (0, 0) for points, is (0.5, 0.5) here.

    Args:
        corners: (M, 4) float32: left, top, right, bottom in pixels.
        classes: (M,) int64.
        offsets: (N + 1,) int64: the boxes of image i are `offsets[i]` to `offsets[i + 1]`.
        ignored: (M,) bool: boxes that are in neither losses nor metrics, such as crowds. None: no box.
        scores: (M,) float32 in 0..1: confidence of predicted boxes. None for labels, all of which are certain.

    Raises:
        InputError: shapes or dtypes differ from these, or the offsets do not rise from 0 to M.
    """

    corners: Tensor
    classes: Tensor
    offsets: Tensor
    ignored: Tensor = None  # type: ignore[assignment]  # a tensor after the initialisation, as are the scores
    scores: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.ignored is None:
            object.__setattr__(self, "ignored", torch.zeros_like(self.classes, dtype=torch.bool))
        if self.scores is None:
            object.__setattr__(self, "scores", torch.ones_like(self.classes, dtype=torch.float32))
        count = len(self.corners)
        for name, want, dtype in (
            ("corners", (count, 4), torch.float32),
            ("classes", (count,), torch.int64),
            ("ignored", (count,), torch.bool),
            ("scores", (count,), torch.float32),
        ):
            found = getattr(self, name)
            if tuple(found.shape) != want or found.dtype != dtype:
                raise InputError(
                    f"{name} of boxes are {found.dtype} {tuple(found.shape)}, expected {dtype} {want}: (M, 4) corners, "
                    "and a class, a truth value and a score of each"
                )
        rises = len(self.offsets) > 0 and bool((self.offsets.diff() >= 0).all())
        if not rises or int(self.offsets[0]) or int(self.offsets[-1]) != count:
            raise InputError(
                f"offsets of boxes are {self.offsets.tolist()[:5]}..., expected numbers that rise from 0 to {count}, "
                "one more than images"
            )

    @classmethod
    def of(cls, corners: Sequence[Tensor], classes: Sequence[Tensor], ignored: Sequence[Tensor] | None = None) -> Boxes:
        """Boxes of the tensors of each image: corners (K, 4), classes (K,), and ignored (K,)."""
        counts = torch.tensor([0, *(len(one) for one in corners)])
        return cls(
            torch.cat([one.reshape(-1, 4).float() for one in corners]) if corners else torch.zeros(0, 4),
            torch.cat([one.reshape(-1).long() for one in classes]) if classes else torch.zeros(0).long(),
            counts.cumsum(0),
            torch.cat([one.reshape(-1).bool() for one in ignored]) if ignored else None,  # type: ignore[arg-type]
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> Tensor:
        """(N,) int64, number of boxes of each image."""
        return self.offsets.diff()

    @property
    def image(self) -> Tensor:
        """(M,) int64, index of the image of each box."""
        return torch.repeat_interleave(torch.arange(len(self), device=self.offsets.device), self.counts)

    def __getitem__(self, index: Tensor) -> Boxes:
        index = index.to(self.offsets.device)
        counts, starts = self.counts[index], self.offsets[:-1][index]
        ends = counts.cumsum(0)
        within = torch.arange(int(counts.sum()), device=index.device)
        at = within + torch.repeat_interleave(starts - (ends - counts), counts)
        return self._some(at, counts)

    def _some(self, at: Tensor, counts: Tensor) -> Boxes:
        """The boxes `at` these indices or where this is true, in images with these counts of them."""
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Boxes(self.corners[at], self.classes[at], offsets, self.ignored[at], self.scores[at])

    def to(self, device: torch.device | str) -> Boxes:
        """The same boxes on a device."""
        parts = (self.corners, self.classes, self.offsets, self.ignored, self.scores)
        return Boxes(*(part.to(device) for part in parts))

    def kept(self, keep: Tensor) -> Boxes:
        """The boxes where `keep` (M,) is true, of the same images."""
        counts = torch.zeros(len(self), dtype=torch.int64, device=keep.device).index_add_(0, self.image, keep.long())
        return self._some(keep, counts)

    def at(self, corners: Tensor) -> Boxes:
        """The same boxes with other corners (M, 4)."""
        return replace(self, corners=corners)

    def scaled(self, scale: Tensor, shift: Tensor) -> Boxes:
        """Boxes whose x and y are multiplied by `scale` (N, 2) and then moved by `shift` (N, 2) in pixels."""
        by, to = (part[self.image].repeat(1, 2).to(self.corners.dtype) for part in (scale, shift))
        return self.at(self.corners * by + to)

    def mapped(self, table: Tensor) -> Boxes:
        """The boxes with another class for each one, `table` (C,) int64; those of a class of -1 are dropped."""
        table = table.to(self.classes.device)
        return replace(self, classes=table[self.classes]).kept(table[self.classes] >= 0)

    def clipped(self, size: tuple[int, int] | Tensor, visible: float = 0.0) -> Boxes:
        """Boxes cut off at the frame of `size` (H, W). Those are dropped of which less than `visible` remains.

        Args:
            size: of all images, or (N, 2) of each.
            visible: share of the area in 0..1. A box without area is always dropped.
        """
        if isinstance(size, Tensor):
            frame = size.to(self.corners)[self.image].flip(1).repeat(1, 2)
        else:
            frame = self.corners.new_tensor([size[1], size[0], size[1], size[0]])
        corners = torch.minimum(self.corners.clamp(min=0), frame)
        remains, whole = areas(corners), areas(self.corners)
        return self.at(corners).kept((remains > 0) & (remains >= visible * whole))

    def warped(self, warp: Warp, visible: float = VISIBLE) -> Boxes:
        """The boxes after their images were warped: around the warped outline of each object, within the frame.

        The outline is the ellipse in the box. Few objects fill the corners of their box, so the corners must not
        count: a box around the warped corners of a turned round object is up to 1.4 times too wide. In rendered blood
        smears a detector that had learnt with such boxes found white cells 1.29 times too wide.

        Args:
            visible: see `clipped`.
        """
        angle = torch.arange(OUTLINE, device=self.corners.device) * (2 * math.pi / OUTLINE)
        circle = torch.stack([angle.cos(), angle.sin()], 1)
        low, high = self.corners[:, None, :2], self.corners[:, None, 2:]
        outline = (low + high) / 2 + circle * (high - low) / 2 - 0.5
        moved = warp.subset(self.image).points(outline) + 0.5
        return self.at(torch.cat([moved.amin(1), moved.amax(1)], 1)).clipped(warp.size, visible)

    def joined(self, *others: Boxes) -> Boxes:
        """The boxes of these images and then those of the other images."""
        every = (self, *others)
        names = ("corners", "classes", "counts", "ignored", "scores")
        corners, classes, counts, ignored, scores = (torch.cat([getattr(one, name) for one in every]) for name in names)
        return Boxes(corners, classes, torch.cat([counts.new_zeros(1), counts.cumsum(0)]), ignored, scores)


Labels = Tensor | Masks | Boxes


def areas(corners: Tensor) -> Tensor:
    """Areas (...) of boxes (..., 4); 0 for a box whose ends are in the wrong order."""
    sides = (corners[..., 2:] - corners[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def joined(parts: Sequence[Any]) -> Any:
    """Labels of one kind, one after another."""
    first, *rest = parts
    if isinstance(first, Tensor):
        return torch.cat(list(parts))
    return first.joined(*rest)
