"""Validators from features: do samples form clusters, and do both domains span the same directions?"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .candidate import Pool

TEMPERATURE = 0.05  # of SND, as in the paper
SAMPLED = 0.05  # share of the samples that the Hopkins statistic uses
EXPLAINED = 0.95  # share of the variance that a subspace must explain


def neighbourhood_density(probabilities: Tensor, temperature: float = TEMPERATURE) -> float:
    """SND of predictions (N, C): mean entropy (nats) of the softmax over each sample's similarities to all others."""
    unit = F.normalize(probabilities.double(), dim=1)
    similar = (unit @ unit.T / temperature).fill_diagonal_(-torch.inf)
    log = similar.log_softmax(1)
    return float(-(log.exp() * log.masked_fill(log == -torch.inf, 0)).sum(1).mean())


def snd(pool: Pool) -> list[float]:
    """Soft neighbourhood density: measures how many target samples have similar predictions to each sample.

    Assumes that a good classifier makes dense clusters. A classifier that predicts one class for every sample has the
    densest cluster of all.

    References:
        Saito, Kim, Teterwak, Sclaroff, Darrell & Saenko (2021). Tune it the right way: unsupervised validation of
        domain adaptation via soft neighborhood density. ICCV.
    """
    return [neighbourhood_density(p) for p in pool.target]


def silhouette(pool: Pool) -> list[float]:
    """Mean silhouette of the target's features, clustered by predicted class; -1 if only one class is predicted.

    Assumes that the features form clusters and that the predictions follow them. It ignores which class is assigned to
    which cluster. It is higher for networks whose features vary in few directions.

    References:
        Rousseeuw (1987). Silhouettes: a graphical aid to the interpretation and validation of cluster analysis.
    """
    from sklearn.metrics import silhouette_score

    scores = []
    for one, p in zip(pool.candidates, pool.target, strict=True):
        predicted = p.argmax(1)
        defined = 2 <= len(predicted.unique()) < len(predicted)
        scores.append(float(silhouette_score(one.target_features.numpy(), predicted.numpy())) if defined else -1.0)
    return scores


def hopkins(features: NDArray[np.float32], seed: int = 0) -> float:
    """Hopkins statistic of features (N, F): 0.5 for a uniform distribution, close to 1 for clusters.

    It compares distances to the nearest sample: from points sampled uniformly in the bounding box of the features, and
    from the samples themselves.
    """
    from sklearn.neighbors import NearestNeighbors

    generator = np.random.default_rng(seed)
    count = max(1, round(SAMPLED * len(features)))
    anywhere = generator.uniform(features.min(0), features.max(0), (count, features.shape[1]))
    some = features[generator.choice(len(features), count, replace=False)]
    near = NearestNeighbors(n_neighbors=2).fit(features)
    far = near.kneighbors(anywhere)[0][:, 0].sum()
    close = near.kneighbors(some)[0][:, 1].sum()
    return float(far / (far + close)) if far + close > 0 else 0.0


def transfer_score(pool: Pool) -> list[float]:
    """Transfer Score: Hopkins statistic, plus mutual information over log C, minus the classifier's unevenness.

    The unevenness is measured on the cosines between the weight vectors of the last layer. Evenly spread vectors have
    the cosine -1 / (C - 1). The unevenness is the mean absolute deviation from this value. It is left out for heads
    with hidden layers. Assumes clusters and balanced classes. For features of many dimensions the Hopkins
    statistic is near 1 for every candidate.

    References:
        Yang, Qian, Xu, Wang & Xie (2024). Can we evaluate domain adaptation models without target-domain labels? ICLR.
    """
    from .confidence import information_maximisation

    classes = pool.task.outputs
    scores = []
    for one, shared in zip(pool.candidates, information_maximisation(pool), strict=True):
        uneven = 0.0
        if one.classifier is not None:
            unit = F.normalize(one.classifier, dim=1)
            pairs = torch.triu_indices(classes, classes, 1)
            uneven = float(((unit @ unit.T)[pairs[0], pairs[1]] + 1 / (classes - 1)).abs().mean())
        scores.append(hopkins(one.target_features.numpy()) + shared / math.log(classes) - uneven)
    return scores


def feature_scale(pool: Pool) -> list[float]:
    """Minus the absolute log of the ratio of the mean feature norms, target to source.

    The output of a regressor depends on the scale of its features, so a different scale gives different values. Assumes
    that the labels have the same spread in both domains. Equal scales do not imply equal directions.

    References:
        Chen, Wang, Wang & Long (2021). Representation subspace distance for domain adaptation regression. ICML.
    """
    return [
        -abs(math.log(float(one.target_features.norm(dim=1).mean() / one.source_features.norm(dim=1).mean())))
        for one in pool.candidates
    ]


def subspace(pool: Pool) -> list[float]:
    """Minus the mean sine of the principal angles between both domains' feature subspaces (RSD without its bases).

    The number of principal directions is the least that explains 95 % of the source's variance. Assumes that the value
    depends on the shared directions. A network whose features have collapsed to one direction gets a high score.

    References:
        Chen, Wang, Wang & Long (2021), as `feature_scale`.
    """
    from scipy.linalg import subspace_angles

    scores = []
    for one in pool.candidates:
        bases = [
            torch.linalg.svd(z - z.mean(0), full_matrices=False) for z in (one.source_features, one.target_features)
        ]
        explained = (bases[0].S.square().cumsum(0) / bases[0].S.square().sum()).double()
        rank = int((explained < EXPLAINED).sum()) + 1
        angles = subspace_angles(*(basis.Vh[:rank].T.double().numpy() for basis in bases))
        scores.append(-float(np.sin(angles).mean()))
    return scores
