"""Notebook view of a comparison: the verdict and the ranking, with bars for the label-free estimates."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

BAR = "background:linear-gradient(to right, rgba(36,137,201,.3) {share:.1f}%, transparent {share:.1f}%)"


def as_table(rows: Sequence[dict[str, Any]], metric: str, verdict: str) -> str:
    """The rows of a `Comparison.ranking` as HTML without scripts, in the notebook's own colours."""
    metric = escape(metric)
    titles = ("route", "label-free score", f"{metric}, estimated", f"{metric} on test", "steps", "seeds", "seconds", "")
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    most = max((row["estimate"] or 0.0 for row in rows), default=0.0)
    body = "".join(f"<tr>{_cells(row, most)}</tr>" for row in rows)
    return (
        f"<p><b>{escape(verdict)}</b></p>"
        f'<table style="font-variant-numeric:tabular-nums"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _cells(row: dict[str, Any], most: float) -> str:
    low, high = row["interval"] or (None, None)
    share = 100 * row["estimate"] / most if row["estimate"] and most else 0.0
    estimate = "-" if low is None else f"{row['estimate']:.3f} ({low:.3f} to {high:.3f})"
    test = "-" if row["test_score"] is None else f"{row['test_score']:.3f}"
    name = escape(row["name"])
    mark = "✓ chosen" if row["chosen"] else escape(row["refused"] or "")
    cells = (
        (f"<b>{name}</b>" if row["chosen"] else name, "text-align:left"),
        ("-" if row["score_label_free"] is None else f"{row['score_label_free']:.3f}", ""),
        (estimate, BAR.format(share=share)),
        (test, ""),
        (str(row["steps"] or "-"), ""),
        (str(len(row["seeds"])), ""),
        (f"{row['seconds']:.0f}", ""),
        (mark, "text-align:left;max-width:24em;white-space:normal"),
    )
    return "".join(f'<td style="{style}">{text}</td>' for text, style in cells)
