"""Estimates of the class shares of an unlabelled domain, from the predictions of a classifier.

Both estimates assume label shift: the domains differ in the class shares, but not in the appearance of each class. If
the appearance differs too, an estimate is only as good as the classifier is on the target.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError

UNBALANCED = 5.0  # ratio of the largest to the smallest class share


def unbalanced(shares: Tensor) -> bool:
    """Whether the most frequent class is more than five times as frequent as the rarest, from shares or counts (C,)."""
    return float(shares.max()) > UNBALANCED * float(shares.min())


def confusion(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Confusion matrix (C, C) float64 that sums to 1. Entry (i, j): class i is predicted and class j is true.

    Args:
        probabilities: (N, C) for labelled samples to which the classifier is not overfitted: held-out samples, or
            samples with a new randomization. One-hot rows count predicted labels. Soft rows are shared between classes,
            which has less variance.
        labels: (N,) int64, or shares (N, C).
    """
    shares = labels if labels.is_floating_point() else F.one_hot(labels, probabilities.shape[1])
    return probabilities.double().T @ shares.double() / len(labels)


def bbse(confusion: Tensor, prediction: Tensor, ridge: float = 1e-6) -> Tensor:
    """Black box shift estimation: the class prior that explains the mean prediction on the target.

    The class weights w solve `confusion w = prediction`. The prior of the target is w times the prior of the source.

    Args:
        confusion: (C, C) from `priors.confusion` on the source.
        prediction: (C,) mean prediction on the target.
        ridge: regularisation towards the prior of the source, w = 1, in units of the mean squared singular value. It
            keeps the result finite if the classifier cannot distinguish two classes.

    Returns:
        (C,) float64, not negative, with sum 1.

    Raises:
        InputError: the shapes do not match.

    References:
        Lipton, Wang & Smola (2018). Detecting and Correcting for Label Shift with Black Box Predictors. ICML.
        Azizzadenesheli, Liu, Yang & Anandkumar (2019). Regularized Learning for Domain Adaptation under Label Shifts.
    """
    if confusion.shape != (len(prediction), len(prediction)):
        raise InputError(
            f"confusion has shape {tuple(confusion.shape)} and prediction has shape {tuple(prediction.shape)}, "
            "expected (C, C) and (C,) with the same classes"
        )
    confusion, prediction = confusion.double(), prediction.double()
    gram = confusion.T @ confusion
    pull = ridge * gram.diagonal().mean() * torch.eye(len(prediction), dtype=gram.dtype, device=gram.device)
    extra = torch.linalg.solve(gram + pull, confusion.T @ (prediction - confusion.sum(1)))
    return _normalised((1 + extra) * confusion.sum(0))


def mlls(probabilities: Tensor, source: Tensor, rounds: int = 200, start: Tensor | None = None) -> Tensor:
    """Maximum likelihood label shift, by expectation maximisation.

    It needs calibrated probabilities, but no confusion matrix.

    Args:
        probabilities: (N, C) for target samples, from a classifier that was trained with the class shares `source`.
        source: (C,) class shares of the source, all above 0.
        rounds: number of expectation maximisation iterations.
        start: (C,) initial estimate; the class shares of the source by default.

    Returns:
        (C,) float64 with sum 1.

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
