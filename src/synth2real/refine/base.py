"""Base classes of the refiners. A refiner maps images to images of the same shape, dtype and range, in batches."""

from __future__ import annotations

import dataclasses
import functools
from abc import abstractmethod
from typing import Any, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.domains import Inputs, Labelled, Unlabelled, to_float
from ..errors import InputError
from ..settings import settings
from ..training.hardware import Hardware
from ..training.loop import Algorithm, Loop, Progress, Report, Trainer
from ..training.mapping import Mapping
from .crops import Crops, crop_of
from .tiles import TILE, Tiling


@settings
class Rejection:
    """The setting that every refiner has.

    Args:
        reject: share of the refined images to leave out, 0 to below 1: those with the highest label displacement.
    """

    reject: float = Field(default=0.0, ge=0, lt=1)


class ImageMapping(Rejection, Mapping):
    """A mapping of images. Each method implements `learn`, and `refine` for one batch."""

    in_tiles: ClassVar[bool] = False  # True: large images are refined tile by tile; False: each pixel needs them whole
    hardware: Hardware | None = None  # of the training; detected if the refiner was loaded

    def check(self, source: Labelled) -> None:
        if len(source.shape) != 3:
            raise InputError(
                f"refine {self.name} needs images, found features of shape {source.shape}. "
                "Choose --refine none or an adapt method, which support features"
            )
        if source.shape[0] not in (1, 3):
            raise InputError(
                f"refine {self.name} takes images of 1 or 3 channels, found {source.shape[0]}. "
                "Convert both domains with --channels 1 or --channels 3"
            )

    def fit(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None = None) -> Self:
        self.check(source)
        if source.shape != target.shape:
            raise InputError(
                f"refine {self.name}: the source has images of {source.shape}, the target of {target.shape}, expected "
                "the same shape in both. Convert them on load with --size and --channels"
            )
        self.shape, self.hardware = source.shape, loop.hardware
        self.learn(source, target, loop, report)
        return self

    @abstractmethod
    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        """Learn from both domains, which have images of the same shape. All randomness comes from `loop.seed`."""

    @abstractmethod
    def refine(self, x: Tensor) -> Tensor:
        """Refined images for `x` (B, C, H, W) float32 in 0..1.

        Each result depends on its own image only. Values can leave 0..1.
        """

    @torch.inference_mode()
    def transform(self, x: Tensor) -> Tensor:
        """Refined images. The dtype is that of `x`: (N, C, H, W) uint8, or float32 in 0..1.

        Raises:
            InputError: the images do not have the shape of the training images.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise InputError(
                f"refine {self.name} was trained on images of {self.shape} (channels, height, width), found "
                f"{tuple(x.shape[1:])}. Convert them on load with --size and --channels"
            )
        hardware = self.hardware or Hardware.detect()
        refined = torch.empty_like(x, memory_format=torch.contiguous_format)
        for part in torch.arange(len(x)).split(hardware.chunk(x.shape[2] * x.shape[3])):
            refined[part] = self.refined(x[part], hardware)
        return refined

    def refined(self, x: Tensor, hardware: Hardware) -> Tensor:
        """One batch on the CPU, refined, in the dtype of `x`."""
        batch = to_float(x.to(hardware.device)).contiguous(memory_format=hardware.memory_format)
        mapped = self.refine(batch).clamp(0, 1)
        return (mapped * 255).round().to("cpu", x.dtype) if x.dtype == torch.uint8 else mapped.cpu()


class TrainedMapping(ImageMapping, Algorithm):
    """A refiner trained by the training loop. It has a network that maps the images (`refiner`) and its adversaries.

    It is trained on random crops of large images, and applied to the whole images in overlapping tiles, so neither the
    cost of a step nor the memory grows with the images. See `crops.crop_of` and `tiles.Tiling`.

    Args:
        steps: training steps.
        crop: side of the crops in pixels. None: images whose longer side is at most 128 pixels are not cropped, larger
            ones to 96 by 96.
    """

    in_tiles: ClassVar[bool] = True
    steps: int
    crop: int | None
    refiner: nn.Module
    _tiling: Tiling | None
    pretraining: ClassVar[tuple[str, ...]] = ()  # settings that count steps before `steps`

    @property
    def all_steps(self) -> int:
        """Steps of the loop, including the pretraining."""
        return self.steps + sum(int(getattr(self, name)) for name in self.pretraining)

    def lasting(self, steps: int) -> Self:
        """A copy that trains for this number of steps in all, 1 or more.

        If there are fewer steps than in `all_steps`, the pretraining is shortened in proportion. More steps are added
        after the pretraining.
        """
        own = self.all_steps
        parts: dict[str, Any] = {name: getattr(self, name) * min(steps, own) // own for name in self.pretraining}
        parts["steps"] = steps - sum(parts.values())
        return dataclasses.replace(self, **parts)

    @abstractmethod
    def build(self, shape: tuple[int, ...]) -> None:
        """Build `self.refiner` and the other networks for crops of `shape`. Add all of them to `self.networks`."""

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        self.prepare(source.shape, loop)
        loop = dataclasses.replace(loop, steps=self.all_steps, randomize=None)
        crop = crop_of(source.shape, self.crop)
        if crop != source.shape:
            source = dataclasses.replace(source, inputs=Crops(source.inputs, crop, 2 * loop.seed))
            target = dataclasses.replace(target, inputs=Crops(target.inputs, crop, 2 * loop.seed + 1))
        Trainer(self, source, target, loop).run(report)

    def prepare(self, shape: tuple[int, ...], loop: Loop) -> None:
        """Build the networks for images of `shape` (C, H, W), of which they see crops.

        The loop's seed determines the initial weights.
        """
        self.shape, self.hardware, self._tiling = shape, loop.hardware, None
        with torch.random.fork_rng([]):
            torch.manual_seed(loop.seed)
            self.build(crop_of(shape, self.crop))

    def refine(self, x: Tensor) -> Tensor:
        assert self.hardware is not None
        with self.hardware.applying().autocast():
            refined: Tensor = self.refiner(x)
        return refined.float()

    def refined(self, x: Tensor, hardware: Hardware) -> Tensor:
        if max(x.shape[2:]) <= TILE:
            return super().refined(x, hardware)
        self._tiling = self._tiling or Tiling(self.refiner, x.shape[1])
        whole = functools.partial(super().refined, hardware=hardware)
        return torch.stack([self._tiling.apply(whole, image, hardware.chunk(TILE * TILE)) for image in x])

    def learnt(self) -> dict[str, Tensor]:
        return dict(self.refiner.state_dict())

    def take(self, learnt: dict[str, Tensor]) -> None:
        self.prepare(self.shape, Loop(steps=1))
        self.refiner.load_state_dict(learnt)
        assert self.hardware is not None
        self.refiner.to(self.hardware.device, memory_format=self.hardware.memory_format)  # type: ignore[call-overload]


@settings
class Translation(TrainedMapping):
    """A translator and its critic. All methods for unpaired images train them in the same way.

    Args:
        steps: training steps.
        crop: as in `TrainedMapping`.
        history: number of translated images in the critic's buffer.
        maps, blocks: size of a translator.
        smoothness: weight of the squared gradient of a critic with respect to real images; the papers have none. It
            keeps a critic from winning if the images are few and small.
        rate: learning rate of all networks. It falls to zero over the second half.
        reject: as in `Rejection`.
    """

    steps: int = Field(default=600, ge=1)
    crop: int | None = Field(default=None, ge=8)
    history: int = Field(default=512, ge=1)
    maps: int = Field(default=32, ge=1)
    blocks: int = Field(default=2, ge=0)
    smoothness: float = Field(default=0.3, ge=0)
    rate: float = Field(default=5e-4, gt=0)

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=self.rate, betas=(0.5, 0.999))

    def learning_rate(self, progress: Progress) -> float:
        return self.rate * min(1.0, 2 * (1 - progress.fraction))


def some(inputs: Inputs, most: int, seed: int) -> Tensor:
    """At most `most` images (M, C, H, W) float32 in 0..1, sampled with `seed`."""
    index = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))[:most]
    return to_float(inputs[index.sort().values])


def pick(x: Tensor, count: int) -> Tensor:
    """A pseudo-random index (B,) int64 below `count` for each image (B, C, H, W) in 0..1.

    The index depends on the pixels only. An image therefore always gets the same index, in every batch and every call.
    """
    levels = (x * 255).round().to(torch.int64).flatten(1)
    generator = torch.Generator().manual_seed(1)
    factors = torch.randint(1, 2**62, (levels.shape[1],), generator=generator).to(x.device)
    mixed = (levels * factors).sum(1)  # modulo 2 ** 64
    return ((mixed >> 20) & (2**40 - 1)) % count
