"""Compares a choice made without real labels with the best choice in hindsight."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.lib import points
from benchmarks.lib.points import PointProtocol
from benchmarks.lib.protocols import Protocol
from synth2real import Comparison, Labelled
from synth2real.data.groups import redrawn

RESAMPLES = 2000  # of the bootstrap


def errors(comparison: Comparison, protocol: Protocol | PointProtocol, score: bool) -> dict[str, Tensor]:
    """Error of each labelled image, for each route: (seeds, N) float64, in pixels, or 1 for a wrong class, else 0."""
    if isinstance(protocol, PointProtocol):
        return points.errors(comparison, protocol, (protocol.score if score else protocol.dev)[0])
    return wrong(comparison, protocol.score if score else protocol.dev)


def wrong(comparison: Comparison, part: Labelled) -> dict[str, Tensor]:
    """Error of each sample, for each route: (seeds, N) float64, 1 for a wrong class, else 0."""
    return {
        candidate.name: torch.stack(
            [
                (trial.run.model.predict(part.unlabelled()).values.argmax(1) != part.labels).double()
                for trial in candidate.trials
            ]
        )
        for candidate in comparison.candidates
    }


def people(protocol: Protocol | PointProtocol, score: bool) -> Tensor | None:
    """The person in each labelled image (N,); None if the protocol has no persons."""
    return (protocol.score if score else protocol.dev)[1] if isinstance(protocol, PointProtocol) else None


def against_hindsight(error: dict[str, Tensor], chosen: str, person: Tensor | None = None) -> dict[str, Any]:
    """Compare the mean error of the chosen candidate with that of the best candidate in hindsight.

    Hindsight picks the candidate of least mean error on one half of the samples and is scored on the other half. Then
    the halves change places. Hindsight therefore gains nothing from chance.

    Args:
        error: errors (seeds, N) of each candidate, such as a route or a strength of the randomization.
        chosen: name of the chosen candidate.
        person: the person in each image (N,) int64. With it, there is a second interval over persons. Images of one
            person are near-duplicates, so they carry less information than the same number
            of images of different persons.

    Returns:
        Names and mean errors of both, their difference, and the 95 % intervals of the difference.
    """
    generator = torch.Generator().manual_seed(0)
    each = {name: values.mean(0) for name, values in error.items()}
    count = len(each[chosen])
    order = torch.randperm(count, generator=generator)
    halves = order[: count // 2], order[count // 2 :]
    best, picks = torch.empty(count, dtype=torch.float64), []
    for seen, scored in (halves, halves[::-1]):
        picks.append(min(each, key=lambda name: float(each[name][seen].mean())))
        best[scored] = each[picks[-1]][scored]
    difference = each[chosen] - best
    means = difference[torch.randint(count, (RESAMPLES, count), generator=generator)].mean(1)
    low, high = interval(means)
    found = {
        "chosen": chosen,
        "hindsight": picks,
        "chosen_error": float(each[chosen].mean()),
        "hindsight_error": float(best.mean()),
        "difference": float(difference.mean()),
        "low": low,
        "high": high,
    }
    if person is not None:
        means = torch.stack([difference[redrawn(count, person, generator)].mean() for _ in range(RESAMPLES)])
        found["low_people"], found["high_people"] = interval(means)
    return found


def interval(means: Tensor) -> list[float]:
    """The limits that contain 95 % of the resampled means."""
    ends: list[float] = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return ends
