"""Accuracies from agreements: estimate the accuracy of each classifier from how often pairs of classifiers agree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

OFF = 0.08  # standard deviation of an agreement around the value of the law; 0.03 to 0.12 on seven benchmarks
MOVED = 1.5  # standard deviation of the accuracy change from source to target, in logits; 0.6 to 2.7 there
PARTNERS = 6  # up to this number, each partner of a classifier counts as one sample; more partners count as this many
ALIKE = 0.5  # probability that two wrong predictions are equal, with three classes or more; its value matters little
STARTS = (3.0, 1.0)  # start values of the search, as logits of all accuracies; the better result is used


class AgreementRates(NamedTuple):
    """Estimated accuracies of M classifiers, from P pairs; all fields are float64.

    Args:
        logits: (M,) logits of the accuracies.
        off: (M,) standard deviations of `logits`.
        moved: (M, P) derivatives of `logits` with respect to the agreements.
    """

    logits: Tensor
    off: Tensor
    moved: Tensor


def pairs(votes: Tensor) -> Tensor:
    """For each pair of classifiers, 1 where both predict the same class: (P, N) float64, from (M, N) int64 classes."""
    one, other = torch.combinations(torch.arange(len(votes)), 2).T
    return (votes[one] == votes[other]).double()


def accuracies_from_agreements(agreed: Tensor, known: Tensor, classes: int) -> AgreementRates:
    """Accuracies that explain the observed agreements, if the classifiers err independently.

    The law: two classifiers with the accuracies p and q agree with probability p q + c (1 - p) (1 - q). Here c is the
    probability that two wrong predictions are equal. A least-squares fit finds the accuracies that explain all pairs
    best. Deviations of the agreements from the law are normal with standard deviation `OFF`. Deviations of the
    accuracies from the known ones are normal with standard deviation `MOVED`, in logits.

    Args:
        agreed: (P,) float64, share of samples on which each pair agrees, in the order of `pairs`.
        known: (M,) float64, logits of the accuracies that are assumed in advance, for three classifiers or more.
        classes: number of classes.
    """
    from scipy.optimize import least_squares

    one, other = torch.combinations(torch.arange(len(known)), 2).T.numpy()
    observed, prior = agreed.numpy(), known.numpy()
    alike = ALIKE if classes > 2 else 1.0
    off = OFF * max(1.0, (len(prior) - 1) / PARTNERS) ** 0.5

    def residuals(logits: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-logits))
        agree = p[one] * p[other] + alike * (1 - p[one]) * (1 - p[other])
        return np.concatenate([agree - observed, off / MOVED * (logits - prior)])

    found = min((least_squares(residuals, np.full(len(prior), start)) for start in STARTS), key=lambda f: float(f.cost))
    moved = torch.from_numpy(np.linalg.pinv(found.jac))
    return AgreementRates(torch.from_numpy(found.x), off * moved.norm(dim=1), moved[:, : len(observed)])
