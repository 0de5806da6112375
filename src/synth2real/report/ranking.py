"""The ranking: its columns, and what each means to a reader who sees it for the first time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..comparison import Comparison


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
    """

    title: str
    why: str
    key: str
    form: Callable[[Any], str]
    spread: str | None = None

    def text(self, row: dict[str, Any]) -> str:
        """The cell's text."""
        if row[self.key] is None:
            return "-"
        spread = row[self.spread] if self.spread else None
        return self.form(row[self.key]) if spread is None else f"{self.form(row[self.key])} ± {self.form(spread)}"


def columns(comparison: Comparison) -> list[Column]:
    """Columns of the ranking; those that no route has a value for are left out."""
    metric = comparison.metric
    shares = metric == "accuracy"
    form = percent if shares else number
    better = "higher is better" if shares else "lower is better"
    word = {"accuracy": "accuracy", "mean_degrees": "mean error in degrees"}.get(metric, "mean error")
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
            "agreement",
            "The label-free score that chooses: how far a route's answers on the unlabelled target agree with all "
            "routes together. Higher is better.",
            "score_label_free",
            form,
        ),
        Column(
            "gap before",
            "How easily synthetic and real are told apart (proxy A-distance) by features of source only: 0 if not at "
            "all, 2 if always. Reported and never used to choose.",
            "gap_before",
            "{:.2f}".format,
        ),
        Column("gap after", "The same, in the features of this route.", "gap_after", "{:.2f}".format),
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
    return [column for column in every if any(row[column.key] is not None for row in rows)]
