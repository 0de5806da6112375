"""Accuracies from agreements: estimate the accuracy of each classifier from how often pairs of classifiers agree.

All quantities are corrected for chance. The *skill* of a classifier with the accuracy p is (p - 1 / C) / (1 - 1 / C):
0 at chance, 1 if all predictions are right. The *agreement* of two classifiers is the correlation of their one-hot
predictions: 0 if they are independent, or if one predicts a single class; 1 if they are equal.

The law: two classifiers with the skills s and t have the agreement s t + r sqrt((1 - s^2) (1 - t^2)). This is the
formula of a partial correlation. Here r is the dependence of their errors: 0 if they err independently, 1 if they make
the same errors. It does not depend on the number of classes.

References:
    Platanios, Blum & Mitchell (2014). Estimating accuracy from unlabeled data. UAI. (accuracies from agreements)
    Gorodkin (2004). Comparing two K-category assignments by a K-category correlation coefficient. Computational
    Biology and Chemistry 28. (agreement)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.groups import Groups, half_width

# Constants of the law, from `benchmarks.quality.selection.agreements` (quick models) and `validators` (networks).
# Those ending in OFF are standard deviations for many classes. With C classes they are larger by the factor 1 + 2 / C.
ON_SOURCE = 0.5  # dependence of errors on the source, in the mean; 0.4 to 0.6
LOOSENED = 0.4  # log(1 - r) changes from source to target by this factor times the change of skill
CHANGE = -0.7  # change of the skill from source to target, as a difference of Fisher's z; -0.9 and -0.5
CHANGE_OFF = 0.6  # of this change between pools; 0.4 was measured, but others' gaps differ more
SKILL_OFF = 0.27  # of the change of a classifier, around that of its pool
DEPENDENCE_OFF = 0.22  # of log(1 - r) of a pool, around what follows from the source
PAIR_OFF = 0.25  # of log(1 - r) of a pair, around that of its pool
PARTNERS = 3  # agreements of one classifier with more partners than these count as this many: they are dependent
ERRORS = 10  # errors on the source from which a dependence that they show counts as much as the mean does
NORMAL = 1.96  # standard errors in half a 95 % interval


class Agreements(NamedTuple):
    """Agreements of P pairs of classifiers on N samples; all fields are float64.

    Args:
        values: (P,) agreement of each pair, in -1..1.
        influence: (P, N) share of each sample in the deviation of `values`; their mean is 0. The standard error of a
            value is that of the mean of its row.
    """

    values: Tensor
    influence: Tensor


class Known(NamedTuple):
    """What the source shows about M classifiers; all fields are float64.

    Args:
        z: (M,) skill of each, as Fisher's z (the inverse hyperbolic tangent, as of any correlation).
        errors: (M,) standard errors of `z`.
        dependence: (P,) dependence of the errors of each pair, as log(1 - r).
    """

    z: Tensor
    errors: Tensor
    dependence: Tensor


class Skills(NamedTuple):
    """Estimated skills of M classifiers, as Fisher's z (M,) float64, and their standard errors."""

    z: Tensor
    errors: Tensor


def pairs(count: int) -> tuple[Tensor, Tensor]:
    """First and second index (P,) int64 of each pair of `count` classifiers."""
    one, other = torch.combinations(torch.arange(count), 2).T
    return one, other


def skill_of(accuracy: Tensor, classes: int) -> Tensor:
    """Skill of an accuracy; 0 for accuracies below chance."""
    return ((accuracy - 1 / classes) / (1 - 1 / classes)).clamp(min=0)


def accuracy_of(z: Tensor, classes: int) -> Tensor:
    """Accuracy of a skill that is given as Fisher's z; chance for negative skills."""
    return 1 / classes + (1 - 1 / classes) * z.tanh().clamp(min=0)


def agreements(votes: Tensor, classes: int) -> Agreements:
    """Agreement of each pair of classifiers, from (M, N) int64 predicted classes."""
    one, other = pairs(len(votes))
    centred = F.one_hot(votes, classes).double()
    centred = centred - centred.mean(1, keepdim=True)
    own = centred.square().sum(2)
    spread = own.mean(1, keepdim=True).clamp(min=1e-12)
    own = own / spread
    both = torch.einsum("pnc,pnc->pn", centred[one], centred[other]) / (spread[one] * spread[other]).sqrt()
    values = both.mean(1, keepdim=True)
    return Agreements(values[:, 0], both - values - values / 2 * (own[one] + own[other] - 2))


