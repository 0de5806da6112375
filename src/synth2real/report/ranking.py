"""The columns of the ranking, each with an explanation for new readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..comparison.comparison import SOURCE_ONLY, Comparison
from ..tasks import Classification, Detection

CLASS_SCORE = (
    "Used to choose the route, without real labels. Higher is better; 0 is a constant prediction. It is the mean of "
    "three terms on the target, each above chance: agreement with the other routes, consistency (predictions stay the "
    "same for a changed input), and information (predictions are confident and tell the samples apart). For texts, "
    "words are removed as the change, and agreement is not used."
)
VALUE_SCORE = (
    "Used to choose the route, without real labels. Higher is better; 1 follows known moves of the target images "
    "exactly, 0 does not follow them. It is the mean share of a move that the prediction follows."
)
MASK_SCORE = (
    "Used to choose the route, without real labels. Higher is better; it is an intersection over union (IoU). It is "
    "the mean of three terms on the target images, each an expected IoU of the foreground: agreement with the other "
    "routes, consistency (the mask of a moved image is the moved mask), and confidence (by the route's own "
    "probabilities)."
)
BOX_SCORE = (
    "Used to choose the route, without real labels. Higher is better; it is an average precision at an IoU of 0.5 "
    "(AP50). It is the mean of three terms on the target images, each an expected AP50: agreement with the boxes of "
    "the other routes, consistency (the boxes of a moved image are the moved boxes), and confidence (by the calibrated "
    "scores of the route)."
)
METRICS = {
    "accuracy": "accuracy",
    "ap50": "AP50",
    "mean_iou": "mean IoU",
    "mean_degrees": "mean error in degrees",
}  # others are a mean error


def percent(share: float) -> str:
    """`95.1 %`."""
    return f"{100 * share:.1f} %"


def number(value: float) -> str:
    """`0.123`, `12.3`."""
    return f"{value:.3g}"


def form_of(metric: str) -> Callable[[float], str]:
    """How a value of this metric is written: `95.1 %`, `0.910` for a mean IoU or AP50, or three digits."""
    return {"accuracy": percent, "mean_iou": "{:.3f}".format, "ap50": "{:.3f}".format}.get(metric, number)


@dataclass(frozen=True)
class Column:
    """One column of the ranking.

    Args:
        title, why: the heading and the explanation.
        key: of the value in a row.
        form: formats a value.
        spread: key of the standard deviation over seeds, if the column has one.
        interval: key of the interval (low, high), if the column has one.
    """

    title: str
    why: str
    key: str
    form: Callable[[Any], str]
    spread: str | None = None
    interval: str | None = None

    def text(self, row: dict[str, Any]) -> str:
        """The text of a cell, such as `0.65 (0.44 to 0.80)`."""
        return f"{self.value(row)} {self.ends(row)}".rstrip()

    def value(self, row: dict[str, Any]) -> str:
        """The value and its spread over seeds."""
        if row[self.key] is None:
            return "-"
        spread = row[self.spread] if self.spread else None
        return self.form(row[self.key]) if spread is None else f"{self.form(row[self.key])} ± {self.form(spread)}"

    def ends(self, row: dict[str, Any]) -> str:
        """The interval in brackets, empty without one."""
        if row[self.key] is None or not self.interval or not row[self.interval]:
            return ""
        low, high = map(self.form, row[self.interval])
        return f"({low} to {high})"


def columns(comparison: Comparison) -> list[Column]:
    """Columns of the ranking. A column is left out if no route has a value for it."""
    rows = comparison.rows()
    word = METRICS.get(comparison.metric, "mean error")
    form = form_of(comparison.metric)
    every = [
        Column(
            "route",
            "A route is a training pipeline: methods that reduce the gap between synthetic and real data.",
            "name",
            str,
        ),
        *_scores(comparison, word, form),
        *_gaps(comparison),
        Column(
            f"{word} on source data",
            "Measured on source samples that were held out from training. If it is worse than for source only, the "
            "route loses performance on the source.",
            f"source_{comparison.metric}",
            form,
        ),
        Column(
            "labels kept",
            f"{word} of the source-only model on refined images with the original labels."
            if comparison.task.dense
            else "Share of refined images for which the source-only model still predicts the original label.",
            "label_kept",
            number if comparison.task.dense else percent,
        ),
        Column("seconds", "Time of the whole route, for one seed.", "seconds", "{:.0f}".format),
    ]
    unused = ("score_label_free",) if len(rows) == 1 else ()
    return [c for c in every if c.key not in unused and any(known(row[c.key]) for row in rows)]


def _scores(comparison: Comparison, word: str, form: Callable[[Any], str]) -> list[Column]:
    """The columns of the metric on real data, its estimate and the label-free score."""
    metric, task = comparison.metric, comparison.task
    better = "Higher is better." if task.higher_is_better else "Lower is better."
    changes, wrongly = ("falls", "high") if task.higher_is_better else ("rises", "low")
    dense = BOX_SCORE if isinstance(task, Detection) else MASK_SCORE
    score = dense if task.dense else CLASS_SCORE if isinstance(task, Classification) else VALUE_SCORE
    return [
        Column(
            f"{word} on real data",
            f"Measured on the real test labels. {better} With several seeds: mean ± standard deviation. Not used to "
            "choose a route.",
            f"{metric}_mean",
            form,
            f"{metric}_std",
        ),
        Column(
            f"estimated {word}",
            f"Estimated {word} on the target, with a 95 % interval. No real label is used. It starts from {word} on "
            f"held-out source data and {changes} with the disagreement between routes. It is too {wrongly} if all "
            "routes make the same mistakes.",
            "estimate",
            form,
            interval="interval",
        ),
        Column("label-free score", score, "score_label_free", number),
    ]


def _gaps(comparison: Comparison) -> list[Column]:
    """The columns of the gap before and after each route."""
    single = comparison.candidates[0].name != SOURCE_ONLY
    return [
        Column(
            "gap before",
            "Proxy A-distance between synthetic and real samples, with a 95 % interval over samples. It is measured on "
            f"{'the raw inputs' if single else 'features of the source-only model'}. 0: a classifier cannot "
            "distinguish the domains. 2: it always can. Not used to choose a route.",
            "gap_before",
            "{:.2f}".format,
            interval="gap_before_interval",
        ),
        Column(
            "gap after",
            "The same distance in the features of this route's model.",
            "gap_after",
            "{:.2f}".format,
            interval="gap_after_interval",
        ),
    ]


def known(value: Any) -> bool:
    """Whether the value is neither None nor nan."""
    return value is not None and value == value
