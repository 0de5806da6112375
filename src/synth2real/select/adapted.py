"""What an adaptation without source has changed, judged without labels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ..data.domains import Unlabelled, evenly
from ..data.groups import half_width
from ..training.model import Model
from .guards import constant
from .validators import CandidateOutputs, Moved, move

SEEN = 1000  # most target samples
UNKNOWN = "whether the adaptation helped is not known without labels"


@dataclass(frozen=True)
class Judgement:
    """Whether a model is better on the target after an adaptation, as far as it is known without labels.

    Args:
        changed: share of target samples that are predicted as another class than before.
        before, after: consistency above chance, about 0 to 1: how often the prediction stays the same when the image is
            moved. None for features, for which no move is known that keeps the class.
        reach: half the width of the 95 percent interval of their difference; None likewise.
        helped: True or False where the predictions show it; None if it is not known.
        words: the judgement in a sentence.
    """

    changed: float
    before: float | None
    after: float | None
    reach: float | None
    helped: bool | None
    words: str


def judge(before: Model, after: Model, target: Unlabelled) -> Judgement:
    """Compare two classifiers on the target.

    Of the terms of `validators.combined`, only consistency is used. Adaptation without source optimises confidence and
    mutual information, so that these rise even if the predictions get worse, and agreement needs other candidates.

    Args:
        before, after: classifiers of the same classes.
        target: unlabelled inputs that both support.
    """
    inputs = before.inputs_of(target.subset(evenly(len(target), SEEN)))
    outputs = [model.outputs(inputs) for model in (before, after)]
    old, new = (before.task.predict(one) for one in outputs)
    changed = float((old.argmax(1) != new.argmax(1)).double().mean())
    said = f"{changed:.0%} of the predictions changed"
    first_moved, second_moved = move(before, inputs, outputs[0]), move(after, inputs, outputs[1])
    collapsed = constant(CandidateOutputs(new, new[:0], second_moved), after.task)
    if first_moved is None or second_moved is None:
        words = f"the adaptation did not help: {collapsed}" if collapsed else f"{said}; {UNKNOWN}"
        return Judgement(changed, None, None, None, False if collapsed else None, words)
    first, second = _consistency(first_moved), _consistency(second_moved)
    low, high = float(first.mean()), float(second.mean())
    reach = half_width(second - first, None)
    scores = f"consistency when the images are moved: {low:.3f} before, {high:.3f} after, difference +- {reach:.3f}"
    helped = False if collapsed or high - low < -reach else True if high - low > reach else None
    if collapsed:
        words = f"the adaptation did not help: {collapsed}"
    elif helped is None:
        words = f"{said}; {scores}. This is no sure difference: {UNKNOWN}"
    elif helped:
        words = f"the adaptation seems to have helped: {said}; {scores}. Only labels prove it"
    else:
        words = f"the adaptation seems not to have helped: {said}; {scores}. Keep the model before it"
    return Judgement(changed, low, high, reach, helped, words)


def _consistency(moved: Moved) -> Tensor:
    """Consistency above chance of each sample, (N,) float64, as in `validators.class_scores` for equal classes."""
    classes: int = moved.original.shape[1]
    same, again = (F.one_hot(one.argmax(1), classes).double() for one in (moved.original, moved.predictions))
    agreement: Tensor = ((same - same.mean(0)) * (again - again.mean(0))).sum(1) / (1 - 1 / classes)
    return agreement
