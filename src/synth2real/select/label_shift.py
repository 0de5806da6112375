"""Label shift: finds a difference between the class shares of source and target, and the routes that it would harm.

Methods that match the distributions of the domains force the source's class shares on the target. If the shares
differ, they are wrong together, so that no agreement between routes shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..measure.priors import unbalanced
from ..route.route import Route
from ..tasks import Classification, Task
from .validators import CandidateOutputs, temperature_scaled

MARGIN = 0.08  # a class-share shift is accepted as real if it exceeds the shift explained by errors by more than this
OVERCONFIDENT = 2.0  # true error over expected error under a domain shift (digits: expected 0.24, true 0.49)


@dataclass(frozen=True)
class RouteOutputs:
    """Outputs of a trained route that are known without real labels, and its score among the others."""

    route: Route
    outputs: CandidateOutputs
    score: float


def expected_error(outputs: CandidateOutputs, labels: Tensor) -> float:
    """Mean of 1 minus the highest probability on the target, at the temperature that fits the held-out source best.

    Args:
        outputs: of a classifier.
        labels: labels (H,) of the held-out source samples.
    """
    return 1 - float(temperature_scaled(outputs.target, outputs.held_out, labels).amax(1).mean())


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
    found = shares(best.outputs.target)
    overconfident = 1.0 if unbalanced(prior) else OVERCONFIDENT
    error = expected_error(best.outputs, labels)
    return class_share_shift(found, prior, error, len(best.outputs.target), overconfident), found


def label_shift_refusals(
    routes: Mapping[str, RouteOutputs], task: Task, prior: Tensor, labels: Tensor
) -> dict[str, str]:
    """The routes that a label shift from source to target is predicted to harm, each with the reason.

    Args:
        routes: by name.
        task: of all; values have no label shift, so the result is empty.
        prior, labels: as `imbalance`.
    """
    if not isinstance(task, Classification):
        return {}
    plain = [one for one in routes.values() if one.route.describe()["adapt"]["method"] == "source-only"]
    least, found = imbalance(plain, prior, labels)
    if least <= MARGIN:
        return {}
    worst = int((found - prior).abs().argmax())
    why = (
        f"the class balance of the target is not that of the source ('{task.classes[worst]}' is about "
        f"{100 * float(found[worst]):.0f} percent of the target and {100 * float(prior[worst]):.0f} percent of the "
        "source), and matching the distributions would force the source's balance on the target"
    )
    return {name: why for name, one in routes.items() if matches_distributions(one.route)}
