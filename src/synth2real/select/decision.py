"""What speaks for a route without a real label: its score, and whether to adapt at all.

Every score has a way to be led astray. Agreement follows the majority, also where most candidates share an error, and
certainty follows who is sure; methods that match the domains' distributions share an error where the classes stand in
other shares than in the source. So the choice is checked against source only, whose faults are others: see
`label_shift_refusals` and `reason_to_refuse`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.groups import standard_error
from ..measure.priors import unbalanced
from ..route.route import Route
from ..tasks import Classification, Task
from .validators import CandidateOutputs, apart, combined_scores, expected_agreement, temperature_scaled, together

MARGIN = 0.08  # shift of class shares, beyond what doubt explains, that is taken for real
OVERCONFIDENT = 2.0  # a model under a shift errs about twice as often as it says (digits: says 0.24, errs 0.49)
CERTAIN = 2.0  # standard errors by which a route must score better than source only


@dataclass(frozen=True)
class RouteOutputs:
    """What a route says, without a look at any real label.

    Args:
        route: whose answers they are.
        target: predictions on the unlabelled target.
        held: predictions on held source samples.
        score: label-free, of this route among the others.
    """

    route: Route
    target: Tensor
    held: Tensor
    score: float


def score(
    known: Sequence[CandidateOutputs], task: Task, *, balanced: bool = True, voted: bool = True
) -> list[tuple[float, float]]:
    """The label-free score of each candidate, higher is better, and what decides between equal ones.

    Three witnesses together (`validators.combined_scores`, which says what the arguments are), then agreement: by
    probabilities for classes, and for values one in which each weighs by how well it has learnt the source. Measured:
    see docs/validators.md.
    """
    by = None if isinstance(task, Classification) else [one.source for one in known]
    agreed = expected_agreement([one.said for one in known], task, by)
    return list(zip(combined_scores(known, task, balanced=balanced, voted=voted), agreed, strict=True))


def expected_error(answers: RouteOutputs, truth: Tensor) -> float:
    """Mean doubt (1 less the highest probability) on the target, at the temperature that fits the held source best.

    Args:
        truth: labels (N,) of the held source samples.
    """
    return 1 - float(temperature_scaled(answers.target, answers.held, truth).amax(1).mean())


def in_doubt(predictions: Sequence[Tensor], task: Task) -> list[int]:
    """Samples that all routes together place in no class with half of what certainty is above chance, worst first.

    They lie near a border, cannot be read, or are of no class of the source, which nothing tells before training.

    Args:
        predictions: probabilities (N, C) of each route, on the same target samples.
    """
    if not isinstance(task, Classification):
        return []
    sure = together(predictions, task).amax(1)
    order = sure.argsort()
    return order[sure[order] < (1 + 1 / task.outputs) / 2].tolist()


def matches_distributions(route: Route) -> bool:
    """Whether the route's adaptation makes the target's answers follow the source's shares of classes."""
    return route.adapt.assumes_source_balance and getattr(route.adapt, "target_prior", "source") == "source"


def shares(probabilities: Tensor) -> Tensor:
    """Share of the samples that each class is given, (C,) float64."""
    return torch.bincount(probabilities.argmax(1), minlength=probabilities.shape[1]).double() / len(probabilities)


def class_share_shift(
    before: Tensor, after: Tensor, error: float, count: int, overconfident: float = OVERCONFIDENT
) -> float:
    """How far class shares differ beyond what errors explain: a lower bound of their total variation distance.

    Wrong answers on a share e of the samples move the shares by at most e; chance moves them, too.

    Args:
        overconfident: times that a model errs as often as it doubts.
    """
    noise = float((before * (1 - before) / count).sqrt().sum() / 2)
    return float((before - after).abs().sum() / 2) - overconfident * error - noise


def imbalance(plain: Sequence[RouteOutputs], prior: Tensor, truth: Tensor) -> tuple[float, Tensor]:
    """How far, at least, the target's class shares are from the source's, and what they are, by the best of `plain`.

    It is the one of the best label-free score: without randomization a network says other shares than there are
    wherever the gap is wide (from USPS to MNIST by 0.4, of which it doubts half), and one with it does not (0.1). Where
    the source is far from balanced, it is unlikely that the target is in the same way, and less speaks for a shift.

    Args:
        plain: routes that do not adapt the model.
        prior: class shares of the source (C,) float64.
        truth: labels of the held source samples.
    """
    witness = max(plain, key=lambda one: one.score)
    found = shares(witness.target)
    overconfident = 1.0 if unbalanced(prior) else OVERCONFIDENT
    return class_share_shift(found, prior, expected_error(witness, truth), len(witness.target), overconfident), found


def label_shift_refusals(
    answers: Mapping[str, RouteOutputs], task: Task, prior: Tensor, truth: Tensor
) -> dict[str, str]:
    """For each route that is predicted to harm because the classes stand in other shares than in the source, why."""
    if not isinstance(task, Classification):
        return {}
    plain = [one for one in answers.values() if one.route.describe()["adapt"]["method"] == "source-only"]
    least, found = imbalance(plain, prior, truth)
    if least <= MARGIN:
        return {}
    worst = int((found - prior).abs().argmax())
    why = (
        f"the class balance of the target is not that of the source ('{task.classes[worst]}' is about "
        f"{100 * float(found[worst]):.0f} percent of the target and {100 * float(prior[worst]):.0f} percent of the "
        "source), and it would force the one on the other"
    )
    return {name: why for name, one in answers.items() if matches_distributions(one.route)}


def reason_to_refuse(
    chosen: RouteOutputs,
    source_only: RouteOutputs,
    everyone: Sequence[Tensor],
    task: Task,
    truth: Tensor,
    groups: Tensor | None = None,
) -> str | None:
    """Why the chosen route is no better than source only, by what is known without a real label; None where it is.

    How far chance moves a difference of scores is taken from the agreement of single samples, which chance moves most.
    The scores of values are ranks, so it is their agreement itself that must not be surely less.

    Args:
        groups: of the target's samples (N,), where they come in sequences, which chance moves as one.
    """
    if isinstance(task, Classification):
        shift = class_share_shift(
            shares(source_only.target), shares(chosen.target), expected_error(source_only, truth), len(chosen.target)
        )
        if shift > MARGIN:
            return "it moves answers from class to class, of which training on the source alone is sure"
    all_ = together(everyone, task)
    before, after = (apart(task, one.target, all_).double().nan_to_num(0) for one in (source_only, chosen))
    error = standard_error(before - after, groups)
    if isinstance(task, Classification):
        certain = chosen.score - source_only.score > CERTAIN * error
    else:
        certain = chosen.score > source_only.score and float((before - after).mean()) > -CERTAIN * error
    if not certain:
        return "its label-free score is not surely better than that of training on the source alone"
    return None
