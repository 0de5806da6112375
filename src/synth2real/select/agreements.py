"""Accuracies from agreements: how often must classifiers be right, that agree with each other as often as they do?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

OFF = 0.08  # deviation of an agreement from what the law says of it, .03 to .12 on seven benchmarks
MOVED = 1.5  # logits that accuracies move from source to target, 0.6 to 2.7 there
PARTNERS = 6  # of a classifier that count as one sample each; more of them count together as much as these
ALIKE = 0.5  # chance that two wrong answers are the same, where there are other answers; its choice matters little
STARTS = (3.0, 1.0)  # logits of all accuracies that the search begins from; the better end is taken


class AgreementRates(NamedTuple):
    """Logits of the accuracies of M classifiers, their deviations, how they move with P agreements (M, P); float64."""

    logits: Tensor
    off: Tensor
    moved: Tensor


def pairs(votes: Tensor) -> Tensor:
    """For each pair of classifiers whether they agree, (P, N) float64, of (M, N) int64 answers."""
    one, other = torch.combinations(torch.arange(len(votes)), 2).T
    return (votes[one] == votes[other]).double()


def accuracies_from_agreements(agreed: Tensor, known: Tensor, classes: int) -> AgreementRates:
    """The accuracies under which classifiers that err independently agree as often as these do.

    Two that are right with the chances p and q agree with p q + c (1 - p) (1 - q), c the chance of two wrong answers to
    be the same. Of all accuracies those are taken that explain all pairs best, where agreements lie off that by `OFF`
    and accuracies off the known ones by `MOVED` logits, both as normal deviates.

    Args:
        agreed: (P,) float64, how often each pair agrees, in the order of `pairs`.
        known: (M,) float64, logits of the accuracies before anything is seen, of three classifiers or more.
        classes: how many there are.
    """
    from scipy.optimize import least_squares

    one, other = torch.combinations(torch.arange(len(known)), 2).T.numpy()
    seen, prior = agreed.numpy(), known.numpy()
    alike = ALIKE if classes > 2 else 1.0
    off = OFF * max(1.0, (len(prior) - 1) / PARTNERS) ** 0.5

    def residuals(logits: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-logits))
        agree = p[one] * p[other] + alike * (1 - p[one]) * (1 - p[other])
        return np.concatenate([agree - seen, off / MOVED * (logits - prior)])

    found = min((least_squares(residuals, np.full(len(prior), start)) for start in STARTS), key=lambda f: float(f.cost))
    moved = torch.from_numpy(np.linalg.pinv(found.jac))
    return AgreementRates(torch.from_numpy(found.x), off * moved.norm(dim=1), moved[:, : len(seen)])
