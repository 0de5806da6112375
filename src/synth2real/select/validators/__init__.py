"""Label-free validators: score several trained models on the unlabelled target. Higher is better.

A validator takes a `Pool` of candidates and returns one number for each. Compare the numbers only within one pool.
"""

from __future__ import annotations

from collections.abc import Callable

from ...errors import InputError
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
from .boxes import boxes_collapsed
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

__all__ = [
    "METHODS",
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


def validate(name: str, pool: Pool) -> list[float]:
    """One score for each candidate from the validator called `name`; higher is better.

    Raises:
        InputError: no validator has this name, or it does not support the pool's task.
    """
    name = present_name("validator", name)
    if name not in METHODS:
        raise InputError(f"validator '{name}' is unknown, expected one of: {', '.join(METHODS)}")
    known = serving(pool.task)
    if name not in known:
        raise InputError(
            f"validator '{name}' does not support the task {pool.task.kind}, expected one of: {', '.join(known)}"
        )
    return known[name](pool)
