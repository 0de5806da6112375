"""Decides without real labels: scores each route, and checks whether adaptation is safe at all.

Every label-free score has a known failure. Agreement follows the majority, even when most candidates share an error.
Calibrated BNM follows confident models. Methods that match the distributions of the domains share an error when the
class shares of the target differ from those of the source. Therefore the chosen route is also compared with source
only, which fails in other ways: see `label_shift_refusals` and `reason_to_refuse`.
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

MARGIN = 0.08  # a class-share shift is accepted as real if it exceeds the shift explained by errors by more than this
OVERCONFIDENT = 2.0  # true error over expected error under a domain shift (digits: expected 0.24, true 0.49)
CERTAIN = 2.0  # a route must score better than source only by more than this many standard errors


@dataclass(frozen=True)
class RouteOutputs:
    """Outputs of a route that are known without real labels.

    Args:
        route: the route that made them.
        target: predictions on the unlabelled target.
        held_out: predictions on held-out source samples.
        score: label-free score of this route among the others.
    """

    route: Route
    target: Tensor
    held_out: Tensor
    score: float


def score(
    candidates: Sequence[CandidateOutputs], task: Task, *, balanced: bool = True, voted: bool = True
) -> list[tuple[float, float]]:
    """The label-free score of each candidate (higher is better), and a second score that decides between equal ones.

    The first is `validators.combined_scores`, which also explains the arguments. The second is agreement. For classes
    it is the expected agreement, from probabilities. For values each candidate has a weight in it, according to its
    score on the source. For measurements see docs/validators.md.
    """
    merit = None if isinstance(task, Classification) else [one.source_score for one in candidates]
    agreed = expected_agreement([one.predictions for one in candidates], task, merit)
    return list(zip(combined_scores(candidates, task, balanced=balanced, voted=voted), agreed, strict=True))


def expected_error(outputs: RouteOutputs, labels: Tensor) -> float:
    """Mean of 1 minus the highest probability on the target, at the temperature that fits the held-out source best.

    Args:
        labels: labels (N,) of the held-out source samples.
    """
    return 1 - float(temperature_scaled(outputs.target, outputs.held_out, labels).amax(1).mean())


def in_doubt(predictions: Sequence[Tensor], task: Task) -> list[int]:
    """Indices of uncertain samples, the most uncertain first.

    A sample is uncertain if no class has a mean probability (over all routes) of at least (1 + 1 / C) / 2. This is
    halfway between chance and certainty. Such a sample is close to a class border, or is unreadable, or belongs to no
    class of the source. Nothing shows the last case before training.

    Args:
        predictions: probabilities (N, C) of each route, on the same target samples.
    """
    if not isinstance(task, Classification):
        return []
    confidence = together(predictions, task).amax(1)
    order = confidence.argsort()
    return order[confidence[order] < (1 + 1 / task.outputs) / 2].tolist()


def matches_distributions(route: Route) -> bool:
    """Whether the route's adaptation forces the source's class shares on the predictions for the target."""
    return route.adapt.assumes_source_balance and getattr(route.adapt, "target_prior", "source") == "source"


def shares(probabilities: Tensor) -> Tensor:
    """Share of the samples that is assigned to each class, (C,) float64."""
    return torch.bincount(probabilities.argmax(1), minlength=probabilities.shape[1]).double() / len(probabilities)


def class_share_shift(
    before: Tensor, after: Tensor, error: float, count: int, overconfident: float = OVERCONFIDENT
) -> float:
    """Difference of class shares beyond what errors explain: a lower bound of their total variation distance.

    Wrong predictions on a share e of the samples change the class shares by at most e. Sampling noise changes them,
    too, and is also subtracted.

    Args:
        before, after: class shares (C,) to compare.
        error: expected error of the predictions.
        count: number of samples.
        overconfident: true error over expected error.
    """
    noise = float((before * (1 - before) / count).sqrt().sum() / 2)
    return float((before - after).abs().sum() / 2) - overconfident * error - noise


def imbalance(plain: Sequence[RouteOutputs], prior: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """A lower bound of the class-share shift from source to target, and the class shares found on the target.

    The shares come from the route in `plain` with the best label-free score. Without randomization a network predicts
    wrong shares when the gap is wide: from USPS to MNIST they are wrong by 0.4, and the expected error explains half
    of it. With randomization they are wrong by 0.1. If the source is far from balanced, the target is unlikely to have
    the same imbalance. Then less evidence is required: the expected error is not multiplied by `OVERCONFIDENT`.

    Args:
        plain: routes that do not adapt the model.
        prior: class shares of the source (C,) float64.
        labels: labels of the held-out source samples.
    """
    best = max(plain, key=lambda one: one.score)
    found = shares(best.target)
    overconfident = 1.0 if unbalanced(prior) else OVERCONFIDENT
    return class_share_shift(found, prior, expected_error(best, labels), len(best.target), overconfident), found


def label_shift_refusals(
    outputs: Mapping[str, RouteOutputs], task: Task, prior: Tensor, labels: Tensor
) -> dict[str, str]:
    """The routes that a label shift from source to target is predicted to harm, each with the reason.

    Args:
        outputs: of each route, by name.
        task: of all; values have no label shift, so the result is empty.
        prior, labels: as `imbalance`.
    """
    if not isinstance(task, Classification):
        return {}
    plain = [one for one in outputs.values() if one.route.describe()["adapt"]["method"] == "source-only"]
    least, found = imbalance(plain, prior, labels)
    if least <= MARGIN:
        return {}
    worst = int((found - prior).abs().argmax())
    why = (
        f"the class balance of the target is not that of the source ('{task.classes[worst]}' is about "
        f"{100 * float(found[worst]):.0f} percent of the target and {100 * float(prior[worst]):.0f} percent of the "
        "source), and matching the distributions would force the source's balance on the target"
    )
    return {name: why for name, one in outputs.items() if matches_distributions(one.route)}


def reason_to_refuse(
    chosen: RouteOutputs,
    source_only: RouteOutputs,
    everyone: Sequence[Tensor],
    task: Task,
    labels: Tensor,
    groups: Tensor | None = None,
) -> str | None:
    """Why the chosen route is not reliably better than source only, without real labels; None if it is better.

    The standard error of a score difference is taken from the agreement of single samples, which is the noisiest part
    of the score. For values the scores are ranks; so the agreement itself must not be significantly lower.

    Args:
        chosen, source_only: outputs of the two routes.
        everyone: predictions of the routes on the target; agreement is measured with their ensemble.
        labels: labels of the held-out source samples.
        groups: group of each target sample (N,), such as its video; the samples of a group are not independent.
    """
    if isinstance(task, Classification):
        error = expected_error(source_only, labels)
        shift = class_share_shift(shares(source_only.target), shares(chosen.target), error, len(chosen.target))
        if shift > MARGIN:
            return "it changes the class of many samples that training on the source alone predicts with confidence"
    ensemble = together(everyone, task)
    before, after = (apart(task, one.target, ensemble).double().nan_to_num(0) for one in (source_only, chosen))
    noise = standard_error(before - after, groups)
    if isinstance(task, Classification):
        better = chosen.score - source_only.score > CERTAIN * noise
    else:
        better = chosen.score > source_only.score and float((before - after).mean()) > -CERTAIN * noise
    if not better:
        return "its label-free score is not significantly better than that of training on the source alone"
    return None
