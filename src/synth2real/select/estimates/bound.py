"""Dis²: a lower bound of the accuracy on the target."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.groups import Groups, independent_units, of_samples
from ..validators import Candidate, Pool
from .base import errors_on_source

STEPS, RATE, RESTARTS = 200, 0.05, 3  # of the critic's training


def disagreement_bound(pool: Pool, index: int, confidence: float = 0.95) -> float:
    """Dis²: a lower bound of the accuracy on the target, at this confidence level and under the assumption below.

    A critic is trained on half of the samples. It is a linear head on the candidate's features. It learns to agree with
    the candidate on the source and to disagree with it on the target. The other half of the samples measures how much
    more the critic disagrees on the target than on the source. The error is assumed to grow by this amount. The bound
    subtracts from 1 this growth, the source error, and a margin for the number of samples. With groups, the halves are
    of whole groups and the margin is for the number of groups; it is 0 if a domain has a single group.

    Assumes that the true labels differ from the candidate's predictions no more than the best critic does. In other
    words, a linear head on the features can express the worst case. The assumption fails if the features contain no
    information about the label, or if they were trained to be alike in both domains.

    References:
        Rosenfeld & Garg (2023). (Almost) provable error bounds under distribution shift via disagreement discrepancy.
        NeurIPS.
    """
    one, groups = pool.candidates[index], (pool.source_groups, pool.target_groups)
    if any(of is not None and len(of.unique()) < 2 for of in groups):
        return 0.0
    halves = [_half(len(z), of) for z, of in zip((one.source, one.target), groups, strict=True)]
    trained = [(z[h], y[h].argmax(1)) for z, y, h in zip(_both(one), (one.source, one.target), halves, strict=True)]
    tested = [(z[~h], y[~h].argmax(1)) for z, y, h in zip(_both(one), (one.source, one.target), halves, strict=True)]
    gaps = []
    for restart in range(RESTARTS):
        critic = _critic(*trained[0], *trained[1], pool.task.outputs, restart)
        apart_on = [[float((critic(z).argmax(1) != y).double().mean()) for z, y in part] for part in (trained, tested)]
        gaps.append((apart_on[0][1] - apart_on[0][0], apart_on[1][1] - apart_on[1][0]))
    gap = max(gaps)[1]  # test result of the critic that was best on its training half
    sources, targets = (
        independent_units(int((~h).sum()), of_samples(of, ~h)) for h, of in zip(halves, groups, strict=True)
    )
    margin = math.sqrt((sources + 4 * targets) * math.log(1 / (1 - confidence)) / (2 * sources * targets))
    risk = float(errors_on_source(pool, index).mean())
    return max(0.0, 1 - risk - gap - margin)


def _half(count: int, groups: Groups) -> Tensor:
    """Every other sample, or every other group: (N,) bool."""
    place = torch.arange(count) if groups is None else groups.unique(return_inverse=True)[1]
    return place % 2 == 0


def _critic(
    source: Tensor, agreed: Tensor, target: Tensor, disputed: Tensor, classes: int, seed: int
) -> torch.nn.Module:
    """A linear head, trained to predict `agreed` (N,) on the source and any class but `disputed` (M,) on the target."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        critic = torch.nn.Linear(source.shape[1], classes)
    optimizer = torch.optim.Adam(critic.parameters(), lr=RATE)
    others = ~F.one_hot(disputed, classes).bool()
    for _ in range(STEPS):
        outputs = critic(target)
        against = outputs.masked_select(others).view(len(outputs), classes - 1).mean(1)
        own = outputs.gather(1, disputed[:, None])[:, 0]
        loss = F.cross_entropy(critic(source), agreed) / math.log(classes) + F.softplus(
            own - against
        ).mean() / math.log(2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return critic.requires_grad_(False)


def _both(one: Candidate) -> list[Tensor]:
    """Features of both domains, standardised with the mean and deviation of the source."""
    mean, std = one.source_features.mean(0), one.source_features.std(0).clamp(min=1e-4)
    return [((z - mean) / std).clamp(-10, 10) for z in (one.source_features, one.target_features)]