def known_from_source(votes: Tensor, labels: Tensor, classes: int, groups: Groups) -> Known:
    """Skills on the source, and how the errors of each pair depend on each other there.

    The fewer errors a pair makes, the more its dependence is pulled towards the mean of the pool, and this towards
    `ON_SOURCE`.

    Args:
        votes: (M, N) int64, predicted class of each held-out source sample.
        labels: (N,) int64.
        classes: number of classes.
        groups: (N,) int64, or None if the samples are independent.
    """
    right, count = (votes == labels).double(), len(labels)
    accuracy = (right.sum(1) + 0.5) / (count + 1)  # Jeffreys: 30 of 30 right is not an accuracy of 1
    skill = skill_of(accuracy, classes).clamp(min=0.02)
    sampled = (accuracy * (1 - accuracy) / (count + 1)).sqrt()
    grouped = sampled.new_tensor([half_width(one, groups) / NORMAL for one in right])
    errors = torch.maximum(sampled, grouped) / (1 - 1 / classes) / (1 - skill.square())
    one, other = pairs(len(votes))
    wrong, rest = (1 - right).sum(1), (1 - skill.square()).sqrt()
    shared = agreements(votes, classes).values - skill[one] * skill[other]
    possible = rest[one] * rest[other]
    mean = _towards(skill.new_tensor(1 - ON_SOURCE).log(), shared.sum() / possible.sum(), wrong.mean())
    return Known(skill.atanh(), errors, _towards(mean, shared / possible, (wrong[one] * wrong[other]).sqrt()))


def _towards(mean: Tensor, dependence: Tensor, wrong: Tensor) -> Tensor:
    """log(1 - r) of a dependence that is known from so many errors, pulled towards a mean."""
    weight = wrong / (wrong + ERRORS)
    return weight * (1 - dependence.clamp(-0.5, 0.98)).log() + (1 - weight) * mean


def skills_from_agreements(agreed: Agreements, known: Known, classes: int, groups: Groups) -> Skills:
    """The skills that explain the agreements on the target.

    A least-squares fit of the law to all pairs. Unknown are the skill of each classifier, the mean change of skill from
    source to target, and the dependence of errors. All have normal priors, with the standard deviations at the top of
    this file. The dependence follows from that on the source: the more skill is lost, the less of it remains. Each pair
    deviates from the law. Agreements are compared as log(1 - agreement).

    Args:
        agreed: of each pair, in the order of `pairs`.
        known: of the source.
        classes: number of classes.
        groups: (N,) int64 of the samples of `agreed`, or None if they are independent.
    """
    from scipy.optimize import least_squares

    count, wider = len(known.z), 1 + 2 / classes
    one, other = (index.numpy() for index in pairs(count))
    half_sample = 0.5 / agreed.influence.shape[1] / (1 - 1 / classes)
    room = (1 - agreed.values).clamp(min=half_sample).numpy()
    sampled = np.array([max(half_sample, half_width(each, groups) / NORMAL) for each in agreed.influence]) / room
    off = np.hypot(PAIR_OFF * wider, sampled) * math.sqrt(max(1.0, (count - 1) / PARTNERS))
    start, own_off = known.z.numpy(), np.hypot(SKILL_OFF * wider, known.errors.numpy())
    dependence = known.dependence.numpy()

    def residuals(unknown: np.ndarray) -> np.ndarray:
        z, change, added = unknown[:count], unknown[count], unknown[count + 1]
        skill = np.tanh(np.maximum(z, 0))  # a skill below 0 counts as chance: the law is the same if all change sign
        rest = np.sqrt(1 - skill**2)
        independent = np.exp(max(0.0, 1 + LOOSENED * change) * dependence + added)  # 1 - r
        law = skill[one] * skill[other] + (1 - independent) * rest[one] * rest[other]
        return np.concatenate(
            [
                (np.log(np.maximum(1 - law, 1e-9)) - np.log(room)) / off,
                (z - start - change) / own_off,
                [(change - CHANGE) / (CHANGE_OFF * wider), added / (DEPENDENCE_OFF * wider)],
            ]
        )

    starts = (np.append(z, [CHANGE, 0.0]) for z in (start, np.full(count, 0.4)))
    found = min((least_squares(residuals, each) for each in starts), key=lambda fit: float(fit.cost))
    errors = np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    return Skills(torch.from_numpy(found.x[:count]), torch.from_numpy(errors[:count]))
