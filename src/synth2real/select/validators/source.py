"""Labels of the source: the error on held samples, as it is or weighed so that they stand for the target."""

from __future__ import annotations

import torch
from torch import Tensor

from ...tasks import Classification
from .candidate import Pool, apart


def _errors(pool: Pool) -> list[Tensor]:
    """Error (N,) of each candidate on each held source sample; a label that is unknown counts as no error."""
    return [apart(pool.task, said, pool.labels).nan_to_num(0).double() for said in pool.source]


def _score(pool: Pool, risk: float) -> float:
    return 1 - risk if isinstance(pool.task, Classification) else -risk


def source_score(pool: Pool) -> list[float]:
    """Accuracy on the held source, or minus the mean error there.

    Assumes that what is better on the source is better on the target; it cannot see what adaptation gains, and all
    candidates that have learnt the source are alike to it.

    References:
        Musgrave, Belongie & Lim (2022). Three new validators and a large-scale benchmark ranking for unsupervised
        domain adaptation. arXiv:2208.07360.
    """
    return [_score(pool, float(error.mean())) for error in _errors(pool)]


def weighted_risk(errors: Tensor, weights: Tensor) -> float:
    """IWV: mean of the errors (N,) times the importance weights (N,)."""
    return float((weights.double() * errors.double()).mean())


def embedded_risk(errors: Tensor, weights: Tensor) -> float:
    """DEV: `weighted_risk` with the weights, whose mean should be 1, as a control variate.

    The mean of (w e) - eta (w - 1), where eta = cov(w e, w) / var(w) makes its variance least; eta is 0 where all
    weights are equal.
    """
    weights, weighted = weights.double(), weights.double() * errors.double()
    variance = weights.var()
    if float(variance) == 0:
        return float(weighted.mean())
    eta = torch.cov(torch.stack([weighted, weights]))[0, 1] / variance
    return float((weighted - eta * (weights - 1)).mean())


def iwv(pool: Pool) -> list[float]:
    """Importance-weighted validation: accuracy, or minus the error, of source samples as the target would draw them.

    Weights by a domain classifier of the candidate's own features. Assumes that the features say all that the label
    hangs on and that the source covers the target; where a classifier tells the domains apart (most gaps from
    synthetic to real) a few samples carry all the weight.

    References:
        Sugiyama, Krauledat & Müller (2007). Covariate shift adaptation by importance weighted cross validation. JMLR 8.
    """
    return [
        _score(pool, weighted_risk(error, one.importance))
        for error, one in zip(_errors(pool), pool.candidates, strict=True)
    ]


def dev(pool: Pool) -> list[float]:
    """Deep embedded validation: `iwv` with less variance. Assumes and fails as it does.

    References:
        You, Wang, Long & Jordan (2019). Towards accurate model selection in deep unsupervised domain adaptation. ICML.
    """
    return [
        _score(pool, embedded_risk(error, one.importance))
        for error, one in zip(_errors(pool), pool.candidates, strict=True)
    ]
