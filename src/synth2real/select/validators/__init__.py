"""Label-free validators: how good is each of several trained models on the unlabelled target? Higher is better.

A validator takes a `Pool` of candidates and answers one number each. They compare candidates of one pool, not pools.
"""

from __future__ import annotations

from collections.abc import Callable

from ...errors import InputError
from ...tasks.base import Classification, Task
from .agreement import (
    ensemble_agreement,
    ensv,
    ensv_expected,
    ensv_weighted,
    expected_agreement,
    near_ties,
    seeds,
    steadiness,
    together,
)
from .candidate import Candidate, Pool, apart, head_of, importance_weights, labels_of, observe, wander
from .combined import Known, witnessed, witnesses
from .confidence import balance, certainty, entropy, information, mixval, nuclear_norm, sure_and_balanced, tempered
from .live import live
from .source import dev, iwv, source_score
from .structure import feature_scale, silhouette, snd, subspace, transfer_score

Validator = Callable[[Pool], list[float]]

ANY: dict[str, Validator] = {
    "source": source_score,
    "iwv": iwv,
    "dev": dev,
    "ensv": ensv,
    "ensv-weighted": ensv_weighted,
    "seeds": seeds,
    "steadiness": steadiness,
    "witnesses": witnesses,
}
CLASSES: dict[str, Validator] = {
    "ensv-expected": ensv_expected,
    "entropy": entropy,
    "information": information,
    "bnm": nuclear_norm,
    "certainty": certainty,
    "snd": snd,
    "silhouette": silhouette,
    "transfer-score": transfer_score,
    "mixval": mixval,
    "balance": balance,
}
VALUES: dict[str, Validator] = {"feature-scale": feature_scale, "subspace": subspace}
METHODS: dict[str, Validator] = {**ANY, **CLASSES, **VALUES}

__all__ = [
    "METHODS",
    "Candidate",
    "Known",
    "Pool",
    "Validator",
    "apart",
    "ensemble_agreement",
    "expected_agreement",
    "head_of",
    "importance_weights",
    "labels_of",
    "live",
    "near_ties",
    "observe",
    "serving",
    "sure_and_balanced",
    "tempered",
    "together",
    "validate",
    "wander",
    "witnessed",
]


def serving(task: Task) -> dict[str, Validator]:
    """The validators that serve a task, by name."""
    return {**ANY, **(CLASSES if isinstance(task, Classification) else VALUES)}


def validate(name: str, pool: Pool) -> list[float]:
    """One number a candidate by the validator called `name`, higher is better.

    Raises:
        InputError: there is none so named, or it does not serve the pool's task.
    """
    if name not in METHODS:
        raise InputError(f"validator '{name}' is unknown, expected one of: {', '.join(METHODS)}")
    known = serving(pool.task)
    if name not in known:
        raise InputError(
            f"validator '{name}' does not serve the task {pool.task.kind}, expected one of: {', '.join(known)}"
        )
    return known[name](pool)
