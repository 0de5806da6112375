"""Validators from the confidence of a classifier on the target, its class shares and its decision boundaries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import InputError
from ...measure.discrepancies import entropy as shannon

if TYPE_CHECKING:
    from .candidate import Pool  # which takes a temperature from here

LEAST = 1e-12  # smallest probability
TEMPERATURES = torch.logspace(-0.7, 1.0, 60, dtype=torch.float64)


def temperature_scaled(predictions: Tensor, held_out: Tensor, labels: Tensor) -> Tensor:
    """Target probabilities (N, C) float64 at the temperature that fits the labels of the held-out source best.

    The raw confidence of different models is not comparable. For example, one network is trained to be confident, and
    the outputs of another model are distances. Temperature scaling brings them to one scale. With fewer than
    `least_held_out` source samples the fit is noise, and the probabilities are returned as they are.

    Args:
        predictions: probabilities (N, C) of the target.
        held_out: probabilities (M, C) of source samples that were not trained on.
        labels: labels (M,) of these source samples.

    References:
        Guo, Pleiss, Sun & Weinberger (2017). On calibration of modern neural networks. ICML.
    """
    if len(labels) < least_held_out(predictions.shape[1]):
        return predictions.double()
    target, source = (p.double().clamp(min=LEAST).log() for p in (predictions, held_out))
    losses = torch.stack([torch.nn.functional.cross_entropy(source / t, labels) for t in TEMPERATURES])
    return (target / TEMPERATURES[losses.argmin()]).softmax(1)


def least_held_out(classes: int) -> int:
    """Fewest held-out source samples from which a temperature or an accuracy can be estimated: 5 a class, 30 in all."""
    return max(30, 5 * classes)


def most_frequent(probabilities: Tensor) -> tuple[int, int]:
    """The class that is predicted most often, and for how many of the samples, from probabilities (N, C)."""
    counts = torch.bincount(probabilities.argmax(1))
    return int(counts.argmax()), int(counts.max())


def entropy(pool: Pool) -> list[float]:
    """Minus the mean entropy of the predictions, in nats.

    Assumes that the classes are separated in the target, too, and that wrong predictions have a high entropy. A model
    that predicts one class for every sample gets the best score. So does a model that was trained to be confident.

    References:
        Morerio, Cavazza & Murino (2018). Minimal-entropy correlation alignment for unsupervised deep domain adaptation.
        ICLR.
    """
    return [-float(shannon(p).mean()) for p in pool.target]


def information_maximisation(pool: Pool) -> list[float]:
    """Information maximisation: entropy of the mean prediction minus the mean entropy, in nats; at most log C.

    It is high if each prediction is confident and all classes are predicted equally often. Assumes that the target's
    classes are about equally frequent.

    References:
        Shi & Sha (2012). Information-theoretical learning of discriminative clusters for unsupervised domain
        adaptation. ICML.
    """
    return [float(mutual_information(p).mean()) * math.log(p.shape[1]) for p in pool.target]


def mutual_information(p: Tensor) -> Tensor:
    """Mutual information of sample and class by sample, KL(p || mean p) / ln C: (N,), from probabilities (N, C)."""
    cross = -(p * p.mean(0).clamp(min=LEAST).log()).sum(1)
    return (cross - shannon(p)) / math.log(p.shape[1])


def normalised_nuclear_norm(p: Tensor) -> float:
    """Nuclear norm of predictions (N, C) over its maximum sqrt(N min(N, C)): 1 if they are confident and balanced."""
    return float(torch.linalg.matrix_norm(p.double(), "nuc") / math.sqrt(len(p) * min(p.shape)))


def nuclear_norm(pool: Pool) -> list[float]:
    """BNM: nuclear norm of the predictions over its maximum; 1 if they are confident and balanced.

    Computed by `normalised_nuclear_norm`. Assumes, like `information_maximisation`, that the target's classes are about
    equally frequent. A model that was trained to be confident gets a high score, whether it is right or wrong.

    References:
        Cui, Wang, Zhuo, Li, Huang & Tian (2020). Towards discriminability and diversity: batch nuclear-norm
        maximization under label insufficient situations. CVPR.
    """
    return [normalised_nuclear_norm(p) for p in pool.target]


def calibrated_bnm(pool: Pool) -> list[float]:
    """BNM of the predictions at the temperature that fits the held-out source best.

    See `temperature_scaled`. Assumes the same as `nuclear_norm`. But training for confidence alone does not raise the
    score: it increases the confidence on the source, too, and the temperature corrects for it.
    """
    both = zip(pool.target, pool.source, strict=True)
    return [normalised_nuclear_norm(temperature_scaled(target, source, pool.labels)) for target, source in both]


def balance(pool: Pool) -> list[float]:
    """Minus the divergence (nats) of the mean prediction from the target's class shares.

    The shares are the pool's `prior`. Without a prior, assumes that the target has the class shares of the source. A
    candidate may predict the right shares without one correct label. The score detects candidates that merge one class
    into another.

    References:
        Saerens, Latinne & Decaestecker (2002). Adjusting the outputs of a classifier to new a priori probabilities.
        Neural Computation 14.
    """
    counts = torch.bincount(pool.labels, minlength=pool.task.outputs).double()
    prior = (counts if pool.prior is None else pool.prior.double()).clamp(min=0)
    if float(prior.sum()) <= 0:
        raise InputError(f"the prior is {prior.tolist()}, expected shares of 0 and more that are not all 0")
    prior = prior / prior.sum()
    means = [p.double().mean(0).clamp(min=LEAST) for p in pool.target]
    return [-float((prior * (prior.clamp(min=LEAST) / mean).log()).sum()) for mean in means]


def mixval(pool: Pool) -> list[float]:
    """MixVal: how often a mixture of two target images gets the class of its main image; mean of two ranks.

    Mixtures within one predicted class test whether the class is dense. Mixtures of two classes test whether the
    decision boundary lies between them. Each of the two shares becomes a rank among the candidates (1 is the worst), so
    the score depends on the pool. Assumes that classes are clusters of pixels. Classifiers that were trained on
    mixtures get a high score.

    References:
        Hu, Liang, Liew, Xue, Bai & Wang (2023). Mixed samples as probes for unsupervised model selection in domain
        adaptation. NeurIPS.
    """
    from scipy.stats import rankdata

    within, across = zip(*(one.mixed for one in pool.candidates), strict=True)
    return [float(rank) for rank in (rankdata(within) + rankdata(across)) / 2]
