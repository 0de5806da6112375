"""The class shares of an unlabelled domain, estimated from what a classifier says of it.

Both estimates assume label shift: the domains differ in how often each class comes, not in how a class looks. Where
they differ in both, an estimate is as good as the classifier is on the target.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError

UNBALANCED = 5.0  # times


def unbalanced(shares: Tensor) -> bool:
    """Whether the most frequent class is more than five times as frequent as the rarest; of shares or counts (C,)."""
    return float(shares.max()) > UNBALANCED * float(shares.min())


def confusion(probabilities: Tensor, labels: Tensor) -> Tensor:
    """How often class i is said while j is true, (C, C) float64 that sums to 1.

    Args:
        probabilities: (N, C) of labelled samples that were not learnt by heart: held out, or randomized afresh. One-hot
            rows count labels, others share themselves out, which varies less.
        labels: (N,) int64, or shares (N, C).
    """
    shares = labels if labels.is_floating_point() else F.one_hot(labels, probabilities.shape[1])
    return probabilities.double().T @ shares.double() / len(labels)


def bbse(confused: Tensor, said: Tensor, ridge: float = 1e-6) -> Tensor:
    """Black box shift estimation: the prior under which the classifier would say what it says of the target.

    The weights w of the classes solve `confused w = said`; the prior is w times the source's.

    Args:
        confused: (C, C) from `confusion` on the source.
        said: (C,) mean prediction on the target.
        ridge: pull towards the source's prior, w = 1, in units of the mean squared singular value; what keeps the
            answer finite where two classes are never told apart.

    Returns:
        (C,) float64, 0 or more, that sums to 1.

    Raises:
        InputError: the shapes do not fit.

    References:
        Lipton, Wang & Smola (2018). Detecting and Correcting for Label Shift with Black Box Predictors. ICML.
        Azizzadenesheli, Liu, Yang & Anandkumar (2019). Regularized Learning for Domain Adaptation under Label Shifts.
    """
    if confused.shape != (len(said), len(said)):
        raise InputError(
            f"confused of shape {tuple(confused.shape)} and said of {tuple(said.shape)}: expected (C, C) and (C,) of "
            "the same classes"
        )
    confused, said = confused.double(), said.double()
    gram = confused.T @ confused
    pull = ridge * gram.diagonal().mean() * torch.eye(len(said), dtype=gram.dtype, device=gram.device)
    extra = torch.linalg.solve(gram + pull, confused.T @ (said - confused.sum(1)))
    return _normalised((1 + extra) * confused.sum(0))


def mlls(probabilities: Tensor, source: Tensor, rounds: int = 200, start: Tensor | None = None) -> Tensor:
    """Maximum likelihood label shift by expectation maximisation: needs calibrated probabilities, and no confusion.

    Args:
        probabilities: (N, C) of target samples, from a classifier that learnt under the prior `source`.
        source: (C,) class shares of the source, all above 0.
        rounds: of expectation and maximisation.
        start: (C,) first guess; the source's by default.

    Returns:
        (C,) float64 that sums to 1.

    References:
        Saerens, Latinne & Decaestecker (2002). Adjusting the outputs of a classifier to new a priori probabilities.
    """
    likely = probabilities.double() / source.double()
    prior = _normalised(source if start is None else start)
    for _ in range(rounds):
        prior = _normalised((likely * prior / (likely @ prior)[:, None]).mean(0))
    return prior


def _normalised(shares: Tensor) -> Tensor:
    shares = shares.double().clamp(min=0)
    return shares / shares.sum()
