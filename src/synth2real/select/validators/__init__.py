"""Label-free validators: score several trained models on the unlabelled target. Higher is better.

A validator takes a `Pool` of candidates and returns one number for each. Compare the numbers only within one pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import InputError
from ...plugins import Registry
from ...settings import present_name
from ...tasks import Classification, Detection, Task
from ...tasks.prediction_distance import apart
from .agreement import (
    augmentation_consistency,
    ensemble_agreement,
    ensv,
    ensv_expected,
    ensv_weighted,
    expected_agreement,
    expected_ap50,
    expected_iou,
    near_ties,
    seeds,
    together,
)
from .box_curves import against_labels, ap_shares, averages, calibrated, curves
from .boxes import boxes_collapsed, clear_boxes
from .candidate import Candidate, Pool, head_of, importance_weights, labels_of, observe
from .combined import CandidateOutputs, combined, has_learnt, sample_scores
from .confidence import (
    balance,
    calibrated_bnm,
    entropy,
    information_maximisation,
    least_held_out,
    mixval,
    most_frequent,
    mutual_information,
    normalised_nuclear_norm,
    nuclear_norm,
    temperature_scaled,
)
from .das import detection_adaptation, flat, prototypical
from .dense import compact
from .during_training import live_score
from .feature_structure import feature_scale, silhouette, snd, subspace, transfer_score
from .maps import compact_maps
from .masks import collapsed, expected_ious
from .moves import Moved, move, moves_label
from .source_risk import dev, iwv, source_score

SHOWN = 100  # characters of a wrong answer in a message

Validator = Callable[[Pool], list[float]]

ANY: dict[str, Validator] = {
    "source": source_score,
    "iwv": iwv,
    "dev": dev,
    "ensv": ensv,
    "ensv-weighted": ensv_weighted,
    "seed-agreement": seeds,
    "augmentation-consistency": augmentation_consistency,
    "combined": combined,
}
CLASSES: dict[str, Validator] = {
    "ensv-expected": ensv_expected,
    "entropy": entropy,
    "information-maximisation": information_maximisation,
    "bnm": nuclear_norm,
    "calibrated-bnm": calibrated_bnm,
    "snd": snd,
    "silhouette": silhouette,
    "transfer-score": transfer_score,
    "mixval": mixval,
    "balance": balance,
}
MASKS: dict[str, Validator] = {"ensv-expected": ensv_expected, "expected-iou": expected_iou}
BOXES: dict[str, Validator] = {
    "ensv-expected": ensv_expected,
    "expected-ap50": expected_ap50,
    "flatness": flat,
    "prototypes": prototypical,
    "das": detection_adaptation,
}
VALUES: dict[str, Validator] = {"feature-scale": feature_scale, "subspace": subspace}
METHODS: dict[str, Validator] = {**ANY, **CLASSES, **VALUES, **MASKS, **BOXES}
# The same with the validators of installed packages.
NAMED: Registry[Validator] = Registry("validators", METHODS, callable, "a function validator(pool) -> list of numbers")

__all__ = [
    "METHODS",
    "NAMED",
    "Candidate",
    "CandidateOutputs",
    "Moved",
    "Pool",
    "Validator",
    "against_labels",
    "ap_shares",
    "apart",
    "averages",
    "boxes_collapsed",
    "calibrated",
    "called",
    "clear_boxes",
    "collapsed",
    "compact",
    "compact_maps",
    "curves",
    "ensemble_agreement",
    "expected_agreement",
    "expected_ious",
    "has_learnt",
    "head_of",
    "importance_weights",
    "labels_of",
    "least_held_out",
    "live_score",
    "most_frequent",
    "move",
    "moves_label",
    "mutual_information",
    "named",
    "near_ties",
    "normalised_nuclear_norm",
    "observe",
    "sample_scores",
    "serving",
    "temperature_scaled",
    "together",
    "validate",
]


def serving(task: Task) -> dict[str, Validator]:
    """The validators that support a task, by name."""
    if isinstance(task, Classification):
        return {**ANY, **CLASSES}
    if isinstance(task, Detection):
        return {**ANY, **BOXES}
    if task.dense:
        return {**ANY, **MASKS}
    known = {**ANY, **VALUES}
    if not moves_label(task):
        del known["combined"]
    return known


def validate(validator: str | Validator, pool: Pool) -> list[float]:
    """One score for each candidate; higher is better.

    Args:
        validator: a name, built in or of an installed package (entry points `synth2real.validators`); or a function
            that takes the pool and returns one number for each candidate, nan where it has none.
        pool: the candidates.

    Raises:
        InputError: no validator has this name, it does not support the pool's task, or it returns anything else.
    """
    name = called(validator)
    if isinstance(validator, str):
        validator = named(name, pool.task)
    return _numbers(name, validator(pool), len(pool.candidates))


def called(validator: str | Validator) -> str:
    """What messages call a validator."""
    if isinstance(validator, str):
        return present_name("validator", validator)
    return str(getattr(validator, "__name__", type(validator).__name__))


def named(name: str, task: Task) -> Validator:
    """The validator of this name.

    Raises:
        InputError: no validator has this name, or it does not support the task.
    """
    if name not in NAMED:
        raise InputError(f"validator '{name}' is unknown, expected one of: {', '.join(NAMED)}")
    known = serving(task)
    if name in METHODS and name not in known:
        raise InputError(
            f"validator '{name}' does not support the task {task.kind}, expected one of: {', '.join(known)}"
        )
    return NAMED[name]


def _numbers(name: str, scores: Any, count: int) -> list[float]:
    """The scores of a validator as plain numbers."""
    try:
        found = [float(score) for score in scores]
    except (TypeError, ValueError):
        found = []
    if len(found) != count:
        raise InputError(
            f"validator '{name}' returned {str(scores)[:SHOWN]}, expected {count} numbers, one for each candidate"
        )
    return found
