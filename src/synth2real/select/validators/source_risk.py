"""Validators from source labels: the error on held-out source samples, plain or weighted towards the target."""

from __future__ import annotations

import torch
from torch import Tensor

from ...tasks import Detection
from ...tasks.prediction_distance import apart
from .box_curves import against_labels, ap_shares
from .candidate import Pool


def _errors(pool: Pool) -> list[Tensor]:
    """Error (N,) of each candidate on each held-out source sample; an unknown label counts as no error.

    Of boxes it is 1 minus what the image adds to AP50.
    """
    if isinstance(pool.task, Detection):
        return [1 - ap_shares(against_labels(one, pool.labels, pool.classes)) for one in pool.source]
    return [apart(pool.task, predictions, pool.labels).nan_to_num(0).double() for predictions in pool.source]


def _score(pool: Pool, risk: float) -> float:
    return 1 - risk if pool.task.higher_is_better else -risk


def source_score(pool: Pool) -> list[float]:
    """Accuracy, mean IoU of the foreground or AP50 on the held-out source, or minus the mean error there.

    Assumes that a better score on the source means a better score on the target. It does not measure the gain from
    adaptation. All candidates that have learnt the source get about the same score.

    References:
        Musgrave, Belongie & Lim (2022). Three new validators and a large-scale benchmark ranking for unsupervised
        domain adaptation. arXiv:2208.07360.
    """
    return [_score(pool, float(error.mean())) for error in _errors(pool)]


def weighted_risk(errors: Tensor, weights: Tensor) -> float:
    """IWV: mean of errors (N,) by importance weights (N,), self-normalised: a constant error has that risk."""
    weights = weights.double()
    return float((weights * errors.double()).sum() / weights.sum())


def embedded_risk(errors: Tensor, weights: Tensor) -> float:
    """DEV: mean of errors by importance weights, with the weights as a control variate; their true mean is 1.

    The mean of (w e) - eta (w - 1). This corrects for a mean of the weights that differs from 1, so the weights are not
    normalised. The factor eta = cov(w e, w) / var(w) minimises the variance. If all weights are equal, there is none,
    and the result is the plain mean.
    """
    weights, weighted = weights.double(), weights.double() * errors.double()
    variance = weights.var()
    if float(variance) == 0:
        return weighted_risk(errors, weights)
    eta = torch.cov(torch.stack([weighted, weights]))[0, 1] / variance
    return float((weighted - eta * (weights - 1)).mean())


def iwv(pool: Pool) -> list[float]:
    """Importance-weighted validation: accuracy, or minus the error, of source samples weighted towards the target.

    The weights come from a domain classifier on the candidate's own features. They are self-normalised: the farther the
    domains are apart, the smaller all weights become, and without normalisation the score would rise. Assumes that the
    label depends only on these features, and that the source covers the target. If the classifier distinguishes the
    domains well (as for most gaps from synthetic to real), a few samples have all the weight.

    References:
        Sugiyama, Krauledat & Müller (2007). Covariate shift adaptation by importance weighted cross validation. JMLR 8.
    """
    return [
        _score(pool, weighted_risk(error, one.importance))
        for error, one in zip(_errors(pool), pool.candidates, strict=True)
    ]


def dev(pool: Pool) -> list[float]:
    """Deep embedded validation: importance-weighted validation with a lower variance.

    The weights are a control variate. The assumptions and the failures are those of `iwv`.

    References:
        You, Wang, Long & Jordan (2019). Towards accurate model selection in deep unsupervised domain adaptation. ICML.
    """
    return [
        _score(pool, embedded_risk(error, one.importance))
        for error, one in zip(_errors(pool), pool.candidates, strict=True)
    ]
