"""CUT: each patch of the translated image must match the source patch at the same place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.adversarial import Translator, slope, square_loss
from ..networks.layers import PatchCritic, mlp
from ..settings import settings
from ..training.loop import Progress, SourceBatch, TargetBatch, Update
from .base import Translation
from .history import History

EMBEDDING = 64  # width of a patch's embedding (256 in the paper, for images of 256 by 256)


@settings
class CUT(Translation):
    """Contrastive unpaired translation: each translated patch must match the source patch at the same place.

    There is one translator and one critic, and no inverse translator. A contrastive loss preserves the content. It uses
    the translator's own features: among the patches of one image, the translated patch must be closest to the source
    patch at its place. The structure is preserved, while texture and colour can change. The cost is half that of
    CycleGAN.

    Differences from the paper: the translator predicts a change of its input, and networks are smaller. Patches are
    taken from all stages of the encoder. The two contrastive losses are summed, as in the paper's equation; the
    authors' code averages them.

    References:
        Park, Efros, Zhang & Zhu (2020). ECCV. arXiv:2007.15651.

    Args:
        steps, crop, maps, blocks, smoothness, rate, reject: as in `Translation`.
        history: as in `Translation` (none in the paper).
        contrast: weight of the contrastive loss between source and translated patches (1 in the paper).
        identity: weight of the same loss on target images, which should not change (1 in the paper).
        patches: number of places sampled in each image (256 in the paper, for images of 256 by 256).
        temperature: temperature of the contrastive loss (0.07 in the paper).
    """

    name: ClassVar[str] = "cut"

    contrast: float = Field(default=1.0, ge=0)
    identity: float = Field(default=1.0, ge=0)
    patches: int = Field(default=64, ge=2)
    temperature: float = Field(default=0.07, gt=0)

    def build(self, shape: tuple[int, ...]) -> None:
        self.refiner = Translator(shape[0], self.maps, self.blocks)
        self.critic, self.past = PatchCritic(shape[0]), History(self.history, shape)
        self.projections = nn.ModuleList(mlp(width, (EMBEDDING,), EMBEDDING) for width in self.refiner.widths)
        self.networks = {
            "refiner": self.refiner,
            "critic": self.critic,
            "projections": self.projections,
            "history": self.past,
        }

    def patch_contrast(self, before: Tensor, after: Tensor) -> Tensor:
        """Contrastive loss of the patches of `after` against the patches of `before`, images (N, C, H, W)."""
        assert isinstance(self.refiner, Translator)
        pairs = zip(self.projections, self.refiner.features(before), self.refiner.features(after), strict=True)
        losses = []
        for project, old, new in pairs:
            places = torch.randperm(old.shape[2] * old.shape[3], device=old.device)[: self.patches]
            keys, queries = (F.normalize(project(z.flatten(2)[..., places].mT), dim=2) for z in (old, new))
            losses.append(contrast(queries, keys.detach(), self.temperature))
        return torch.stack(losses).mean()

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        refined = self.refiner(source.clean)
        yield Update(
            of=(self.refiner, self.projections),
            realism=(1.0, square_loss(self.critic(refined), real=True)),
            contrast=(self.contrast, self.patch_contrast(source.clean, refined)),
            identity=(self.identity, self.patch_contrast(target.clean, self.refiner(target.clean))),
        )
        made, true = self.critic(self.past.mix(refined.detach())), self.critic(target.clean)
        yield Update(
            of=(self.critic,),
            critic=(1.0, (square_loss(made, real=False) + square_loss(true, real=True)) / 2),
            slope=(self.smoothness, slope(self.critic, target.clean)),
        )


def contrast(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross entropy of finding the key of each query among the keys of its image.

    Args:
        queries, keys: (N, P, F) of unit length. A query and a key of the same place belong together.
        temperature: divides the inner products.
    """
    logits = queries @ keys.mT / temperature
    own = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    return F.cross_entropy(logits.flatten(0, 1), own.flatten())
