"""Runs what is compared in turns, so that all have the same load, and sums up the rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Spread = dict[str, float]  # `median`, `least` and `most` over the rounds
ROUNDS = 5


def timed(run: Callable[[], object]) -> Callable[[], float]:
    """A run that returns the seconds that it took."""

    def seconds() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return seconds


def interleaved(runs: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """What each run returns in each round.

    A first round is a warm-up and does not count. Every second round goes through the runs backwards: none is always
    the one that comes after a slow one.
    """
    found: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name in list(runs) if turn % 2 else list(runs)[::-1]:
            value = runs[name]()
            if turn:
                found[name].append(value)
    return found


def spread(values: Sequence[float]) -> Spread:
    """Median, least and most, with four digits."""
    whole = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: float(f"{value:.4g}") for name, value in whole.items()}


def rates(count: float, seconds: Sequence[float]) -> Spread:
    """Spread of `count` a second."""
    return spread([count / each for each in seconds])


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> Spread:
    """Spread of theirs divided by ours, round by round."""
    return spread([one / other for one, other in zip(theirs, ours, strict=True)])
