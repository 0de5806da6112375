"""Simulated pools of classifiers whose true accuracy is known."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from pools import pool
from synth2real.select.validators import Pool
from synth2real.tasks import Classification


def blobs(count: int, seed: int, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """Features (N, 2) of three classes around a triangle, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 3
    centres = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    return centres[y] + torch.randn(count, 2, generator=generator) + torch.tensor([shift, 0.0]), y


def classifiers(shift: float, count: int = 5) -> tuple[Pool, Tensor]:
    """Linear classifiers of blobs that are shifted in the target, with different weights; and the true labels."""
    (x, y), (z, truth) = blobs(600, 0), blobs(600, 1, shift)
    generator = torch.Generator().manual_seed(2)
    heads = [torch.tensor([[2.0, -1.0, -1.0], [0.0, 1.7, -1.7]]) + 0.3 * torch.randn(2, 3, generator=generator)]
    heads += [heads[0] + 0.6 * torch.randn(2, 3, generator=generator) for _ in range(count - 1)]
    source, target = [x @ head for head in heads], [z @ head for head in heads]
    task = Classification(("a", "b", "c"))
    return pool(task, target, source=source, labels=y, features=[(x, z)] * count), truth


def votes(
    truth: Tensor, accuracies: Sequence[float], classes: int, generator: torch.Generator, shared: float = 0.0
) -> Tensor:
    """Predicted classes (M, N) of classifiers with these accuracies.

    Args:
        truth: labels (N,).
        accuracies: of each classifier.
        classes: number of classes.
        generator: random generator.
        shared: share of samples on which the classifiers err together and with the same class.
    """

    def random() -> tuple[Tensor, Tensor]:
        other = (truth + torch.randint(1, classes, truth.shape, generator=generator)) % classes
        return torch.rand(len(truth), generator=generator), other

    hard, same = random()
    found = []
    for accuracy in accuracies:
        own, other = random()
        together = torch.rand(len(truth), generator=generator) < shared
        wrong = torch.where(together, hard, own) >= accuracy
        found.append(torch.where(wrong, torch.where(together, same, other), truth))
    return torch.stack(found)


def voting(
    source: float,
    target: Sequence[float],
    classes: int,
    *,
    held: int = 200,
    seen: int = 300,
    shared: float = 0.0,
    seed: int = 0,
) -> tuple[Pool, Tensor]:
    """A pool of classifiers with one accuracy on the source and others on the target; and these as sampled (M,)."""
    generator = torch.Generator().manual_seed(seed)
    labels, truth = torch.arange(held) % classes, torch.randint(0, classes, (seen,), generator=generator)
    on_source = votes(labels, [source] * len(target), classes, generator, shared)
    on_target = votes(truth, target, classes, generator, shared)
    outputs = [[10.0 * F.one_hot(one, classes) for one in domain] for domain in (on_source, on_target)]
    task = Classification(tuple(f"class {i}" for i in range(classes)))
    return pool(task, outputs[1], source=outputs[0], labels=labels), (on_target == truth).double().mean(1)
