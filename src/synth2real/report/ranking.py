"""The ranking: its columns, and what each means to a reader who sees it for the first time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..comparison.comparison import SOURCE_ONLY, Comparison


def percent(share: float) -> str:
    """`95.1 %`."""
    return f"{100 * share:.1f} %"


def number(value: float) -> str:
    """`0.123`, `12.3`."""
    return f"{value:.3g}"


@dataclass(frozen=True)
class Column:
    """One column of the ranking.

    Args:
        title, why: its heading, and what it means in one line.
        key: of the row.
        form: how a value is written.
        spread: key of the deviation over seeds, where there is one.
        interval: key of a low and a high end, where there is one.
    """

    title: str
    why: str
    key: str
    form: Callable[[Any], str]
    spread: str | None = None
    interval: str | None = None

    def text(self, row: dict[str, Any]) -> str:
        """The cell's text."""
        if row[self.key] is None:
            return "-"
        if self.interval and row[self.interval]:
            low, high = map(self.form, row[self.interval])
            return f"{self.form(row[self.key])} ({low} to {high})"
        spread = row[self.spread] if self.spread else None
        return self.form(row[self.key]) if spread is None else f"{self.form(row[self.key])} ± {self.form(spread)}"


def columns(comparison: Comparison) -> list[Column]:
    """Columns of the ranking; those that no route has a value for are left out."""
    metric = comparison.metric
    shares = metric == "accuracy"
    form = percent if shares else number
    better = "higher is better" if shares else "lower is better"
    word = {"accuracy": "accuracy", "mean_degrees": "mean error in degrees"}.get(metric, "mean error")
    alone = comparison.candidates[0].name != SOURCE_ONLY
    seen = "their pixels" if alone else "features of source only"
    every = [
        Column("route", "What was done to cross from synthetic to real.", "name", str),
        Column(
            f"{word} on real",
            f"Measured on real labels ({better}), ± over seeds where there were several; never used to choose.",
            f"{metric}_mean",
            form,
            f"{metric}_std",
        ),
        Column(
            f"{word}, estimated",
            "What that is likely to be, by what it is on the source and how much less the routes agree on the target "
            "than there, with a 95 percent interval; made without real labels, and hopeful where all routes err alike.",
            "estimate",
            form,
            interval="interval",
        ),
        Column(
            "label-free",
            "The score that chooses: how far a route's answers on the unlabelled target agree with those of all routes "
            "together, and how steady they are when an image is moved; for classes the mean of both and of how sure "
            "and balanced they are, for values the mean rank by both and by the error on the source. For texts how "
            "steady they are when words are struck out, and how sure and balanced, alone. Higher is better.",
            "score_label_free",
            form,
        ),
        Column(
            "gap before",
            f"How easily synthetic and real are told apart (proxy A-distance) by {seen}: 0 if not at all, 2 if always, "
            "with a 95 percent interval over samples. Reported and never used to choose.",
            "gap_before",
            "{:.2f}".format,
            interval="gap_before_interval",
        ),
        Column(
            "gap after",
            "The same, in the features of this route.",
            "gap_after",
            "{:.2f}".format,
            interval="gap_after_interval",
        ),
        Column(
            f"{word} on source",
            "Measured on synthetic samples kept from training: what was given up at home.",
            f"source_{metric}",
            form,
        ),
        Column(
            "label kept",
            "The share of refined images that source only still takes for what they were made as.",
            "label_kept",
            percent,
        ),
        Column("seconds", "Time of the whole route, for one seed.", "seconds", "{:.0f}".format),
    ]
    rows = comparison.rows()
    unknown = ("score_label_free",) if len(rows) == 1 else ()
    return [c for c in every if c.key not in unknown and any(known(row[c.key]) for row in rows)]


def known(value: Any) -> bool:
    """Whether it is a value: neither None nor nan."""
    return value is not None and value == value
