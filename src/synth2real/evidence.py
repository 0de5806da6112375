"""What speaks for a route without a real label: its score, an estimate of what it reaches, and whether to adapt at all.

Every score has a way to be led astray. Agreement follows the majority, also where most candidates share an error; and
methods that match the domains' distributions share one where the classes stand in other shares than in the source.
So the choice is checked against source only, whose faults are others: see `doubts_of_balance` and `doubt`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .groups import interval
from .route import Route
from .tasks import Classification, Keypoints, Task
from .validators import ensemble_agreement, expected_agreement

MARGIN = 0.1  # shift of class shares, beyond what doubt explains, that is taken for real
OVERCONFIDENT = 2.0  # a model under a shift errs about twice as often as it says (digits: says 0.24, errs 0.49)
CERTAIN = 2.0  # standard errors by which a route must agree better than source only
TEMPERATURES = torch.logspace(-0.7, 1.0, 60, dtype=torch.float64)


@dataclass(frozen=True)
class Answers:
    """What a route says, without a look at any real label.

    Args:
        route: whose answers they are.
        target: predictions on the unlabelled target, of each seed.
        held: predictions on held source samples, of each seed.
        source_error: mean error on held source samples; unused for classes.
    """

    route: Route
    target: tuple[Tensor, ...]
    held: tuple[Tensor, ...]
    source_error: float


@dataclass(frozen=True)
class Estimate:
    """An estimate of the task's metric on real data, with a 95 percent interval; all None where nothing can be said."""

    value: float | None
    interval: tuple[float, float] | None


NOTHING = Estimate(None, None)


def score(predictions: Sequence[Tensor], task: Task, source: Sequence[float]) -> list[tuple[float, float]]:
    """The label-free score of each candidate, higher is better, and what decides between equal ones.

    The first is its agreement with all of them together, of values weighed by how well each has learnt the source; the
    second the same by probabilities. Measured: see docs/validators.md.

    Args:
        source: the metric of each on the source, higher is better.
    """
    merit = None if isinstance(task, Classification) else source
    votes, expected = (agree(predictions, task, merit) for agree in (ensemble_agreement, expected_agreement))
    return list(zip(votes, expected, strict=True))


def estimate(
    answers: Answers, others: Sequence[Tensor], held: Sequence[Tensor], task: Task, truth: Tensor, groups: Tensor | None
) -> Estimate:
    """What the metric is likely to be on the target.

    Classes: the mean confidence, at the temperature that fits the held source samples. Values: the error on the source,
    times how much farther the route stands from all routes together on the target than on the source. Both are hopeful
    where the gap is wide. The interval is of the samples alone.

    Args:
        answers: of the route.
        others, held: predictions of every route on the target, and on held source samples.
        task, truth: the labels of the held source samples as the task takes them.
        groups: of the target's samples (N,) int64.
    """
    if isinstance(task, Classification):
        each = torch.stack(
            [confidence(t, temperature(h, truth)) for t, h in zip(answers.target, answers.held, strict=True)]
        ).mean(0)
        return Estimate(float(each.mean()), interval(each, groups))
    if len(others) < 2:
        return NOTHING
    here, home = (
        _apart(mine, torch.stack(list(all_)).median(0).values, task)
        for mine, all_ in ((answers.target[0], others), (answers.held[0], held))
    )
    each = answers.source_error * here / home.mean().clamp(min=1e-9)
    return Estimate(float(each.mean()), interval(each, groups))


def temperature(probabilities: Tensor, truth: Tensor) -> float:
    """The temperature at which probabilities (N, C) fit labels (N,) best."""
    logs = probabilities.double().clamp(min=1e-12).log()
    losses = torch.stack([torch.nn.functional.cross_entropy(logs / t, truth) for t in TEMPERATURES])
    return float(TEMPERATURES[losses.argmin()])


def confidence(probabilities: Tensor, temperature: float) -> Tensor:
    """Highest probability (N,) float64 at a temperature."""
    return (probabilities.double().clamp(min=1e-12).log() / temperature).softmax(1).amax(1)


def _apart(values: Tensor, together: Tensor, task: Task) -> Tensor:
    """Distance of each sample's answer (N, K) to another, (N,) float64: of points in pixels, else over columns."""
    if isinstance(task, Keypoints):
        apart: Tensor = (values - together).double().view(len(values), -1, 2).norm(dim=2)
        return apart.mean(1)
    return (values - together).double().abs().mean(1)


def matches_distributions(route: Route) -> bool:
    """Whether the route's adaptation makes the target's answers follow the source's shares of classes."""
    plain: dict[str, Any] = route.describe()["adapt"]
    return bool(plain["method"] != "source-only" and plain.get("target_prior", "source") == "source")


def shares(probabilities: Tensor) -> Tensor:
    """Share of the samples that each class is given, (C,) float64."""
    return torch.bincount(probabilities.argmax(1), minlength=probabilities.shape[1]).double() / len(probabilities)


def moved(before: Tensor, after: Tensor, doubt: float, count: int) -> float:
    """How far class shares differ beyond what errors explain: a lower bound of their total variation distance.

    Wrong answers on a share e of the samples move the shares by at most e; chance moves them, too.
    """
    noise = float((before * (1 - before) / count).sqrt().sum())
    return float((before - after).abs().sum() / 2) - OVERCONFIDENT * doubt - noise


def imbalance(plain: Sequence[Answers], prior: Tensor, truth: Tensor) -> tuple[float, Tensor]:
    """How far, at least, the target's class shares are from the source's, and what they are, by the surest witness.

    Args:
        plain: routes that do not adapt the model.
        prior: class shares of the source (C,) float64.
        truth: labels of the held source samples.
    """
    witnesses = []
    for one in plain:
        found = shares(one.target[0])
        unsure = 1 - float(confidence(one.target[0], temperature(one.held[0], truth)).mean())
        witnesses.append((moved(found, prior, unsure, len(one.target[0])), found))
    return max(witnesses, key=lambda witness: witness[0])


def doubts_of_balance(answers: Mapping[str, Answers], task: Task, prior: Tensor, truth: Tensor) -> dict[str, str]:
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


def doubt(chosen: Answers, source_only: Answers, together: Sequence[Tensor], task: Task, truth: Tensor) -> str | None:
    """Why the chosen route is no better than source only, by what is known without a real label; None where it is."""
    if isinstance(task, Classification):
        before, after = shares(source_only.target[0]), shares(chosen.target[0])
        unsure = 1 - float(confidence(source_only.target[0], temperature(source_only.held[0], truth)).mean())
        if moved(before, after, unsure, len(chosen.target[0])) > MARGIN:
            return "it moves answers from class to class, of which training on the source alone is sure"
        all_ = torch.stack(list(together)).mean(0).argmax(1)
        gains = (chosen.target[0].argmax(1) == all_).double() - (source_only.target[0].argmax(1) == all_).double()
    else:
        middle = torch.stack(list(together)).median(0).values
        gains = _apart(source_only.target[0], middle, task) - _apart(chosen.target[0], middle, task)
    error = float(gains.std(correction=0)) / len(gains) ** 0.5
    if float(gains.mean()) <= CERTAIN * error:
        return "it does not agree with all routes together surely better than training on the source alone"
    return None
