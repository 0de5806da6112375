"""Confidence of a classifier on the target: how sure it is, of which classes, and how firm its borders are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...errors import InputError
from ...measure.discrepancies import entropy as shannon
from .candidate import Pool

LEAST = 1e-12  # probability
TEMPERATURES = torch.logspace(-0.7, 1.0, 60, dtype=torch.float64)


def temperature_scaled(said: Tensor, held: Tensor, truth: Tensor) -> Tensor:
    """Probabilities at the temperature at which those of the held source fit its labels best, (N, C) float64.

    A network that was trained to be sure and a machine whose outputs are distances speak in other units; so they are
    sure in one.

    Args:
        said: probabilities (N, C) of the target.
        held: probabilities (M, C) of source samples that were not trained on.
        truth: labels (M,) of these.

    References:
        Guo, Pleiss, Sun & Weinberger (2017). On calibration of modern neural networks. ICML.
    """
    target, source = (p.double().clamp(min=LEAST).log() for p in (said, held))
    losses = torch.stack([torch.nn.functional.cross_entropy(source / t, truth) for t in TEMPERATURES])
    return (target / TEMPERATURES[losses.argmin()]).softmax(1)


def entropy(pool: Pool) -> list[float]:
    """Minus the mean entropy of the predictions, in nats.

    Assumes that the classes are apart in the target too, and that doubt shows. A model that calls everything one class
    scores best of all, and so does what was trained to be sure.

    References:
        Morerio, Cavazza & Murino (2018). Minimal-entropy correlation alignment for unsupervised deep domain adaptation.
        ICLR.
    """
    return [-float(shannon(p).mean()) for p in pool.target]


def information(pool: Pool) -> list[float]:
    """Information maximisation: entropy of the mean prediction less the mean entropy, in nats; the most is log C.

    Sure of each sample, and of all classes in turn. Assumes that the target's classes are about equally many.

    References:
        Shi & Sha (2012). Information-theoretical learning of discriminative clusters for unsupervised domain
        adaptation. ICML.
    """
    return [float(shannon(p.mean(0)) - shannon(p).mean()) for p in pool.target]


def normalised_nuclear_norm(p: Tensor) -> float:
    """Nuclear norm of predictions (N, C) over sqrt(N min(N, C)), its greatest, which sure and balanced ones reach."""
    return float(torch.linalg.matrix_norm(p.double(), "nuc") / math.sqrt(len(p) * min(p.shape)))


def nuclear_norm(pool: Pool) -> list[float]:
    """BNM: nuclear norm of the predictions, 1 where they are sure and balanced; see `normalised_nuclear_norm`.

    Assumes and fails as `information`: what was trained for confidence, right or wrong, stands high.

    References:
        Cui, Wang, Zhuo, Li, Huang & Tian (2020). Towards discriminability and diversity: batch nuclear-norm
        maximization under label insufficient situations. CVPR.
    """
    return [normalised_nuclear_norm(p) for p in pool.target]


def calibrated_bnm(pool: Pool) -> list[float]:
    """BNM of the predictions at the temperature that fits the held source best, see `temperature_scaled`.

    Assumes as `nuclear_norm`, but that training for confidence alone raises nobody: it shows on the source, too.
    """
    both = zip(pool.target, pool.source, strict=True)
    return [normalised_nuclear_norm(temperature_scaled(said, held, pool.labels)) for said, held in both]


def balance(pool: Pool) -> list[float]:
    """Minus the divergence (nats) of the mean prediction from the target's class shares, the pool's `prior`.

    Without a prior the source's own shares stand in, which is an assumption. A candidate may have the right shares
    and not one right label; it finds those in which one class swallows another.

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
    """MixVal: how often a mixture of two target images is taken for the one that it shows most; mean of two ranks.

    Mixtures within a predicted class ask whether it is dense, those of two classes whether the border lies between
    them. The score of each is turned into its rank among the candidates (1 the worst), so it depends on the pool.
    Assumes that classes are clusters of pixels; classifiers that were trained on mixtures stand high.

    References:
        Hu, Liang, Liew, Xue, Bai & Wang (2023). Mixed samples as probes for unsupervised model selection in domain
        adaptation. NeurIPS.
    """
    from scipy.stats import rankdata

    within, across = zip(*(one.mixed for one in pool.candidates), strict=True)
    return [float(rank) for rank in (rankdata(within) + rankdata(across)) / 2]
