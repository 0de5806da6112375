"""A choice made without real labels, held against the best in hindsight."""

from __future__ import annotations

from typing import Any

import points
import torch
from points import PointProtocol
from protocols import Protocol
from torch import Tensor

from synth2real import Comparison, Labelled
from synth2real.data.groups import redrawn

DRAWS = 2000  # of the bootstrap


def errors(comparison: Comparison, protocol: Protocol | PointProtocol, score: bool) -> dict[str, Tensor]:
    """For each route (seeds, N) float64: the error of each labelled image in pixels, or 1 where its class is wrong."""
    if isinstance(protocol, PointProtocol):
        return points.errors(comparison, protocol, (protocol.score if score else protocol.dev)[0])
    return wrong(comparison, protocol.score if score else protocol.dev)


def wrong(comparison: Comparison, part: Labelled) -> dict[str, Tensor]:
    """For each route (seeds, N) float64: 1 where the class of an image is wrong, else 0."""
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
    """Who is seen in each labelled image (N,) int64; None where images are not of few people."""
    return (protocol.score if score else protocol.dev)[1] if isinstance(protocol, PointProtocol) else None


def against_hindsight(error: dict[str, Tensor], chosen: str, person: Tensor | None = None) -> dict[str, Any]:
    """Mean errors of the chosen strength and of hindsight's, and their difference with its 95 % intervals.

    Args:
        error: for each strength (seeds, N).
        chosen: one of them.
        person: who is seen in each image (N,) int64: then there is an interval more, over people, whose images are near
            copies of each other and tell less than as many of others would.
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
    apart = each[chosen] - best
    drawn = apart[torch.randint(count, (DRAWS, count), generator=generator)].mean(1)
    low, high = interval(drawn)
    found = {
        "chosen": chosen,
        "hindsight": picks,
        "chosen_error": float(each[chosen].mean()),
        "hindsight_error": float(best.mean()),
        "difference": float(apart.mean()),
        "low": low,
        "high": high,
    }
    if person is not None:
        drawn = torch.stack([apart[redrawn(count, person, generator)].mean() for _ in range(DRAWS)])
        found["low_people"], found["high_people"] = interval(drawn)
    return found


def interval(drawn: Tensor) -> list[float]:
    """The ends between which 95 percent of the draws lie."""
    ends: list[float] = drawn.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return ends
