"""Methods whose target labels come from the model itself, or from its average."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.lib.by_hand.base import ByHand, rising
from benchmarks.lib.by_hand.networks import RunningMean, normalised, target_stream


class Teacher(ByHand):
    """The average of the weights labels the target; labels follow the source's balance and count if confident."""

    rate = 3e-3

    def build(self, networks: dict[str, nn.Module]) -> None:
        self.balance, self.seen = RunningMean(0.1), RunningMean(0.1)

    def student(self, x: Tensor, z: Tensor) -> Tensor:
        return self.embed(torch.cat([x, z]))

    def aligned(self, said: Tensor, y: Tensor) -> Tensor:
        """Probabilities (N, C) for log-probabilities `said`, whose mean follows the source's balance."""
        wanted = self.balance.update(F.one_hot(y, said.shape[1]).float().mean(0))
        seen = self.seen.update(said.exp().mean(0))
        aligned: Tensor = said + wanted.clamp(min=1e-6).log() - seen.clamp(min=1e-6).log()
        return aligned.softmax(1)

    def loss(self, x: Tensor, y: Tensor, z: Tensor, progress: float) -> Tensor:
        known, unknown = self.head(self.student(x, z)).float().split([len(x), len(z)])
        with torch.no_grad():
            confidence, labels = self.aligned(self.average(normalised(z)).float().log_softmax(1), y).max(1)
            counts = (confidence >= 0.9 * known.softmax(1).amax(1).mean()).float()
        pseudo: Tensor = (counts * F.cross_entropy(unknown, labels, reduction="none")).mean()
        label: Tensor = F.cross_entropy(known, y)
        return label + rising(progress) * pseudo


class MIC(Teacher):
    """The student sees images with hidden squares."""

    def student(self, x: Tensor, z: Tensor) -> Tensor:
        side = max(1, round(2 / 7 * min(z.shape[2:])))
        cells = [-(-length // side) for length in z.shape[2:]]
        hidden = (torch.rand(len(z), 1, *cells) < 0.7).float()
        whole = F.interpolate(hidden, scale_factor=side)[..., : z.shape[2], : z.shape[3]]
        return self.embed(torch.cat([x, torch.where(whole > 0, z.mean((2, 3), keepdim=True), z)]))


class DSBN(Teacher):
    """Batch normalisation of its own for each domain."""

    def build(self, networks: dict[str, nn.Module]) -> None:
        super().build(networks)
        self.features, self.stream = target_stream(self.features)

    def trained(self) -> list[nn.Module]:
        own = [layer for layer in self.stream if isinstance(layer, nn.BatchNorm2d)]
        return [self.features, self.head, *own]

    def shipped(self) -> list[nn.Module]:
        return [self.stream, self.head]

    def student(self, x: Tensor, z: Tensor) -> Tensor:
        return torch.cat([self.embed(x), self.stream(normalised(z))])


class AdaMatch(Teacher):
    """Weak and strong views of both domains, which are equal here, and labels of the student itself."""

    rate, decay = 1e-3, 0.999

    def loss(self, x: Tensor, y: Tensor, z: Tensor, progress: float) -> Tensor:
        outputs = self.head(self.embed(torch.cat([x, x, z, z]))).float()
        known, weak, strong = outputs.split([2 * len(x), len(z), len(z)])
        label: Tensor = F.cross_entropy(known, torch.cat([y, y]))
        with torch.no_grad():
            confidence, labels = self.aligned(weak.log_softmax(1), y).max(1)
            counts = (confidence >= 0.9 * known[: len(x)].softmax(1).amax(1).mean()).float()
        pseudo: Tensor = (counts * F.cross_entropy(strong, labels, reduction="none")).mean()
        return 2 * label + rising(progress) * pseudo
