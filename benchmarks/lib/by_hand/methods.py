"""Methods that train on the losses of their papers."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.lib.by_hand.base import ByHand, Precision, cosine, falling, ramp, rising
from benchmarks.lib.by_hand.losses import (
    confusion,
    coral,
    entropy,
    gram_distances,
    joint_mmd,
    margin_disparity,
    mmd,
    stepwise,
    subspace_distance,
)
from benchmarks.lib.by_hand.networks import normalised, reverse


class SourceOnly(ByHand):
    uses_target = False

    def loss(self, x: Tensor, y: Tensor, z: Tensor, progress: float) -> Tensor:
        return F.cross_entropy(self.head(self.embed(x)).float(), y)


class OfBoth(ByHand):
    """Methods with a loss on the features of both domains."""

    def loss(self, x: Tensor, y: Tensor, z: Tensor, progress: float) -> Tensor:
        known, unknown = self.embed(torch.cat([x, z])).split([len(x), len(z)])
        return self.beside(F.cross_entropy(self.head(known).float(), y), known, unknown)

    def beside(self, label: Tensor, known: Tensor, unknown: Tensor) -> Tensor:
        """The whole loss."""
        raise NotImplementedError


class DeepCORAL(OfBoth):
    def beside(self, label: Tensor, known: Tensor, unknown: Tensor) -> Tensor:
        return label + 10 * coral(known, unknown)


class AFN(OfBoth):
    def beside(self, label: Tensor, known: Tensor, unknown: Tensor) -> Tensor:
        return label + 0.0005 * (stepwise(known) + stepwise(unknown))


class RSD(OfBoth):
    def beside(self, label: Tensor, known: Tensor, unknown: Tensor) -> Tensor:
        return label + 0.005 * label.detach() * subspace_distance(known, unknown)


class DAREGRAM(OfBoth):
    def beside(self, label: Tensor, known: Tensor, unknown: Tensor) -> Tensor:
        angle, scale = gram_distances(known, unknown)
        return label + label.detach() * (0.05 * angle + 0.001 * scale)


class OfOutputs(ByHand):
    """Methods with a loss on features and outputs of both domains."""

    def loss(self, x: Tensor, y: Tensor, z: Tensor, progress: float) -> Tensor:
        features = self.embed(torch.cat([x, z]))
        outputs = self.head(features)
        label = F.cross_entropy(outputs[: len(x)].float(), y)
        return label + self.beside(features, outputs, len(x), progress)

    def beside(self, features: Tensor, outputs: Tensor, sources: int, progress: float) -> Tensor:
        """What is added to the label loss."""
        raise NotImplementedError


class DAN(OfOutputs):
    def beside(self, features: Tensor, outputs: Tensor, sources: int, progress: float) -> Tensor:
        layers = features, outputs.softmax(1)
        return mmd(layers[0][:sources], layers[0][sources:]) + mmd(layers[1][:sources], layers[1][sources:])


class JAN(OfOutputs):
    def beside(self, features: Tensor, outputs: Tensor, sources: int, progress: float) -> Tensor:
        layers = features, outputs.softmax(1)
        return joint_mmd([layer[:sources] for layer in layers], [layer[sources:] for layer in layers])


class MCC(OfOutputs):
    def beside(self, features: Tensor, outputs: Tensor, sources: int, progress: float) -> Tensor:
        return rising(progress) * confusion(outputs[sources:].float())


class EntropyMinimisation(OfOutputs):
    def beside(self, features: Tensor, outputs: Tensor, sources: int, progress: float) -> Tensor:
        unknown = outputs[sources:].float().softmax(1)
        return 0.1 * rising(progress) * entropy(unknown).mean() / math.log(outputs.shape[1])


class DANN(OfBoth):
    schedule = staticmethod(falling)

    def build(self, networks: dict[str, nn.Module]) -> None:
        self.critic = networks["critic"]

    def trained(self) -> list[nn.Module]:
        return [self.features, self.head, self.critic]

    def loss(self, x: Tensor, y: Tensor, z: Tensor, progress: float) -> Tensor:
        features = self.embed(torch.cat([x, z]))
        label = F.cross_entropy(self.head(features[: len(x)]).float(), y)
        logits = self.critic(reverse(features, ramp(progress))).flatten()
        return label + F.binary_cross_entropy_with_logits(logits, domains(logits, len(x)))


class CDAN(OfOutputs):
    schedule = staticmethod(falling)

    def build(self, networks: dict[str, nn.Module]) -> None:
        self.critic = networks["critic"]

    def trained(self) -> list[nn.Module]:
        return [self.features, self.head, self.critic]

    def beside(self, features: Tensor, outputs: Tensor, sources: int, progress: float) -> Tensor:
        predictions = outputs.detach().softmax(1)
        reversed_features = reverse(features, ramp(progress))
        logits = self.critic(torch.einsum("nf,nc->nfc", reversed_features, predictions).flatten(1)).flatten()
        weights = 1 + torch.exp(-entropy(predictions))
        weights = torch.cat([part / part.mean() for part in (weights[:sources], weights[sources:])])
        each = F.binary_cross_entropy_with_logits(logits, domains(logits, sources), reduction="none")
        return (weights * each).mean()


class MDD(CDAN):
    def beside(self, features: Tensor, outputs: Tensor, sources: int, progress: float) -> Tensor:
        predicted = outputs.detach().argmax(1)
        against = self.critic(reverse(features, 0.1 * ramp(progress))).float()
        return margin_disparity(against[:sources], predicted[:sources], against[sources:], predicted[sources:])


def domains(logits: Tensor, sources: int) -> Tensor:
    """1 for each source sample, 0 for each target sample."""
    truth = torch.zeros_like(logits)
    truth[:sources] = 1
    return truth


class ADDA(ByHand):
    """One step of the source, then a target encoder against a critic, at a fiftieth of the learning rate."""

    def build(self, networks: dict[str, nn.Module]) -> None:
        self.encoder, self.critic = copy.deepcopy(self.features), networks["critic"]
        self.of_encoder, self.of_critic = self.adam(self.encoder), self.adam(self.critic)

    def shipped(self) -> list[nn.Module]:
        return [self.encoder, self.head]

    def step(
        self, x: Tensor, y: Tensor, z: Tensor, step: int, steps: int, autocast: Precision = nullcontext
    ) -> list[Tensor]:
        losses = self.of_source(x, y, autocast) if step == 0 else self.of_target(x, z, step - 1, steps - 1, autocast)
        self.average.follow(step)
        return losses

    def of_source(self, x: Tensor, y: Tensor, autocast: Precision) -> list[Tensor]:
        self.set_rate(self.optimizer, self.rate * cosine(0, 1))
        with autocast():
            loss = F.cross_entropy(self.head(self.embed(x)).float(), y)
        self.update(self.optimizer, loss)
        self.encoder.load_state_dict(self.features.state_dict())
        return [loss.detach()]

    def of_target(self, x: Tensor, z: Tensor, step: int, steps: int, autocast: Precision) -> list[Tensor]:
        for optimizer in (self.of_critic, self.of_encoder):
            self.set_rate(optimizer, 0.02 * self.rate * cosine(step, steps))
        with autocast():
            with torch.no_grad():
                theirs = self.embed(x)
            ours = self.encoder(normalised(z))
            logits = self.critic(torch.cat([theirs, ours.detach()])).flatten()
            domain = F.binary_cross_entropy_with_logits(logits, domains(logits, len(x)))
        self.update(self.of_critic, domain)
        with autocast():
            deceived = self.critic(ours).flatten()
            deceive = F.binary_cross_entropy_with_logits(deceived, torch.ones_like(deceived))
        self.update(self.of_encoder, deceive)
        return [domain.detach(), deceive.detach()]


class MCD(ByHand):
    """Two heads that disagree on the target, and features that make them agree, four times a step."""

    def build(self, networks: dict[str, nn.Module]) -> None:
        self.second = networks["second"]
        self.of_features, self.of_heads = self.adam(self.features), self.adam(self.head, self.second)

    def step(
        self, x: Tensor, y: Tensor, z: Tensor, step: int, steps: int, autocast: Precision = nullcontext
    ) -> list[Tensor]:
        for optimizer in (self.of_features, self.of_heads):
            self.set_rate(optimizer, self.rate * self.schedule(step, steps))
        with autocast():
            label = self.of_both_heads(self.embed(x), y)
        self.update([self.of_features, self.of_heads], label)
        with autocast():
            with torch.no_grad():
                known, unknown = self.embed(torch.cat([x, z])).split([len(x), len(z)])
            disagree = self.of_both_heads(known, y) - 2 * self.apart(unknown)
        self.update(self.of_heads, disagree)
        losses = [label.detach(), disagree.detach()]
        for _ in range(4):
            with autocast():
                agree = 2 * self.apart(self.embed(z))
            self.update(self.of_features, agree)
            losses.append(agree.detach())
        self.average.follow(step)
        return losses

    def of_both_heads(self, features: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.head(features), y) + F.cross_entropy(self.second(features), y)

    def apart(self, features: Tensor) -> Tensor:
        one, other = (head(features).float().softmax(1) for head in (self.head, self.second))
        apart: Tensor = (one - other).abs()
        return apart.mean()


class Untied(ByHand):
    """The first layer is separate for each domain, close to a linear map of the source's."""

    def build(self, networks: dict[str, nn.Module]) -> None:
        first, others = list(self.features)[:2], list(self.features)[2:]
        self.own, self.tied = copy.deepcopy(nn.ModuleList(first)), nn.ModuleList(first)
        self.stream = nn.Sequential(*self.own, *others)
        self.maps = nn.ParameterList([torch.ones(()), torch.zeros(())])

    def trained(self) -> list[nn.Module]:
        return [self.features, self.head, self.own, self.maps]

    def shipped(self) -> list[nn.Module]:
        return [self.stream, self.head]

    def loss(self, x: Tensor, y: Tensor, z: Tensor, progress: float) -> Tensor:
        known, unknown = self.embed(x), self.stream(normalised(z))
        pairs = zip(self.tied.parameters(), self.own.parameters(), strict=True)
        scale, level = self.maps
        related = torch.stack([(scale * s + level - t).square().sum() for s, t in pairs]).sum().expm1()
        return F.cross_entropy(self.head(known).float(), y) + mmd(known, unknown) + related


class Masks(SourceOnly):
    """The source alone for masks: cross entropy of each pixel, and Dice of each class over the batch."""

    rate = 4e-3

    def loss(self, x: Tensor, y: Tensor, z: Tensor, progress: float) -> Tensor:
        logits = F.interpolate(self.head(self.embed(x)).float(), y.shape[1:], mode="bilinear", align_corners=False)
        truth = F.one_hot(y.long(), logits.shape[1]).movedim(-1, 1).float()
        predicted = logits.softmax(1)
        common, both = (predicted * truth).sum((0, 2, 3)), (predicted + truth).sum((0, 2, 3))
        return F.cross_entropy(logits, y.long()) + 1 - ((2 * common + 1) / (both + 1)).mean()
