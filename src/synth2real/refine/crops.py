"""Random crops of large images, on which refiners are trained: the cost of a step does not grow with the image."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from ..data.batch_sampler import Runs
from ..data.domains import Inputs

WHOLE, CROP = 128, 96  # pixels: images whose longer side is at most `WHOLE` are not cropped, others to this side
AT_ONCE = 2**24  # values of whole images in memory at once


def crop_of(shape: tuple[int, ...], crop: int | None) -> tuple[int, ...]:
    """Shape (C, H, W) of a crop of images of `shape`.

    Args:
        crop: side in pixels; a shorter side of the image stays as it is. None: see `WHOLE` and `CROP`.
    """
    channels, *sides = shape
    side = crop or (WHOLE if max(sides) <= WHOLE else CROP)
    return (channels, *(min(one, side) for one in sides))


class Crops:
    """Inputs that give a random crop of each image.

    The places follow from the seed and from the indices of the batch, so a resumed training gets the same crops.

    Args:
        inputs: images (N, C, H, W).
        shape: (C, h, w) of a crop.
        seed: of the places.
    """

    def __init__(self, inputs: Inputs, shape: tuple[int, ...], seed: int) -> None:
        self.inputs, self.seed, self.shape = inputs, seed, torch.Size((len(inputs), *shape))
        self.decodes: bool = getattr(inputs, "decodes", False)
        self.runs: Runs | None = getattr(inputs, "runs", None)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return self.part(index, slice(None))

    def part(self, index: Tensor, rows: slice) -> Tensor:
        """The same as `self[index][rows]`; it reads no other samples."""
        height, width = self.shape[2:]
        free = torch.tensor(self.inputs.shape[2:]) - torch.tensor((height, width)) + 1
        drawn = torch.rand(len(index), 2, generator=self._generator(index), dtype=torch.float64)
        places, index = (drawn * free).long()[rows], index[rows]
        most = max(1, AT_ONCE // self.inputs.shape[1:].numel())
        cut = [
            image[:, top : top + height, left : left + width].clone()  # a view would keep the whole image
            for part, corners in zip(index.split(most), places.split(most), strict=True)
            for image, (top, left) in zip(self.inputs[part], corners.tolist(), strict=True)
        ]
        return torch.stack(cut) if cut else self.inputs[index][..., :height, :width]

    def _generator(self, index: Tensor) -> torch.Generator:
        mixed = hashlib.sha256(index.cpu().numpy().tobytes() + self.seed.to_bytes(8, "little", signed=True))
        return torch.Generator().manual_seed(int.from_bytes(mixed.digest()[:7], "little"))
